"""to_onnx, where outputs alone would hide that the file computes something else: indices, dead units, drowned sums."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mxnet.gluon import nn
from onnx_models import interface_of, onnx, onnxruntime, results_of
from samples import initialised

S = mx.sym
X, W, B = (S.var(name) for name in ("x", "w", "b"))

HIDING: dict[str, Callable[[Any], Any]] = {
    "no number": lambda y: S.log(y - 100),
    "never reached": lambda y: y > 100,
    "dead": lambda y: S.relu(y - 50),
    "saturated": lambda y: S.sigmoid(y + 40),
    "drowned": lambda y: S.concat(y, S.ones_like(y) * 1e5, dim=1),
    "multiplied by zero": lambda y: y * 0,
    "left out": lambda y: S.concat(X, S.slice_axis(S.Flatten(y), axis=1, begin=0, end=0 + 1) * 1e-9 + 1e3, dim=1),
}


@pytest.mark.parametrize("case", HIDING)
def test_export_whose_outputs_hide_a_difference_is_refused(case: str, tmp_path: Path) -> None:
    wrong = S.contrib.BilinearResize2D(
        S.reshape(X, shape=(1, 2, 6, 6)), height=9, width=11, align_corners=False, name="r"
    )
    path = tmp_path / "m.onnx"
    with pytest.raises(gs.SubgraphError, match=r"(?s)at 'r' \(_contrib_BilinearResize2D\): by .*nothing was written"):
        gs.to_onnx((HIDING[case](wrong), {}, {}), path, {"x": (1, 72)})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def tan_for_sin(monkeypatch: Any) -> None:
    """Let mx.onnx translate an operator into one that is equal at 0 alone."""
    from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

    def translate(node: Any, **options: Any) -> Any:
        name = options["outputs_lookup"][node["inputs"][0][0]][0].name
        return [onnx.helper.make_node("Tan", [name], [node["name"]])]

    monkeypatch.setitem(MXNetGraph.registry_[12], "sin", translate)


@pytest.mark.usefixtures("tan_for_sin")
@pytest.mark.parametrize("behind", [S.relu(X - 50), X * 0, S.broadcast_mul(X, W)], ids=["dead", "zero", "weights"])
def test_export_tries_each_operator_by_itself(behind: Any, tmp_path: Path) -> None:
    symbol = S.Group([S.sin(behind, name="s"), X + 1, X * 2, S.exp(X), S.tanh(X)])
    values = {"w": mx.nd.zeros((3,))} if "w" in symbol.list_inputs() else {}
    with pytest.raises(gs.SubgraphError, match=r"(?s)at 's' \(sin\): by .*differs by itself, on other inputs"):
        gs.to_onnx((symbol, values, {}), tmp_path / "m.onnx", {"x": (2, 3)})


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_export_of_parameters_that_say_nothing_is_refused(value: float, tmp_path: Path) -> None:
    net = initialised(nn.Dense(3, in_units=4, prefix="d_"))
    net.weight.set_data(mx.nd.full((3, 4), value))
    with pytest.raises(gs.SubgraphError, match="compute one number, whatever the input"):
        gs.to_onnx(net, tmp_path / "m.onnx", (2, 4))
    assert list(tmp_path.iterdir()) == []


def _same(symbol: Any, parameters: Any, x: Any, path: Path) -> bool:
    """Return whether the file at `path` computes for `x`, exactly, what MXNet does."""
    block = gs.extract((symbol, parameters, {}), "x", [*symbol.list_outputs()])
    return all(np.array_equal(f, e.asnumpy()) for f, e in zip(results_of(path, [x]), block(x)))


INDEXED = {
    "Embedding": (S.Embedding(X, W, input_dim=5, output_dim=3), {"w": (5, 3)}),
    "Embedding of sums": (S.Embedding(X + 1, W, input_dim=5, output_dim=3), {"w": (5, 3)}),
    "table of one row": (S.Embedding(X, W, input_dim=1, output_dim=3), {"w": (1, 3)}),
    "one_hot": (S.one_hot(X, depth=4, on_value=2, off_value=-1), {}),
    "take clipped": (S.take(W, X), {"w": (5, 3)}),
    "take around": (S.take(W, X, mode="wrap", axis=1), {"w": (5, 3)}),
    "the largest": (S.Embedding(S.argmax(X, axis=1), W, input_dim=3, output_dim=2), {"w": (3, 2)}),
}


@pytest.mark.parametrize("case", INDEXED)
def test_export_takes_every_index_as_mxnet_does(case: str, tmp_path_factory: Any) -> None:
    symbol, shapes = INDEXED[case]
    path = tmp_path_factory.mktemp("m") / "m.onnx"
    parameters = {name: mx.nd.random.normal(shape=shape) for name, shape in shapes.items()}
    file = gs.to_onnx((symbol, parameters, {}), path, {"x": (2, 3)})
    numbers = st.floats(-9, 9, width=32) if case != "the largest" else st.integers(-50, 50)

    @settings(max_examples=15, deadline=None)
    @given(st.lists(numbers, min_size=6, max_size=6))
    def check(indices: list[float]) -> None:
        assert _same(symbol, parameters, mx.nd.array(np.reshape(indices, (2, 3))), file.path)

    check()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-15, 12).map(lambda number: number / 4), min_size=4, max_size=4))
def test_export_gathers_what_mxnet_gathers(tmp_path: Path, indices: list[float]) -> None:
    """Quarters: a number next below 0 is the last place in ONNX, but in MXNet, rounded once more, the first."""
    symbol, table = S.gather_nd(W, X), {"w": mx.nd.array(np.arange(20).reshape(4, 5) + 1)}
    path = tmp_path / "m.onnx"
    if not path.exists():
        gs.to_onnx((symbol, table, {}), path, {"x": (2, 2)})
    assert _same(symbol, table, mx.nd.array(np.reshape(indices, (2, 2))), path)


def test_export_reads_indices_above_2048_in_half_precision(tmp_path: Path) -> None:
    net = nn.Embedding(5000, 2, prefix="e_")
    net.initialize()
    net.cast("float16")
    file = gs.to_onnx(net, tmp_path / "m.onnx", (1, 4))
    session = onnxruntime.InferenceSession(file.path, providers=["CPUExecutionProvider"])
    assert [(i.type, o.type) for i, o in zip(session.get_inputs(), session.get_outputs())] == [
        ("tensor(float)", "tensor(float16)")
    ]
    indices = np.array([[2049, 3001, 4999, 5]], "float32")
    found = session.run(None, {session.get_inputs()[0].name: indices})[0]
    assert np.array_equal(found, net(mx.nd.array(indices, dtype="float32")).asnumpy())


HEADS = [
    *(("SoftmaxOutput", {"multi_output": m, "preserve_shape": p}) for m in (False, True) for p in (False, True)),
    *((head, {}) for head in ("LogisticRegressionOutput", "LinearRegressionOutput", "MAERegressionOutput")),
]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize(("head", "attributes"), HEADS, ids=str)
def test_export_of_a_loss_head_computes_what_the_block_does(
    head: str, attributes: Any, shape: Any, tmp_path: Path
) -> None:
    symbol = getattr(S, head)(X, S.var("label"), name="head", **attributes)
    x = mx.nd.random.normal(shape=shape)
    file = gs.to_onnx((symbol, {}, {}), tmp_path / "m.onnx", shape)
    assert interface_of(file.path)[:2] == ([("x", shape)], ["head_output"])
    expected = gs.extract((symbol, {}, {}), "x", "head")(x).asnumpy()
    assert np.abs(results_of(file.path, [x])[0] - expected).max() < 1e-6
    if head == "SoftmaxOutput" and not attributes["multi_output"]:  # documented: over the last axis, or all but one
        axes = -1 if attributes["preserve_shape"] else tuple(range(1, len(shape)))
        assert np.abs(expected.sum(axis=axes) - 1).max() < 1e-5


def test_export_compares_in_portions(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("gluon_subgraph.onnx_check._MOST_BYTES", 100)
    net = initialised(nn.HybridSequential(prefix="n_"))
    net.add(nn.Dense(4, in_units=3, prefix="a_"), nn.BatchNorm(in_channels=4, prefix="b_"))
    assert gs.to_onnx(initialised(net), tmp_path / "m.onnx", (7, 3)).difference < 1e-5
