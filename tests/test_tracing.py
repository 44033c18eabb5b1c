"""Tracing: block paths, a network left as it was, and nothing that leaks in or out."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from small_networks import UNITS, Chain, LooksAtShape, Skip, Twice, an_input, filled, sequence
from snapshots import run_alone, unchanged

from gluon_subgraph.errors import SubgraphError
from gluon_subgraph.tracing import trace


def names_of(net: Any) -> list[str]:
    return [node.name for node in gs.list_nodes(net)]


@pytest.mark.parametrize("hybridized", [False, True])
def test_trace_network_run_before_is_left_as_it_was(*, hybridized: bool) -> None:
    net = filled(Chain(prefix="n_"))
    if hybridized:
        net.hybridize()
    net(an_input())
    with unchanged(net):
        piece = gs.extract(net, "A_fwd", "D_fwd")
    hidden = net.A(an_input())
    assert np.array_equal(net.E(piece(hidden)).asnumpy(), net(an_input()).asnumpy())


def test_trace_user_hooks_rest_and_stay_registered() -> None:
    net = filled(Chain(prefix="n_"))
    fired: list[str] = []
    handles = [block.register_forward_hook(lambda *_: fired.append("hook")) for block in (net, net.B)]
    net.C.register_forward_pre_hook(lambda *_: fired.append("pre"))
    with unchanged(net):
        gs.extract(net, net.B, net.D)
    assert fired == []
    net(an_input())
    assert fired == ["hook", "pre", "hook"]
    handles[0].detach()


def test_trace_failed_leaves_hooks_and_scopes_as_they_were() -> None:
    net = LooksAtShape(prefix="odd_")
    net.register_forward_hook(lambda *_: None)
    with unchanged(net), pytest.raises(
        SubgraphError, match=r"(?s)'odd' \(LooksAtShape\) cannot be traced.*AttributeError"
    ):
        gs.list_nodes(net)
    said = pytest.raises(SubgraphError, gs.list_nodes, net)
    assert "It says: 'Symbol' object has no attribute 'shape'" in str(said.value)
    assert isinstance(said.value.__cause__, AttributeError)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_trace_recurrent_layer_takes_its_sequence_and_makes_its_states(kind: str) -> None:
    net = getattr(mx.gluon.rnn, kind)(3, input_size=UNITS, prefix="r_")
    net.initialize()
    x = mx.nd.ones((4, 2, UNITS))
    with unchanged(net):
        piece = gs.extract(net, "data", net)
    assert piece.input_names == ("data",)
    assert np.array_equal(piece(x).asnumpy(), net(x).asnumpy())


class AnyCall(nn.Dense):
    """Passes on whatever it is called with."""

    def __call__(self, *args: Any) -> Any:
        return super().__call__(*args)


def test_trace_call_that_takes_anything_leaves_it_to_forward() -> None:
    assert gs.extract(AnyCall(2, in_units=3, prefix="d_"), "data", "fwd").input_names == ("data",)


def test_trace_plain_block_is_refused() -> None:
    class Plain(mx.gluon.Block):
        pass

    with pytest.raises(SubgraphError, match="(?s)net is a Plain, which holds no network.*make it a HybridBlock"):
        gs.list_nodes(Plain())


@pytest.mark.parametrize("net", [None, 3, "net", ("a",), (1, 2, 3), {}, mx.sym.Variable])
def test_network_of_anything_else_is_refused(net: Any) -> None:
    with pytest.raises(SubgraphError, match="holds no network"):
        gs.list_nodes(net)


def test_trace_plain_block_inside_is_refused_with_its_own_exception() -> None:
    net = nn.HybridSequential()
    with pytest.raises(ValueError, match="HybridBlock"):
        net.add(nn.Sequential())
    outer = nn.Sequential()
    outer.add(nn.Dense(2))
    with pytest.raises(SubgraphError, match="net is a Sequential, which holds no network"):
        gs.extract(outer, outer[0], outer[0])


def test_trace_network_without_prefix_gives_the_same_names_every_time() -> None:
    net = nn.HybridSequential(prefix="")
    net.add(nn.Activation("relu", prefix=""), nn.HybridLambda(lambda F, x: F.sigmoid(F.relu(x))))
    first = names_of(net)
    assert names_of(net) == first
    with mx.name.Prefix("outer_"), mx.AttrScope(ctx_group="outer"):
        mx.sym.relu(mx.sym.var("x"))
        assert names_of(net) == first
        assert "ctx_group" not in gs.extract(net, "data", first[-1]).symbol.attr_dict().get(first[-1], {})


def test_extract_inside_outer_scopes_neither_takes_from_them_nor_changes_them() -> None:
    net = filled(Chain(prefix="n_"))
    plain = gs.extract(net, "A_fwd", "C_fwd").symbol.tojson()
    outer = nn.HybridSequential(prefix="outer_")
    with outer.name_scope(), mx.name.Prefix("p_"), mx.AttrScope(__mark__="1"), unchanged(net):
        inside = gs.extract(net, "A_fwd", "C_fwd").symbol.tojson()
    assert inside == plain


def test_trace_two_instances_of_one_class_have_their_own_names_and_parameters() -> None:
    one, two = filled(Chain(prefix="one_"), 1), filled(Chain(prefix="two_"), 2)
    for net in (one, two):
        piece = gs.extract(net, "A_fwd", "C_fwd")
        assert [p is q for p, q in zip(piece.collect_params().values(), [net.B.weight, net.B.bias, net.C.weight])] == [
            True
        ] * 3
    with pytest.raises(gs.UnknownNodeError, match="block 'two_B' .* is not part of 'one_'"):
        gs.extract(one, two.B, "C_fwd")


def test_trace_four_threads_at_once_agree() -> None:
    nets = [filled(Chain(prefix=f"n{i}_")) for i in range(2)]
    expected = [gs.extract(net, "A_fwd", "D_fwd").symbol.tojson() for net in nets]

    def work(i: int) -> bool:
        return gs.extract(nets[i % 2], "A_fwd", "D_fwd").symbol.tojson() == expected[i % 2]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(60)))


def test_trace_several_inputs_are_named_as_export_names_them() -> None:
    class Two(nn.HybridBlock):
        def hybrid_forward(self, F: Any, x: Any, y: Any, scale: Any = None) -> Any:
            return F.elemwise_add(x, y, name="both")

    net = Two(prefix="t_")
    assert names_of(net) == ["data0", "data1", "t_both"]
    assert gs.extract(net, ["data1", "data0"], "both").input_names == ("data1", "data0")


def test_trace_nested_arguments_are_known_once_it_has_run_hybridized() -> None:
    net = mx.gluon.rnn.LSTMCell(3, input_size=UNITS, prefix="cell_")
    filled(net)
    net.hybridize()
    x, states = an_input(), net.begin_state(3)
    whole = net(x, states)
    nodes = names_of(net)
    assert nodes[:3] == ["data0", "data1", "data2"] or {"data0", "data1", "data2"} <= set(nodes)
    with unchanged(net):
        piece = gs.extract(net, ["data0", "data1", "data2"], [(net, 0), (net, 1), (net, 2)])
    result = piece(x, *states)
    assert [r.asnumpy().tobytes() for r in result] == [r.asnumpy().tobytes() for r in (whole[0], *whole[1])]


def test_trace_calls_in_order_and_paths_of_shared_blocks() -> None:
    net = Twice(prefix="t_")
    traced = trace(net)
    assert [key == id(net.layer) for key, _, _ in traced.calls] == [True, True, False, False]
    assert traced.paths_of_block[id(net.layer)] == ["layer", "alias"]
    assert traced.paths_of_block[id(net)] == [""]


def test_trace_paths_are_those_of_the_innermost_block() -> None:
    paths = {n.name: n.path for n in gs.list_nodes(sequence(2))}
    assert paths == {
        "data": "",
        "n_f_dense0_fwd": "0.0",
        "n_f_dense0_relu_fwd": "0.0.act",
        "n_f_dense1_fwd": "0.1",
        "n_f_dense1_relu_fwd": "0.1.act",
        "n_dense0_fwd": "1",
    }
    assert {n.name: n.path for n in gs.list_nodes(Skip(prefix="s_"))}["s_sum"] == ""


def test_trace_deep_nesting_needs_no_recursion_of_ours() -> None:
    net = nn.HybridSequential(prefix="")
    for _ in range(100):
        outer = nn.HybridSequential(prefix="")
        outer.add(net if len(net) else nn.Dense(UNITS, in_units=UNITS, prefix="deep_"))
        net = outer
    assert gs.list_nodes(net)[-1].path == ".".join(["0"] * 100)


def test_extract_chain_of_ten_thousand_layers_at_the_default_recursion_limit() -> None:
    printed = run_alone(
        """
        x = mx.sym.var("data")
        weight = mx.sym.var("w")
        for i in range(10_000):
            x = mx.sym.broadcast_add(x, weight, name=f"n{i}") if i % 100 == 0 else mx.sym.relu(x, name=f"n{i}")
        values = {"w": mx.nd.ones((1, 2))}
        assert sys.getrecursionlimit() == 1000
        piece = gs.extract((x, values, {}), "n4", "n9999")
        data = mx.nd.ones((1, 2))
        data.attach_grad()
        with mx.autograd.record():
            result = piece(data)
        result.backward()
        print(len(piece.graph), result.asnumpy().tolist(), data.grad.asnumpy().tolist())
        print(len(gs.list_nodes(x)), len(repr(piece)) > 10_000)
        try:
            gs.extract((mx.sym.elemwise_add(x, x.get_internals()["n7_output"], name="sum"), values, {}), "n5000", "sum")
        except gs.OpenCutError as error:
            print(error.repair)
        """
    )
    assert printed.splitlines() == [
        "9997 [[100.0, 100.0]] [[1.0, 1.0]]",
        "10002 True",
        "('n7',)",
    ]
