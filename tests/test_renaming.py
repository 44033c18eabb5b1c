"""A renamed network computes what it computed, over the same parameters, and can be called as before again."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from random_graphs import random_network, stock_block
from samples import (
    Fork,
    Offset,
    bits,
    convolutional,
    initialised,
    layers,
    normal,
    same,
    symbol_block,
    triple,
    values,
)
from small_networks import an_input
from snapshots import unchanged
from test_control_flow import cond, foreach, while_loop

from gluon_subgraph.codec import graph_of_symbol

nn = gluon.nn
X = (2, 3, 8, 8)

BLOCKS: dict[str, Callable[[], gluon.HybridBlock]] = {
    "network": convolutional,
    "piece": lambda: gs.extract(convolutional(), "data", "dense0_fwd"),
    "stock SymbolBlock": lambda: symbol_block(convolutional()),
}


def plain(graph: Any) -> Any:
    """Return a graph without what MXNet does not keep: block paths and calls."""
    return [node._replace(path="") for node in graph.nodes], graph.outputs, graph.attrs


@pytest.mark.parametrize("names", ["x_", "*_old", {"*conv*": "*k*", "data": "image"}, str.upper], ids=str)
@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_renamed_block_computes_the_same_over_the_same_parameters(make: Any, names: Any) -> None:
    net = make()
    with unchanged(net):
        renamed = gs.rename(net, names)
        again = gs.rename(renamed.net, renamed.inverse)
    assert type(renamed.net) is gs.SubgraphBlock
    assert same(renamed.net(normal(*X)), net(normal(*X)))
    old = gs.rename(net, {}).net
    assert list(renamed.net.params) == [renamed.mapping.get(n, n) for n in old.params]
    assert all(renamed.net.params[renamed.mapping.get(n, n)] is p for n, p in net.collect_params().items())
    assert (again.net.graph, again.net.input_names) == (old.graph, old.input_names)
    assert plain(graph_of_symbol(renamed.net.symbol)) == plain(renamed.net.graph)
    assert again.mapping == renamed.inverse


@pytest.mark.parametrize("repeat_names", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_renamed_triple_is_a_triple_of_the_same_arrays(seed: int, repeat_names: bool) -> None:
    network = random_network(seed, repeat_names=repeat_names)
    net = (network.symbol, network.arg_params, network.aux_params)
    with unchanged(net):
        renamed = gs.rename(net, lambda name: name[::-1])
        symbol, arguments, auxiliary = renamed.net
        back = gs.rename(renamed.net, renamed.inverse).net
    assert {id(a) for a in [*arguments.values(), *auxiliary.values()]} == {
        id(a) for values in net[1:] for a in values.values()
    }
    assert (set(arguments) | {n[::-1] for n in network.inputs}, set(auxiliary)) == (
        set(symbol.list_arguments()),
        set(symbol.list_auxiliary_states()),
    )
    assert (graph_of_symbol(back[0]), back[1:]) == (graph_of_symbol(network.symbol), net[1:])
    inputs = list(network.inputs.values())
    one = stock_block(symbol, [n[::-1] for n in network.inputs], {**arguments, **auxiliary})
    other = stock_block(network.symbol, list(network.inputs), {**network.arg_params, **network.aux_params})
    assert same(one(*inputs), other(*inputs))


def test_renamed_triple_keeps_marks_and_what_no_variable_is_called() -> None:
    symbol, arguments, _ = triple(layers(2))
    marked = {f"arg:{name}": array for name, array in arguments.items()}
    renamed = gs.rename((symbol, {**marked, "other": mx.nd.ones(1)}, {}), "m_").net
    assert list(renamed[1]) == [*(f"arg:m_{name[2:]}" for name in arguments), "other"]
    with pytest.raises(gs.NameConflictError, match="'n_dense0_bias' and 'other' would both be called 'other'"):
        gs.rename((symbol, {**arguments, "other": mx.nd.ones(1)}, {}), {"n_dense0_bias": "other"}, dry_run=True)


@pytest.mark.parametrize("construct", [foreach, while_loop, cond])
def test_no_old_name_is_left_in_control_flow(construct: Any) -> None:
    before = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="before")
    net = (
        construct(before),
        {n: mx.nd.ones(s) for n, s in {"before_weight": (4, 4), "before_bias": 4, "w": 1}.items()},
        {},
    )
    renamed = gs.rename(net, lambda name: f"new_{name.upper()}")
    text = renamed.net[0].tojson(remove_amp_cast=False)
    old = gs.rename(net, {}).net[0].tojson(remove_amp_cast=False)
    assert [name for name in renamed.mapping if f'"name": "{name}"' in text] == []
    assert [name for name in renamed.mapping if f'"name": "{name}"' not in old] == []
    follow = gs.rename(net, {"before": "front", "w": "v"})
    assert not any(
        f'"name": "{name}' in follow.net[0].tojson(remove_amp_cast=False) for name in ("before-0", "before_o", 'w"')
    )
    for one in (renamed, follow):
        back = gs.rename(one.net, one.inverse).net
        assert (graph_of_symbol(back[0]), back[1]) == (graph_of_symbol(net[0]), net[1])
        data = one.mapping.get("data", "data")
        run = gs.extract(one.net, data, one.mapping.get("around", "around"))
        assert bits(run(an_input())) == bits(gs.extract(net, "data", "around")(an_input()))


def test_attributes_and_custom_operators_travel() -> None:
    with mx.AttrScope(ctx_group="stage", __note__="n"):
        x = mx.sym.relu(mx.sym.var("data", lr_mult=2), name="start")
    x = mx.sym.Custom(x, mx.sym.var("offset"), op_type="gluon_subgraph_test_scaled", factor="3", name="custom")
    net = mx.sym.elemwise_mul(x[0], x[1], name="end")
    with unchanged(net):
        renamed = gs.rename(net, "new_")
    assert type(renamed.net) is type(net)
    assert renamed.net.list_outputs() == ["new_end_output"]
    assert "new_custom_scaled" in renamed.net.get_internals().list_outputs()
    old, new = (graph_of_symbol(s) for s in (net, renamed.net))
    assert [(n.op, n.attrs, n.inputs) for n in new.nodes] == [(n.op, n.attrs, n.inputs) for n in old.nodes]
    assert graph_of_symbol(gs.rename(renamed.net, renamed.inverse).net) == old
    data = {"data": an_input(), "offset": mx.nd.ones((3, 4))}
    new_data = {renamed.mapping.get(name, name): array for name, array in data.items()}
    assert same(renamed.net.eval(**new_data), net.eval(**data))


def test_frozen_stays_frozen_and_settings_stay() -> None:
    net = convolutional()
    net[0].weight.grad_req, net[8].weight.lr_mult, net[8].weight.wd_mult = "null", 0.5, 0.0
    net[1]._kwargs["use_global_stats"] = True
    renamed = gs.rename(net, "x_").net
    norms = [n.attrs["use_global_stats"] for n in renamed.graph.nodes if n.op == "BatchNorm"]
    assert norms == ["True", "False"]
    x = normal(*X)
    before = values(net)
    trainer = gluon.Trainer(renamed.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = renamed(x).sum()
    loss.backward()
    trainer.step(1)
    kept = [name for name, value in values(net).items() if value == before[name]]
    assert [n for n in kept if "conv0_weight" in n or "running" in n] == [
        "c_conv0_weight",
        "c_batchnorm0_running_mean",
        "c_batchnorm0_running_var",
    ]
    assert same(renamed(x), net(x))


@pytest.mark.parametrize("hybridize", [False, True])
def test_inputs_keep_their_order_and_outputs_their_structure(hybridize: bool) -> None:
    class Nested(gluon.HybridBlock):
        def hybrid_forward(self, F: Any, one: Any, other: Any) -> Any:
            return F.broadcast_sub(other, one), [F.split(one, num_outputs=2), one * 2]

    net = Nested(prefix="n_")
    x, y = normal(2, 4), normal(2, 4, seed=2)
    if hybridize:
        net.hybridize()
        net(x, y)
    renamed = gs.rename(net, "m_").net
    assert renamed.input_names == ("data0", "data1")
    difference, (halves, double) = renamed(x, y)
    assert same([difference, *halves, double], [y - x, *mx.nd.split(x, num_outputs=2), x * 2])
    assert type(gs.rename(initialised(Fork(prefix="f_")), "g_").net(normal(2, 3))) is list


def test_constants_deferred_and_numpy_style_networks_are_renamed() -> None:
    offset = initialised(Offset(prefix="o_"))
    renamed = gs.rename(offset, "x_").net
    assert renamed.params["x_offset"] is offset.offset
    assert same(renamed(normal(2, 3)), offset(normal(2, 3)))
    deferred = convolutional(deferred=True)
    result = gs.rename(deferred, "x_").net(normal(*X))
    assert same(result, deferred(normal(*X)))
    with mx.util.np_shape(True), mx.util.np_array(True):
        net = initialised(nn.Dense(2, in_units=3, prefix="n_"))
        block = gs.rename(net, "x_").net
        x = mx.np.ones((4, 3))
        assert (type(block(x)), bits(block(x))) == (mx.np.ndarray, bits(net(x)))


def test_what_a_block_owns_stays_a_parameter() -> None:
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc"), name="softmax")
    stock = gluon.SymbolBlock(symbol, mx.sym.var("data"))  # takes the label for a parameter
    stock.initialize()
    stock(normal(2, 4))
    renamed = gs.rename(stock, "x_").net
    assert renamed.input_names == ("data",)
    assert list(renamed.params) == ["x_fc_weight", "x_fc_bias", "softmax_label"]
    assert same(renamed(normal(2, 4)), stock(normal(2, 4)))


def test_dry_run_finds_the_same_names_and_the_same_errors() -> None:
    for net in (convolutional(), triple(convolutional()), convolutional()(mx.sym.var("data")), nn.Sequential()):
        with unchanged(net):
            dry, wet = gs.rename(net, "x_", dry_run=True), gs.rename(net, "x_")
        assert dry.net is None
        assert (dry.mapping, dry.inverse) == (wet.mapping, wet.inverse)
    for is_dry in (False, True):
        with pytest.raises(gs.NameConflictError, match="'c_conv0_fwd' and 'c_pool0_fwd' would both be called 'c_pool0"):
            gs.rename(convolutional(), {"conv0_fwd": "pool0_fwd"}, dry_run=is_dry)


@pytest.mark.parametrize("net", [3, None, ("a", "b", "c"), np.ones(2)], ids=str)
def test_what_is_no_network_is_refused(net: Any) -> None:
    with pytest.raises(gs.SubgraphError, match="which holds no network"):
        gs.rename(net, "x_")


def test_out_without_files_and_fused_blocks_are_refused(tmp_path: Any) -> None:
    for net in (convolutional(), nn.Sequential(), triple(layers())):
        with pytest.raises(gs.SubgraphError, match=r"(?s)out='o' is for a pair of files.*nothing was changed"):
            gs.rename(net, "x_", out="o")
    net = symbol_block(convolutional())
    net.hybridize(backend="MKLDNN")
    net(normal(*X))
    with pytest.raises(gs.SubgraphError, match="fused by a backend"):
        gs.rename(net, "x_")


def test_renamed_equals_another_of_the_same_names() -> None:
    symbol = layers(1)(mx.sym.var("data"))
    for net in (layers(1), symbol, triple(layers(1))):
        assert gs.rename(net, "x_") == gs.rename(net, "x_", dry_run=True)
        assert gs.rename(net, "x_") != gs.rename(net, "y_")


def test_renamed_prints_as_a_table() -> None:
    renamed = gs.rename(layers(20), "m_", dry_run=True)
    assert str(renamed).splitlines()[0].split() == ["old", "name", "new", "name"]
    assert len(str(renamed).splitlines()) == len(renamed.mapping) + 2
    assert str(renamed).endswith("80 names changed.")
    assert repr(renamed).splitlines()[-2:] == ["... and 50 more; print(renamed) shows them", "80 names changed."]
    assert str(gs.rename(layers(1), {"dense0_fwd": "x"})).endswith("1 name changed.")
