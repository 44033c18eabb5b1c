"""Operators that hold more than attributes: control flow with its bodies, Custom operators."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from random_graphs import stock_block
from small_networks import an_input
from snapshots import unchanged


def bits(array: Any) -> Any:
    return [bits(a) for a in array] if isinstance(array, (list, tuple)) else (array.shape, array.asnumpy().tobytes())


def foreach(x: mx.sym.Symbol) -> mx.sym.Symbol:
    weight = mx.sym.var("w")

    def body(row: Any, states: Any) -> Any:
        total = mx.sym.broadcast_add(mx.sym.broadcast_mul(row, weight), states[0])
        return total, [total]

    outputs, states = mx.sym.contrib.foreach(body, x, [mx.sym.sum(x, axis=0) * 0])
    return mx.sym.broadcast_add(outputs, states[0], name="around")


def while_loop(x: mx.sym.Symbol) -> mx.sym.Symbol:
    weight = mx.sym.var("w")
    _, found = mx.sym.contrib.while_loop(
        cond=lambda i, v: i < 3,
        func=lambda i, v: ([], [i + 1, mx.sym.broadcast_mul(v, weight)]),
        loop_vars=(mx.sym.sum(x) * 0, x),
        max_iterations=5,
    )
    return mx.sym.identity(found[1], name="around")


def cond(x: mx.sym.Symbol) -> mx.sym.Symbol:
    weight = mx.sym.var("w")
    return mx.sym.identity(
        mx.sym.contrib.cond(mx.sym.sum(x) > 0, lambda: mx.sym.broadcast_mul(x, weight), lambda: x + x), name="around"
    )


@pytest.mark.parametrize("construct", [foreach, while_loop, cond])
def test_extract_control_flow_travels_whole_with_what_it_captures(construct: Any) -> None:
    before = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="before")
    after = mx.sym.FullyConnected(construct(before), num_hidden=2, name="after")
    random = np.random.RandomState(0)
    shapes = {"before_weight": (4, 4), "before_bias": 4, "w": 1, "after_weight": (2, 4), "after_bias": 2}
    values = {name: mx.nd.array(random.uniform(0.1, 1, shape)) for name, shape in shapes.items()}
    net = (after, values, {})
    with unchanged(net):
        front, loop, rest = (
            gs.extract(net, *cut) for cut in (("data", "before"), ("before", "around"), ("around", "after"))
        )
    assert (list(loop.collect_params()), list(rest.collect_params())) == (["w"], ["after_weight", "after_bias"])
    whole = stock_block(after, ["data"], values)
    for sign in (1, -1):
        x = an_input() * sign
        with mx.autograd.record():
            chained, expected = rest(loop(front(x))), whole(x)
        assert bits(chained) == bits(expected)
        mx.autograd.backward([chained, expected])
        # MXNet leaves the gradient of a branch not taken uninitialised, so that what lies before a `cond` has none.
        for piece in (rest,) if construct is cond else (front, loop, rest):
            for name, parameter in piece.collect_params().items():
                assert bits(parameter.grad()) == bits(whole.collect_params()[name].grad())
    assert bits(gs.extract(loop, "before_output", "around")(front(x))) == bits(loop(front(x)))


class Scaled(mx.operator.CustomOp):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, is_train: Any, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        self.assign(out_data[0], req[0], in_data[0] * self.factor)
        self.assign(out_data[1], req[1], in_data[0] + in_data[1])

    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        self.assign(in_grad[0], req[0], out_grad[0] * self.factor + out_grad[1])
        self.assign(in_grad[1], req[1], out_grad[1])


@mx.operator.register("gluon_subgraph_test_scaled")
class ScaledProp(mx.operator.CustomOpProp):
    def __init__(self, factor: str = "1", **_: str) -> None:
        super().__init__(need_top_grad=True)
        self.factor = float(factor)

    def list_arguments(self) -> list[str]:
        return ["data", "offset"]

    def list_outputs(self) -> list[str]:
        return ["scaled", "moved"]

    def infer_shape(self, in_shape: Any) -> Any:
        return [in_shape[0], in_shape[0]], [in_shape[0], in_shape[0]], []

    def create_operator(self, ctx: Any, shapes: Any, dtypes: Any) -> Scaled:
        return Scaled(self.factor)


@pytest.mark.parametrize("hidden", [{}, {"__lr_mult__": "2", "ctx_group": "stage"}])
def test_extract_custom_operator_keeps_its_attributes(hidden: dict[str, str]) -> None:
    x = mx.sym.relu(mx.sym.var("data"), name="start")
    with mx.AttrScope(**{k: v for k, v in hidden.items() if k != "ctx_group"}):
        one, two = mx.sym.Custom(
            x, mx.sym.var("offset"), op_type="gluon_subgraph_test_scaled", factor="3", name="custom"
        )
    net = (mx.sym.elemwise_mul(one, two, name="end"), {"offset": mx.nd.ones((3, 4))}, {})
    piece = gs.extract(net, "start", "end")
    assert "custom_scaled" in gs.list_nodes(net)[2].outputs
    data = an_input()
    assert bits(piece(data)) == bits(data * 3 * (data + 1))
    assert bits(gs.extract(net, "start", ("custom", 1))(data)) == bits(data + 1)
    assert bits(gs.extract(net, ["custom_scaled", "custom_moved"], "end")(data, data)) == bits(data * data)
