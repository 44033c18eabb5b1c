"""to_onnx of random small networks: a file that computes what the block does on any inputs, or a refusal."""

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
from mxnet.gluon import nn
from onnx_models import results_of

KINDS = [
    "conv",
    "tied",
    "norm",
    "fixed norm",
    "layer norm",
    "pool",
    "mean pool",
    "prelu",
    "gelu",
    "softmax",
    "add",
    "half",
]


class _Add(nn.HybridBlock):
    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.concat(2 - x, F.mean(x, axis=(2, 3), keepdims=True).broadcast_like(x), dim=1).slice_axis(1, 1, 5)


class _Half(nn.HybridBlock):
    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.cast(1.5 * F.cast(x, "float16"), "float32")


def _layer(kind: str, size: int, odd: bool, tied: Any) -> Any:
    """Return a layer over four channels; `size` and `odd` choose its settings."""
    makers = {
        "conv": lambda: nn.Conv2D(4, size, padding=size // 2, use_bias=odd, groups=1 + odd, in_channels=4),
        "tied": lambda: nn.Conv2D(4, 1, in_channels=4, params=tied and tied.params),
        "norm": lambda: nn.BatchNorm(in_channels=4, epsilon=10.0**-size, scale=odd),
        "fixed norm": lambda: nn.BatchNorm(in_channels=4, use_global_stats=True, center=odd),
        "layer norm": lambda: nn.LayerNorm(in_channels=4, axis=1),
        "pool": lambda: nn.MaxPool2D(2, strides=1, padding=1, ceil_mode=odd),
        "mean pool": lambda: nn.AvgPool2D(2, strides=size, padding=1, count_include_pad=odd),
        "prelu": nn.PReLU,
        "gelu": nn.GELU,
        "softmax": lambda: nn.HybridLambda(lambda F, x: F.softmax(x, axis=1)),
        "add": _Add,
        "half": _Half,
    }
    return makers[kind]()


def _network(kinds: list[str], numbers: list[int]) -> Any:
    net = nn.HybridSequential(prefix="r_")
    tied = None
    with net.name_scope():
        for kind, number in zip(kinds, numbers):
            layer = _layer(kind, 1 + number % 3, bool(number % 2), tied)
            tied = layer if kind == "tied" and tied is None else tied
            net.add(layer)
    mx.random.seed(numbers[0])
    net.initialize(mx.init.Normal(0.6))
    for parameter in net.collect_params(".*(gamma|running)").values():
        parameter.set_data(mx.nd.random.uniform(0.3, 1.6, parameter.shape))
    return net


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layers=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)), min_size=1, max_size=4), frozen=st.booleans()
)
def test_export_of_a_random_network_is_equal_or_refused(layers: Any, frozen: bool, tmp_path: Path) -> None:
    net = _network([kind for kind, _ in layers], [number for _, number in layers])
    if frozen and len(net.collect_params().keys()):
        gs.freeze(net)
    try:
        file = gs.to_onnx(net, tmp_path / "m.onnx", (2, 4, 6, 7))
    except gs.SubgraphError as error:
        assert "nothing was written" in str(error)  # noqa: PT017
        return
    is_half = any(kind == "half" for kind, _ in layers)
    random = np.random.RandomState(3)
    inputs = [random.standard_normal((2, 4, 6, 7)), random.randint(-3, 4, (2, 4, 6, 7)), np.zeros((2, 4, 6, 7))]
    for values in inputs:
        x = mx.nd.array(values)
        expected, (found,) = net(x).asnumpy(), results_of(file.path, [x])
        assert (expected.shape, expected.dtype) == (found.shape, found.dtype)
        assert np.abs(expected - found).max() <= (2e-2 if is_half else 1e-4) * max(np.abs(expected).max(), 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_export_of_each_kind_of_layer_is_not_refused(kind: str, tmp_path: Path) -> None:
    net = _network([kind], [4])
    assert gs.to_onnx(net, tmp_path / "m.onnx", (2, 4, 6, 7)).difference < 2e-2
