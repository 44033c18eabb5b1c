"""extract and extract_symbol: what can be named, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from typing import Any

import mxnet as mx
import pytest
from mxnet.gluon import nn
from small_networks import Chain, Skip, Split, Twice, an_input, filled, sequence
from snapshots import unchanged

from gluon_subgraph.errors import NameConflictError, OpenCutError, SubgraphError, UnknownNodeError


@pytest.fixture
def chain() -> Chain:
    return filled(Chain(prefix="n_"))


def bits(array: Any) -> Any:
    """Return an array, or a list of them, as values that compare bit for bit."""
    return [bits(a) for a in array] if isinstance(array, (list, tuple)) else (array.shape, array.asnumpy().tobytes())


def through(net: Chain, letters: str, x: Any) -> Any:
    for letter in letters:
        x = getattr(net, letter)(x)
    return x


@pytest.mark.parametrize(
    ("inputs", "outputs", "before", "inside"),
    [
        ("A_fwd", "D_fwd", "A", "BCD"),
        ("data", "D_fwd", "", "ABCD"),
        ("B_fwd", "E_fwd", "AB", "CDE"),
        ("data", "E_fwd", "", "ABCDE"),
        ("D_fwd", "E_fwd", "ABCD", "E"),
        ("n_A_fwd", "n_D_fwd", "A", "BCD"),
        ("A_fwd_output", "n_D_fwd_output", "A", "BCD"),
        (("A_fwd", 0), ("n_D_fwd_output", 0), "A", "BCD"),
        ("A", "D", "A", "BCD"),
        (("A", 0), ("D", 0), "A", "BCD"),
    ],
)
def test_extract_every_way_of_naming_gives_the_piece(
    chain: Chain, inputs: Any, outputs: Any, before: str, inside: str
) -> None:
    with unchanged(chain):
        piece = gs.extract(chain, inputs, outputs)
    x = through(chain, before, an_input())
    assert bits(piece(x)) == bits(through(chain, inside, x))
    own = [p for letter in inside for p in (getattr(chain, letter).weight, getattr(chain, letter).bias)]
    assert [id(p) for p in piece.collect_params().values()] == [id(p) for p in own]


def test_extract_blocks_and_slices_name_what_they_return(chain: Chain) -> None:
    net = filled(sequence(5))
    x = net[0][0](an_input())
    expected = bits(net[0][3](net[0][2](net[0][1](x))))
    for inputs, outputs in [
        (net[0][0], net[0][3]),
        ((net[0][0], 0), (net[0][3], 0)),
        ("0.0", "0.3"),
        (net[0][0:1], net[0][1:4]),
        (net[0][0].act, "n_f_dense3_relu_fwd"),
        (net[0][1:4], None),
    ]:
        with unchanged(net):
            piece = gs.extract(net, inputs, outputs)
        assert bits(piece(x)) == expected
    assert bits(gs.extract(net, net[0])(an_input())) == bits(net[0](an_input()))
    assert bits(gs.extract(net, net)(an_input())) == bits(net(an_input()))
    assert bits(gs.extract(chain, chain.C)(x)) == bits(chain.C(x))


def test_extract_list_keeps_the_order_and_dict_gives_names(chain: Chain) -> None:
    x = through(chain, "A", an_input())
    piece = gs.extract(chain, {"hidden": "A_fwd"}, {"logits": "D_fwd", "early": chain.B})
    assert (piece.input_names, piece.output_names) == (("hidden",), ("logits_output", "early_output"))
    assert bits(piece(x)) == bits([through(chain, "BCD", x), chain.B(x)])
    backwards = gs.extract(chain, ["A_fwd"], ["D_fwd", "B_fwd", "D_fwd", "A_fwd"])
    assert bits(backwards(x)) == bits([through(chain, "BCD", x), chain.B(x), through(chain, "BCD", x), x])
    assert isinstance(gs.extract(chain, "A_fwd", ["D_fwd"])(x), list)


def test_extract_parameter_or_auxiliary_state_as_input_becomes_one() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4, prefix="a_"), nn.BatchNorm(in_channels=4, prefix="b_"))
    filled(net)
    with unchanged(net):
        piece = gs.extract(net, ["data", "a_weight", "b_running_mean"], "b_fwd")
    assert piece.input_names == ("data", "n_a_weight", "n_b_running_mean")
    assert not {"n_a_weight", "n_b_running_mean"} & set(piece.collect_params())
    weight, mean = net[0].weight.data(), net[1].running_mean.data()
    assert bits(piece(an_input(), weight, mean)) == bits(net(an_input()))
    weight = weight.copy()
    weight.attach_grad()
    with mx.autograd.record():
        piece(an_input(), weight, mean).sum().backward()
    assert weight.grad.asnumpy().any()


def test_extract_several_inputs_and_outputs_of_a_split() -> None:
    net = filled(Split(prefix="s_"))
    halves = net.halves(an_input())
    both = gs.extract(net, [("halves", 1), ("halves", 0)], [(net, 1), (net, 0)])
    assert bits(both(halves[1], halves[0])) == bits([net.right(halves[1]), net.left(halves[0])])
    right = gs.extract(net, (net.halves, 1), (net, 1))
    assert bits(right(halves[1])) == bits(net.right(halves[1]))
    assert bits(gs.extract(net, net.halves)(an_input())) == bits(list(halves))


def test_extract_open_cut_error_or_add() -> None:
    net = filled(Skip(prefix="s_"))
    with unchanged(net), pytest.raises(OpenCutError, match="'data' still reaches output 's_post_fwd'") as caught:
        gs.extract(net, "body_fwd", "post_fwd")
    assert (caught.value.leaks, caught.value.repair) == (("data",), ("s_shortcut_fwd",))
    with unchanged(net):
        piece = gs.extract(net, "body_fwd", "post_fwd", open_cut="add")
    assert piece.input_names == ("s_body_fwd_output", "s_shortcut_fwd_output")
    x = net.pre(an_input())
    assert bits(piece(net.body(x), net.shortcut(x))) == bits(net(an_input()))


def refusals(net: Any) -> list[tuple[Any, Any, type, str]]:
    """Return inputs, outputs, error and text for everything a chain refuses."""
    other = Chain(prefix="m_")
    return [
        ("no", "D_fwd", UnknownNodeError, "no node 'no' among"),
        ("A_fwd", "n_D_fwdd", UnknownNodeError, "Nearest: 'n_D_fwd'"),
        ("A_fwd", ("D_fwd", 1), UnknownNodeError, "has no output 1"),
        ("A_fwd", (net.D, 3), UnknownNodeError, "has no output 3"),
        ("A_fwd", ("D_fwd", "x"), UnknownNodeError, "no node 'x' among"),
        ("A_fwd", None, SubgraphError, "outputs are missing"),
        (None, "D_fwd", UnknownNodeError, "None .* does not name a tensor"),
        (3, "D_fwd", UnknownNodeError, "3 .* does not name a tensor"),
        ({"A_fwd", "B_fwd"}, "D_fwd", UnknownNodeError, "does not name a tensor"),
        ([["A_fwd"]], "D_fwd", UnknownNodeError, "does not name a tensor"),
        ([], "D_fwd", SubgraphError, "inputs is empty"),
        ("A_fwd", (), SubgraphError, "outputs is empty"),
        ("A_fwd", {}, SubgraphError, "outputs is empty"),
        ({"": "A_fwd"}, "D_fwd", SubgraphError, "inputs: '' is no new name"),
        ({3: "A_fwd"}, "D_fwd", SubgraphError, "inputs: 3 is no new name"),
        (["A_fwd", "n_A_fwd_output"], "D_fwd", NameConflictError, "input 'n_A_fwd' is given twice"),
        (
            {"n_B_weight": "A_fwd"},
            "D_fwd",
            NameConflictError,
            "input name 'n_B_weight' is also the name of a parameter",
        ),
        ("A_fwd", {"n_B_fwd": "D_fwd"}, NameConflictError, "output name 'n_B_fwd' is already the name of a node"),
        ("A_fwd", "A_fwd", SubgraphError, "is itself an output"),
        ("D_fwd", "B_fwd", SubgraphError, "output 'n_B_fwd' lies upstream of input 'n_D_fwd'"),
        (["B_fwd", "A_fwd"], "D_fwd", SubgraphError, "input 'n_A_fwd' is not used"),
        (["A_fwd", "E_weight"], "D_fwd", SubgraphError, "input 'n_E_weight' does not reach"),
        (other.A, "D_fwd", UnknownNodeError, "is not part of 'n_'"),
        ("A_fwd", other, UnknownNodeError, "is not part of 'n_'"),
        (nn.Dense(3), "D_fwd", UnknownNodeError, "is not part of"),
        ("(A_fwd, 0)", "D_fwd", UnknownNodeError, "no node"),
    ]


def test_extract_refusals_say_why_and_change_nothing(chain: Chain) -> None:
    chain(an_input())
    chain.hybridize()
    chain(an_input())
    for inputs, outputs, error, text in refusals(chain):
        with unchanged(chain), pytest.raises(error, match=f"(?s){text}") as caught:
            gs.extract(chain, inputs, outputs)
        assert "othing was changed" in str(caught.value)
    with unchanged(chain), pytest.raises(SubgraphError, match="(?s)open_cut='maybe'.*'error' or 'add'"):
        gs.extract(chain, "A_fwd", "D_fwd", open_cut="maybe")


def test_extract_symbol_refusals_say_why_and_change_nothing() -> None:
    symbol = mx.sym.FullyConnected(mx.sym.relu(mx.sym.var("data"), name="A"), num_hidden=3, name="B")
    skip = mx.sym.elemwise_add(symbol, symbol.get_internals()["data"], name="sum")
    cases: list[tuple[Any, ...]] = [
        (symbol, "C", "B", UnknownNodeError, "no node 'C' among the 5 nodes of 'B'"),
        (symbol, "B", "A", SubgraphError, "lies upstream of input"),
        (skip, "A", "sum", OpenCutError, "(?s)'data' still reaches output 'sum'.*Add 'data'"),
        (symbol, ["A", "A"], "B", NameConflictError, "given twice"),
        (symbol, {"B_bias": "A"}, "B", NameConflictError, "also the name of a parameter"),
        (Chain(), "A", "B", SubgraphError, "symbol is a Chain, no Symbol"),
        ("symbol", "A", "B", SubgraphError, "symbol is a str, no Symbol"),
    ]
    for net, inputs, outputs, error, text in cases:
        with unchanged(net), pytest.raises(error, match=text):
            gs.extract_symbol(net, inputs, outputs)
    with pytest.raises(SubgraphError, match="net is a bare Symbol, which has no parameters"):
        gs.extract(symbol, "A", "B")


def test_extract_slices_that_are_no_piece_are_refused() -> None:
    net = filled(sequence(5))
    for piece, text in [
        (net[0][::2], "is not a consecutive piece: '0.2' does not take what '0.0' returns"),
        (net[0][3:3], "is not part of 'n_'"),
    ]:
        with unchanged(net), pytest.raises(UnknownNodeError, match=text):
            gs.extract(net, piece)
        with unchanged(net), pytest.raises(UnknownNodeError, match=text):
            gs.extract(net, "data", piece)


def test_extract_block_called_twice_is_not_guessed() -> None:
    net = filled(Twice(prefix="t_"))
    for reference in (net.layer, net.alias, (net.layer, 0)):
        with unchanged(net), pytest.raises(
            UnknownNodeError, match="called 2 times, with 2 different results.*\n.*layer_fwd#1"
        ):
            gs.extract(net, "data", reference)
    with pytest.raises(UnknownNodeError, match="'alias' may mean 2 tensors"):
        gs.extract(net, "data", "alias")
    with pytest.raises(UnknownNodeError, match="block 'layer' is called 2 times, so that it is no single piece"):
        gs.extract(net, net.layer)
    x = net.layer(an_input())
    for start in ("layer_fwd#1", "layer#1", "alias#1", "t_layer_fwd_output#1", ("layer_fwd#1", 0)):
        assert bits(gs.extract(net, start, "last_fwd")(x)) == bits(net(an_input()))
    again = gs.extract(net, "layer#1", "layer#2")
    assert again.input_names == ("t_layer_fwd_output#1",)
    assert bits(gs.extract(again, "layer_fwd_output#1", "t_layer_fwd")(x)) == bits(net.layer(x))


def test_extract_cut_inside_a_loop_is_refused() -> None:
    weight = mx.sym.var("w")
    out, _ = mx.sym.contrib.foreach(
        lambda x, s: (mx.sym.broadcast_mul(x, weight, name="inner"), s),
        mx.sym.var("data"),
        [mx.sym.var("s")],
        name="loop",
    )
    net = (mx.sym.relu(out, name="end"), {"w": mx.nd.ones(1)}, {})
    with unchanged(net), pytest.raises(
        UnknownNodeError, match="(?s)'inner' is inside the body of the control-flow operator '_foreach"
    ):
        gs.extract(net, "inner", "end")
