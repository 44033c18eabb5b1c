"""replace_head: where the head begins, what the trunk shares, which rows are kept, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from heads_to_graft import Ends, dense, pointwise
from mxnet import autograd, gluon
from samples import bits, convolutional, initialised, normal, same, symbol_block, triple, values
from small_networks import Skip, Split, an_input, filled
from snapshots import unchanged

nn = gluon.nn
zoo = gluon.model_zoo.vision


slow = pytest.mark.slow
ZOO = [
    pytest.param("resnet18_v1", (2, 3, 32, 32), lambda: dense()),
    pytest.param("mobilenet0_25", (2, 3, 32, 32), lambda: dense()),
    pytest.param("mobilenet_v2_0_25", (2, 3, 32, 32), lambda: pointwise(relu=False)),
    pytest.param("squeezenet1_0", (1, 3, 224, 224), lambda: pointwise(relu=True)),
    pytest.param("vgg11_bn", (1, 3, 32, 32), lambda: dense(), marks=slow),
    pytest.param("densenet121", (1, 3, 224, 224), lambda: dense(), marks=slow),
    pytest.param("inception_v3", (1, 3, 299, 299), lambda: dense(), marks=slow),
]


@pytest.mark.parametrize(("name", "shape", "make_head"), ZOO)
def test_zoo_network_keeps_its_trunk_and_the_rows_it_is_told(
    name: str, shape: tuple[int, ...], make_head: Callable[[], Any], tmp_path: Path
) -> None:
    net, x = initialised(getattr(zoo, name)(prefix="z_")), normal(*shape)
    expected = net(x)
    block = gs.replace_head(net, make_head(), reuse_rows={2: 991, 0: 7})
    assert same(block.trunk(x), net.features(x))
    kept, old = block(x)[:, [2, 0]], expected[:, [991, 7]]
    if isinstance(block.head, nn.Dense):
        assert same(kept, old)
    else:  # how a convolution adds up depends on how many channels it makes
        assert np.allclose(kept.asnumpy(), old.asnumpy(), rtol=1e-4, atol=1e-4 * abs(old.asnumpy()).max())
    of_features = dict(net.features.collect_params().items())
    assert [block.trunk.params[n] is p for n, p in of_features.items()] == [True] * len(of_features)
    block.export(str(tmp_path / "b"))
    stock = gluon.SymbolBlock.imports(str(tmp_path / "b-symbol.json"), ["data"], str(tmp_path / "b-0000.params"))
    assert same(stock(x), block(x))


def test_gradients_are_those_of_an_ordinary_composition() -> None:
    net, head, x = convolutional(), dense(), normal(4, 3, 8, 8)
    plain = nn.HybridSequential(prefix="plain_")
    plain.add(*net[:-1], head)
    gradients = []
    for block in (plain, gs.replace_head(net, head)):
        mx.random.seed(3)  # for the dropout
        with autograd.record():
            loss = (block(x) ** 2).sum()
        loss.backward()
        gradients.append({n: bits(p.grad()) for n, p in plain.collect_params().items() if p.grad_req != "null"})
    assert gradients[0] == gradients[1]


@pytest.mark.parametrize("hybridize", [False, True])
def test_training_moves_the_parameters_of_the_network_and_not_its_head(hybridize: bool) -> None:
    net, x = convolutional(), normal(4, 3, 8, 8)
    block = gs.replace_head(net, nn.Dense(3, prefix="new_"))
    block.head.initialize()
    block.hybridize(hybridize)
    block(x)
    before = values(net)
    trainer = gluon.Trainer(block.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = (block(x) ** 2).sum()
    loss.backward()
    trainer.step(4)
    after = values(net)
    assert sorted(n for n in after if after[n] == before[n]) == ["c_dense0_bias", "c_dense0_weight"]
    assert same(block.trunk(x), net[:-1](x))


@pytest.mark.parametrize("form", ["triple", "stock SymbolBlock", "SubgraphBlock", "files", "numpy values"])
def test_every_form_of_network_has_a_head(form: str, tmp_path: Path) -> None:
    net, x = convolutional(), normal(2, 3, 8, 8)
    given: Any = triple(net)
    if form == "stock SymbolBlock":
        given = symbol_block(net)
    elif form == "SubgraphBlock":
        given = gs.extract(net, {"image": "data"}, "dense0_fwd")
    elif form == "files":
        gs.extract(net, "data", "dense0_fwd").export(str(tmp_path / "n"))
        given = (str(tmp_path / "n-symbol.json"), str(tmp_path / "n-0000.params"))
    elif form == "numpy values":
        given = (given[0], *({k: v.asnumpy() for k, v in part.items()} for part in given[1:]))
    block = gs.replace_head(given, dense(), reuse_rows={1: 2})
    assert block.input_names == (("image",) if form == "SubgraphBlock" else ("data",))
    assert same(block.trunk(x), net[:-1](x))
    assert same(block(x)[:, 1], net(x)[:, 2])


def test_loss_head_of_a_checkpoint_goes_with_its_label() -> None:
    net, x = convolutional(), normal(2, 3, 8, 8)
    symbol, arguments, auxiliary = triple(net)
    loss = mx.sym.SoftmaxOutput(symbol, mx.sym.var("softmax_label"), name="softmax")
    block = gs.replace_head((loss, arguments, auxiliary), dense(), reuse_rows={0: 1})
    assert block.input_names == ("data",)
    assert same(block(x)[:, 0], net(x)[:, 1])
    assert "softmax_label" not in block.collect_params()


def test_values_of_a_triple_are_shared_with_the_trunk() -> None:
    symbol, arguments, auxiliary = triple(convolutional())
    block = gs.replace_head((symbol, arguments, auxiliary), dense())
    arguments["c_conv0_weight"][:] = 3
    assert (block.trunk.params["c_conv0_weight"].data() == 3).asnumpy().all()


def test_output_chooses_among_several_heads() -> None:
    net = filled(Split(prefix="s_"))
    with pytest.raises(gs.SubgraphError, match=r"(?s)2 outputs: 's_left_fwd', 's_right_fwd'.*output='s_left_fwd'"):
        gs.replace_head(net, dense())
    for output in (1, np.int64(1), "right_fwd", "s_right_fwd_output", net.right, "right"):
        block = gs.replace_head(net, dense(), output=output, reuse_rows={0: 3})
        assert block.trunk.output_names == ("s_halves_parts_output1",)
        assert same(block(an_input())[:, 0], net(an_input())[1][:, 3])


@pytest.mark.parametrize("output", [2, -1, True, "halves_parts_output0"])
def test_output_that_is_none_is_refused(output: Any) -> None:
    net = filled(Split(prefix="s_"))
    words = r"(?s)no output of 's_'.*It has 2: 's_left_fwd'" if output is not True else "does not name a tensor"
    with unchanged(net), pytest.raises(gs.UnknownNodeError, match=words):
        gs.replace_head(net, dense(), output=output)


@pytest.mark.parametrize("at", ["pool0_fwd", ("c_dropout0_fwd", 0), "4", "block"], ids=str)
def test_at_is_what_the_trunk_returns(at: Any) -> None:
    net, x = convolutional(), normal(2, 3, 8, 8)
    block = gs.replace_head(net, dense(), at=net[4] if at == "block" else at)
    expected = net[:7](x) if at == "pool0_fwd" else net[:5](x)
    assert same(block.trunk(x), expected)
    assert same(block(x), block.head(expected))


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("data", r"(?s)is an input of 'c_', so that no trunk lies before it.*Use the head alone"),
        ("conv0_weight", r"depends on no input of 'c_'"),
        ("nothing", r"no node 'nothing'"),
    ],
)
def test_at_without_a_trunk_is_refused(at: str, words: str) -> None:
    net = convolutional()
    with unchanged(net), pytest.raises(gs.SubgraphError, match=words):
        gs.replace_head(net, dense(), at=at)


def test_layers_side_by_side_on_different_values_are_refused() -> None:
    symbol = mx.sym.Group(list(filled(Split(prefix="s_"))(mx.sym.var("data"))))
    both = symbol[0] + symbol[1]
    arguments = {n: mx.nd.ones((4, 2) if "weight" in n else (4,)) for n in both.list_arguments() if n != "data"}
    words = r"(?s)read 2 different values.*'s_left_fwd', 's_right_fwd' read .*at='s_halves_parts_output0'"
    with pytest.raises(gs.SubgraphError, match=words):
        gs.replace_head((both, arguments, {}), dense())
    assert gs.replace_head((both, arguments, {}), dense(), at=("s_halves_parts", 1)).input_names == ("data",)


def test_layers_side_by_side_on_one_value_are_one_head() -> None:
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Dense(4, in_units=4, prefix="pre_"), Ends(prefix="e_"))
    block = gs.replace_head(filled(net), dense())
    assert same(block.trunk(an_input()), net[0](an_input()))


def test_path_around_the_last_layer_is_refused() -> None:
    net = filled(Skip(prefix="s_"))
    inner = gs.extract(net, "data", "sum")
    assert gs.replace_head(inner, dense()).trunk.output_names == ("s_pre_fwd_output",)
    block = gs.extract(net, {"x": "pre_fwd"}, "post_fwd")
    symbol = block(mx.sym.var("x")) + mx.sym.var("x")
    with pytest.raises(
        gs.OpenCutError, match=r"(?s)reads 's_sum', and 'x' reaches output '_plus\d+' around it.*at="
    ) as e:
        gs.replace_head((symbol, dict(block.params.items()), {}), dense())
    assert e.value.leaks == ("x",)
