"""A renamed network among others: in a parent, in a scope, cut, copied, trained."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import copy
import pickle
from typing import Any

import mxnet as mx
import pytest
from mxnet import autograd, gluon
from samples import (
    CUTS,
    convolutional,
    initialised,
    layers,
    normal,
    same,
    values,
)

nn = gluon.nn
X = (2, 3, 8, 8)


def test_two_instances_of_one_model_in_one_parent_are_told_apart_by_a_new_prefix(tmp_path: Any) -> None:
    nets = [layers(2, seed=1), layers(2, seed=2)]
    parent = nn.HybridSequential(prefix="p_")
    parent.add(*nets)
    with pytest.raises(AssertionError, match="different Parameters with the same name"):
        parent.collect_params()
    parent = nn.HybridSequential(prefix="p_")
    parent.add(gs.rename(nets[0], "left_").net, gs.rename(nets[1], "right_").net)
    assert list(parent.collect_params()) == [
        f"{side}_dense{i}_{kind}" for side in ("left", "right") for i in (0, 1) for kind in ("weight", "bias")
    ]
    x = normal(3, 4)
    expected = nets[1](nets[0](x))
    parent.hybridize()
    assert same(parent(x), expected)
    with pytest.warns(UserWarning, match="is not found in the graph"):
        parent.export(str(tmp_path / "p"))  # stock Gluon looks for the names the Parameters were made with
    gs.rename(parent, {}).net.export(str(tmp_path / "p"))
    stock = gluon.SymbolBlock.imports(f"{tmp_path}/p-symbol.json", ["data"], f"{tmp_path}/p-0000.params")
    assert same(stock(x), expected)
    parent.save_parameters(str(tmp_path / "q"))
    initialised(parent, seed=9)
    parent.load_parameters(str(tmp_path / "q"))
    assert same(parent(x), expected)


def test_trainer_over_several_devices_refuses_parameters_made_with_one_name() -> None:
    nets = [layers(1, seed=1), layers(1, seed=2)]
    parent = nn.HybridSequential(prefix="p_")
    parent.add(*(gs.rename(net, f"side{i}_").net for i, net in enumerate(nets)))
    parent.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    trainer = gluon.Trainer(parent.collect_params(), "sgd")
    with autograd.record():
        losses = [parent(normal(2, 4, ctx=ctx)).sum() for ctx in (mx.cpu(0), mx.cpu(1))]
    autograd.backward(losses)
    with pytest.raises(mx.MXNetError, match="duplicate init of key"):
        trainer.step(4)


def test_trainer_takes_the_parameters_of_a_network_or_of_its_renamed_block() -> None:
    net = layers(2)
    parent = nn.HybridSequential(prefix="p_")
    parent.add(net, gs.rename(net, "x_").net)
    with autograd.record():
        loss = parent(normal(2, 4)).sum()
    loss.backward()
    with pytest.raises(UserWarning, match="has not been updated by backward"):
        gluon.Trainer(parent.collect_params(), "sgd", kvstore=None).step(2)
    with autograd.record():
        loss = parent(normal(2, 4)).sum()
    loss.backward()
    before = values(net)
    gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None).step(2)
    assert [name for name, value in values(net).items() if value == before[name]] == []


def test_states_of_a_trainer_go_by_the_order_of_the_sorted_names() -> None:
    net = layers(2)
    for names in ("x_", {"dense0_*": "z_*"}):
        renamed = gs.rename(net, names)
        order = [p.name for p in gluon.Trainer(renamed.net.collect_params(), "sgd")._params]
        assert order == sorted(net.collect_params(), key=lambda name: renamed.mapping.get(name, name))


def test_block_inside_a_name_scope_is_brought_under_one_prefix() -> None:
    net = nn.HybridSequential(prefix="outer_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4))
    net.add(nn.Dense(4, in_units=4, prefix="stray_"))  # made outside the scope
    renamed = gs.rename(initialised(net), "new_").net
    assert list(renamed.params) == ["new_dense0_weight", "new_dense0_bias", "new_stray_weight", "new_stray_bias"]
    assert renamed.input_names == ("data",)
    assert renamed.name_prefix == "new_"
    assert gs.extract(renamed, "dense0_fwd", "stray_fwd").output_names == ("new_stray_fwd_output",)
    globbed = gs.rename(net, {"*": "one_*"}).net
    assert gs.extract(globbed, "outer_dense0_fwd", "stray_fwd").output_names == ("one_stray_fwd_output",)
    piece = gs.rename(gs.extract(net, net[1]), "new_").net
    assert list(piece.params) == ["new_stray_weight", "new_stray_bias"]
    assert piece.input_names == ("new_dense0_fwd_output",)


def test_rename_and_extract_change_places() -> None:
    net = convolutional()
    one = gs.rename(gs.extract(net, *CUTS), lambda name: name.replace("c_", "d_", 1)).net
    other = gs.extract(gs.rename(net, "d_").net, *CUTS)
    assert (one.graph.nodes, one.input_names, list(one.params)) == (
        other.graph.nodes,
        other.input_names,
        list(other.params),
    )


@pytest.mark.parametrize(
    "copy_of", [copy.deepcopy, lambda block: pickle.loads(pickle.dumps(block))], ids=["deepcopy", "pickle"]
)
def test_copies_of_a_renamed_block_read_the_same_files(copy_of: Any, tmp_path: Any) -> None:
    net = convolutional(seed=1)
    net.save_parameters(str(tmp_path / "structural"))
    net.export(str(tmp_path / "exported")) if net._cached_graph else mx.nd.save(
        str(tmp_path / "exported"), {f"arg:{n}": p.data() for n, p in net.collect_params().items()}
    )
    expected = list(values(net).values())
    copied = copy_of(gs.rename(net, "x_").net)
    for file in ("structural", "exported"):
        initialised(copied, seed=5)
        assert list(values(copied).values()) != expected
        copied.load_parameters(str(tmp_path / file))
        assert list(values(copied).values()) == expected


@pytest.mark.parametrize("model", ["resnet18_v1", "mobilenet0.25"])
def test_zoo_network_is_renamed_and_back(model: str) -> None:
    net = mx.gluon.model_zoo.vision.get_model(model, classes=10, prefix="z_")
    net.initialize(mx.init.Xavier())
    x = normal(1, 3, 32, 32)
    expected = net(x)
    renamed = gs.rename(net, {"*conv*": "*k*"})
    assert same(renamed.net(x), expected)
    assert gs.rename(renamed.net, renamed.inverse).net.graph == gs.rename(net, {}).net.graph


@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers_keep_the_names_that_they_save_under(bidirectional: bool, tmp_path: Any) -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(gluon.rnn.LSTM(3, 2, input_size=4, bidirectional=bidirectional), nn.Dense(2))
    initialised(net)(normal(5, 2, 4))
    block = gs.rename(net, "x_").net
    for source, target in [(net, block), (block, net)]:
        before = values(net)
        source.save_parameters(str(tmp_path / "f"))
        initialised(net, seed=6)
        target.load_parameters(str(tmp_path / "f"))
        assert values(net) == before
    assert gs.freeze(net, "0._unfused.0.*") == [n for n in net.collect_params() if "0_l0_" in n or "0_r0_" in n]
