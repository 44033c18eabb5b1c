"""to_onnx, operator by operator: what is written computes the same, what would not is refused."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_models import interface_of, results_of

S = mx.sym
X, Y, W, B = (S.var(name) for name in ("x", "y", "w", "b"))
SHAPE = (2, 4, 6, 6)
STATES = {"gamma": (4,), "beta": (4,), "mean": (4,), "var": (4,)}


def _norm(**attributes: Any) -> Any:
    return S.BatchNorm(X, *[S.var(name) for name in STATES], **attributes)


def _pool(**attributes: Any) -> Any:
    return S.Pooling(X, **{"kernel": (3, 3), "stride": (2, 2), "pool_type": "avg", "pad": (1, 1), **attributes})


# symbol, shape of x (of y the same unless among the parameters' shapes), shapes of parameters
EXPORTED: dict[str, tuple[Any, tuple[int, ...], dict[str, tuple[int, ...]]]] = {
    "scale that is ignored": (_norm(), SHAPE, STATES),
    "scale that is read": (_norm(fix_gamma=False, eps=1e-2), SHAPE, STATES),
    "scale that is written as a number": (_norm(fix_gamma="0"), SHAPE, STATES),
    "axis counted from the end": (_norm(fix_gamma=False, axis=-3), SHAPE, STATES),
    "global statistics": (_norm(fix_gamma=False, use_global_stats=True), SHAPE, STATES),
    "dense": (S.FullyConnected(X, W, B, num_hidden=3), SHAPE, {"w": (3, 144), "b": (3,)}),
    "dense of the last axis": (S.FullyConnected(X, W, num_hidden=3, no_bias=True, flatten=False), SHAPE, {"w": (3, 6)}),
    "convolution of one axis": (
        S.Convolution(X, W, kernel=(3,), num_filter=3, no_bias=True, layout="NCW"),
        (2, 4, 7),
        {"w": (3, 4, 3)},
    ),
    "convolution of three axes": (
        S.Convolution(X, W, kernel=(2, 2, 2), num_filter=3, no_bias=True, stride=(2, 1, 1)),
        (1, 4, 5, 5, 5),
        {"w": (3, 4, 2, 2, 2)},
    ),
    "convolution in groups": (
        S.Convolution(X, W, kernel=(2, 2), num_filter=4, num_group=2, dilate=(2, 2), no_bias=True),
        SHAPE,
        {"w": (4, 2, 2, 2)},
    ),
    "deconvolution without the bias MXNet leaves out": (
        S.Deconvolution(X, W, kernel=(3, 3), num_filter=3, stride=(2, 2), adj=(1, 1), pad=(1, 1)),
        SHAPE,
        {"w": (4, 3, 3, 3)},
    ),
    "pooling that counts the padding": (_pool(), (2, 4, 7, 8), {}),
    "pooling that does not": (_pool(count_include_pad=False), (2, 4, 7, 8), {}),
    "pooling rounded up": (_pool(pooling_convention="full", pool_type="max"), (2, 4, 7, 8), {}),
    "pooling of the whole, as a number": (_pool(global_pool="1"), SHAPE, {}),
    "pooling of one axis": (S.Pooling(X, kernel=(2,), stride=(2,), layout="NCW"), (2, 4, 7), {}),
    "dropout": (S.Dropout(X, p=0.9), SHAPE, {}),
    "slopes per channel": (S.LeakyReLU(X, W, act_type="prelu"), (2, 6, 5, 6), {"w": (6,)}),
    "one slope": (S.LeakyReLU(X, W, act_type="prelu"), SHAPE, {"w": (1,)}),
    **{f"leaky {kind}": (S.LeakyReLU(X, act_type=kind), SHAPE, {}) for kind in ("leaky", "elu", "selu", "gelu")},
    "response normalisation by default": (S.LRN(X, nsize=3), SHAPE, {}),
    "layer normalisation": (S.LayerNorm(X, W, B, axis=-2), SHAPE, {"w": (6,), "b": (6,)}),
    "normalisation per instance": (S.InstanceNorm(X, W, B), SHAPE, {"w": (4,), "b": (4,)}),
    "reversed subtraction": (2 - X, SHAPE, {}),
    "reversed division under another name": (S._internal._rdiv_scalar(X + 9, scalar=3, name="d"), SHAPE, {}),
    "softmax under its old name": (S.SoftmaxActivation(X), (2, 5), {}),
    "softmax over channels under its old name": (S.SoftmaxActivation(X, mode="channel"), SHAPE, {}),
    **{
        f"{kind} of all that keeps axes": (getattr(S, kind)(X, keepdims=True), (2, 3), {})
        for kind in ("sum", "mean", "prod", "max")
    },
    "sum of all": (S.sum(X), SHAPE, {}),
    "mean over no axis, which is all": (S.mean(X, axis=()), SHAPE, {}),
    "one operator that computes a constant": (S._internal._maximum_scalar(X, scalar=1e10), SHAPE, {}),
    "maximum": (S.broadcast_maximum(X, Y), SHAPE, {"y": (4, 1, 6)}),
    "sum over the other axes": (S.sum(X, axis=(1, -1), exclude=True), SHAPE, {}),
    "mean that keeps axes": (S.mean(X, axis=(2, 3), keepdims=True), SHAPE, {}),
    "broadcast to": (S.broadcast_to(X, shape=(2, 4, 0, 6)), (1, 4, 3, 1), {}),
    "products of one tensor, twice": (
        S.batch_dot(X, X, transpose_b=True) + S.batch_dot(X, X, transpose_b=True),
        (2, 3, 4),
        {},
    ),
    "upsampling": (S.UpSampling(X, scale=2, sample_type="nearest"), SHAPE, {}),
    "clip": (S.clip(X, -0.1, 0.3), SHAPE, {}),
    "softmax over channels": (S.softmax(X, axis=1, temperature=2.0), SHAPE, {}),
    "output 11 of 12": (S.relu(S.split(X, num_outputs=12, axis=1)[11]), (2, 12, 3), {}),
    "slice": (S.slice(X, begin=(None, -3), end=(None, -1)), SHAPE, {}),
    "cast of mixed precision": (S.amp_cast(S.amp_cast(X, dtype="float16"), dtype="float32"), SHAPE, {}),
    "recurrent": (
        S.RNN(X, W, S.var("h"), S.var("c"), state_size=3, num_layers=1, mode="lstm", state_outputs=True),
        (5, 2, 4),
        {"w": (108,), "h": (1, 2, 3), "c": (1, 2, 3)},
    ),
    **{
        f"unit length per {mode}": (S.L2Normalization(X * 0.1, mode=mode, eps=1e-2), SHAPE, {})
        for mode in ("instance", "channel", "spatial")
    },
    "numbers of half precision": (
        S.amp_cast(2 - S.amp_cast(X, dtype="float16") * 3, dtype="float32"),
        SHAPE,
        {},
    ),
    "whole numbers": (S._internal._maximum_scalar(S.Cast(X * 9, dtype="int32"), scalar=3.0), SHAPE, {}),
    "every word": (S.take(W, X), (2, 3), {"w": (5, 3)}),
}
REFUSED: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "no translation": (
        S.sort(S.relu(X, name="r"), name="s"),
        SHAPE,
        r"1 of 3 nodes of 's' .*\n  's' \(sort\)\n  Extract",
    ),
    "random": (S.Dropout(X, mode="always", name="d"), SHAPE, r"draw random numbers.\n  'd' \(Dropout\)"),
    "always random": (X + S.random.normal(shape=SHAPE, name="n"), SHAPE, "draw random numbers"),
    "refused by mx.onnx": (
        _pool(pool_type="sum", name="p"),
        (2, 4, 7, 8),
        r"not translate 'p' \(Pooling\).*\n.*NotImpl",
    ),
    "translated wrongly": (
        S.contrib.BilinearResize2D(S.relu(X, name="r"), height=9, width=11, align_corners=False, name="size"),
        SHAPE,
        r"(?s)differs from 'size' at 'size' \(_contrib_BilinearResize2D\): by 0.*mx.onnx translates it wrongly",
    ),
    "suppression of boxes": (
        S.contrib.box_nms(X, overlap_thresh=0.5, name="nms"),
        (1, 8, 6),
        r"compute in mx.onnx what MXNet computes on some inputs only.\n  'nms' \(_contrib_box_nms\)",
    ),
    "mean and variance": (
        S.Group(list(S.LayerNorm(X, S.ones((3,)), S.zeros((3,)), output_mean_var=True, name="l"))),
        (2, 3),
        r"return mean and variance as well \(output_mean_var=True\), which ONNX does not.\n  'l' \(LayerNorm\)",
    ),
    "no finite values": (
        S.log(-1 - S.abs(X), name="l"),
        SHAPE,
        "output 'l_output' of 'l' has hardly any finite values",
    ),
    "only constants": (
        S.relu(S.sigmoid(X) - 50, name="r") * 2 + 1,
        SHAPE,
        r"3 of 5 operators of .* compute one number, whatever the input.\n  The first is 'r' \(relu\)",
    ),
    "not run": (S.dot(X, X, name="d"), (2, 3, 2), "onnxruntime does not run the model"),
    "softmax of more axes under its old name": (
        S.SoftmaxActivation(X, name="s"),
        SHAPE,
        r"not among the operators that mx.onnx translates.\n  's' \(SoftmaxActivation\)",
    ),
    "images' numbers": (S.ROIPooling(X, Y, pooled_size=(2, 2), spatial_scale=1), SHAPE, "end the process"),
}


def _parameters(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    random = np.random.RandomState(3)
    return {name: mx.nd.array(random.uniform(0.2, 1, shape)) for name, shape in shapes.items()}


@pytest.mark.parametrize("case", EXPORTED)
def test_export_of_an_operator_computes_the_same(case: str, tmp_path: Path) -> None:
    symbol, shape, shapes = EXPORTED[case]
    parameters = _parameters(shapes)
    file = gs.to_onnx((symbol, parameters, {}), tmp_path / "m.onnx", {"x": shape})
    values = np.random.RandomState(7).standard_normal(shape)
    x = mx.nd.array(np.abs(np.round(values)) if case == "every word" else values)
    found = results_of(file.path, [x])
    block = gs.extract((symbol, parameters, {}), "x", [f"{n}" for n in symbol.list_outputs()])
    expected = [array.asnumpy() for array in block(x)]
    assert [f.shape for f in found] == [e.shape for e in expected]
    limit = 1e-2 if case in ("cast of mixed precision", "numbers of half precision") else 1e-5
    worst = max(np.abs(f - e).max() / np.abs(e).max() for f, e in zip(found, expected))
    print(f"relative error {worst:.1e}")
    assert worst < limit


def test_export_of_mean_pooling_rounded_up_is_equal_or_refused(tmp_path: Path) -> None:
    """Old versions of onnxruntime divide by another count at the border."""
    symbol, x = _pool(pooling_convention="full", name="pool"), mx.nd.random.normal(shape=(2, 4, 8, 8))
    try:
        file = gs.to_onnx((symbol, {}, {}), tmp_path / "m.onnx", {"x": x.shape})
    except gs.SubgraphError as error:
        assert "differs from 'pool' at 'pool' (Pooling)" in str(error)  # noqa: PT017
    else:
        expected = gs.extract((symbol, {}, {}), "x", "pool")(x).asnumpy()
        assert np.abs(results_of(file.path, [x])[0] - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("case", REFUSED)
def test_export_that_would_not_compute_the_same_is_refused(case: str, tmp_path: Path) -> None:
    symbol, shape, message = REFUSED[case]
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")
    shapes = {"x": shape, **({"y": (3, 5)} if "y" in symbol.list_inputs() else {})}
    with pytest.raises(gs.SubgraphError, match=message) as said:
        gs.to_onnx((symbol, {}, {}), path, shapes)
    assert "nothing was written" in str(said.value)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    assert path.read_bytes() == b"old"


CODES = [(0, -1), (-1, 0), (-2,), (0, -3, 0), (0, -3, -2), (-4, 1, 2, -2), (0, -4, 2, -1, 0, 0), (-3, -3), (0, 0, -3)]
FROM_THE_END = [(-1, 0), (2, -1, 0), (0, -3, 0), (-2,)]


@pytest.mark.parametrize(
    ("codes", "reverse"), [*((c, False) for c in CODES), *((c, True) for c in FROM_THE_END)], ids=str
)
def test_export_of_every_code_of_reshape(codes: tuple[int, ...], reverse: bool, tmp_path: Path) -> None:
    symbol = S.reshape(X, shape=codes, reverse=reverse) * 2
    assert gs.to_onnx((symbol, {}, {}), tmp_path / "m.onnx", {"x": SHAPE}).difference == 0


NAMES = ["a", "a0", "a1", "a_shape", "a0_output", "n1x", "o0x", "_rminusscalar0", "scalar_op3", "a/ones", "a#2"]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.permutations(NAMES), repeat=st.booleans())
def test_export_whatever_the_names(names: list[str], repeat: bool, tmp_path: Path) -> None:
    """mx.onnx tells tensors apart, and some operators, by their names."""
    first, *rest = names
    last = rest[0] if repeat else rest[6]  # of an operator, MXNet allows a name to stand twice
    weights = [S.var(name) for name in rest[3:5]]
    parts = S.split(S.var(first), num_outputs=2, name=rest[0])
    value = S.FullyConnected(parts[1], weights[0], num_hidden=3, no_bias=True, name=rest[1])
    value = S.broadcast_mul(S._internal._rminus_scalar(value, scalar=1, name=rest[2]), weights[1], name=rest[5])
    value = S.expand_dims(value, axis=0)
    symbol = S.Group([S.batch_dot(value, value, transpose_b=True, name=last), parts[0]])
    shapes = dict(zip(rest[3:5], [(3, 10), (1, 3)]))
    file = gs.to_onnx((symbol, _parameters(shapes), {}), tmp_path / "m.onnx", {first: (3, 4, 5)})
    inputs, outputs, parameters = interface_of(file.path)
    assert file.difference < 1e-5
    assert inputs == [(first, (3, 4, 5))]
    assert len({first, *outputs, *parameters}) == 1 + len(outputs) + len(parameters)
    if not {first, *rest[3:5]} & set(symbol.list_outputs()):  # a name cannot be had twice
        assert outputs == symbol.list_outputs()
        assert set(parameters) >= {*rest[3:5]}
