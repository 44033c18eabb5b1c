"""What a network tells of its own sizes before its first forward pass, and what it does not."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from typing import Any

import mxnet as mx
import pytest
from mxnet.gluon import nn

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.deferred import known_sizes
from gluon_subgraph.implied_shapes import implied_shapes
from gluon_subgraph.layers import read_form

sym = mx.sym


def told(symbol: Any, others: Any = ()) -> dict[str, tuple[int, ...]]:
    """Return the sizes that follow from a Symbol alone, and from parameters of such shapes elsewhere."""
    graph = graph_of_symbol(symbol)
    shapes = {name: shape for name, shape in implied_shapes(graph).items() if name != "data"}
    return known_sizes(shapes, read_form(graph, shapes), {f"other{k}": shape for k, shape in enumerate(others)})


def convolution(name: str, filters: int = 8, **attrs: Any) -> Any:
    return sym.Convolution(sym.var("data"), name=name, num_filter=filters, kernel=(1, 1), no_bias=True, **attrs)


def reshaped(prefix: str) -> nn.HybridSequential:
    """Return a generator that makes an image of the units of a dense layer."""
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Dense(64), nn.HybridLambda(lambda F, x: F.reshape(x, shape=(-1, 4, 4, 4))), nn.BatchNorm())
        net.add(nn.Activation("relu"), nn.Conv2DTranspose(6, 4), nn.BatchNorm(), nn.Conv2DTranspose(3, 4))
    return net


def perceptron(prefix: str) -> nn.HybridSequential:
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        for units in (8, 8, 6):
            net.add(nn.Dense(units), nn.BatchNorm(), nn.Activation("relu"))
        net.add(nn.Dense(3))
    return net


@pytest.mark.parametrize("make", [reshaped, perceptron])
@pytest.mark.parametrize("is_file", [False, True])
def test_network_never_run_binds_to_its_twin(make: Any, *, is_file: bool) -> None:
    target, source = make("new_"), make("old_")
    source.initialize()
    x = mx.nd.random.normal(shape=(2, 5))
    expected = source(x)
    values = {f"net.{name}": p.data() for name, p in source._collect_params_with_prefix().items()}
    gs.bind_params(target, values if is_file else source)
    assert target(x).asnumpy().tobytes() == expected.asnumpy().tobytes()


@pytest.mark.parametrize("op", [sym.BatchNorm, sym.Convolution, sym.Deconvolution])
def test_units_that_may_have_been_reshaped_tell_no_channels(op: Any) -> None:
    attrs = {} if op is sym.BatchNorm else {"num_filter": 4, "kernel": (2, 2)}
    dense = sym.FullyConnected(sym.var("data"), num_hidden=64, name="dense")
    assert told(op(sym.reshape(dense, shape=(-1, 16, 2, 2)), name="after", **attrs)) == {}


def test_units_tell_a_normalisation_where_the_other_network_has_such() -> None:
    dense = sym.FullyConnected(sym.var("data"), num_hidden=64, name="dense")
    found = told(sym.LayerNorm(dense, name="norm"), [(64, 3), (64,), (64,), (64,)])
    assert found == {"dense_weight": (64, 3), "norm_gamma": (64,), "norm_beta": (64,)}


def test_convolution_of_reshaped_units_tells_its_own_filters() -> None:
    x = sym.reshape(sym.FullyConnected(sym.var("data"), num_hidden=64, name="dense"), shape=(-1, 16, 2, 2))
    x = sym.Convolution(x, num_filter=4, kernel=(1, 1), name="conv")
    assert told(sym.InstanceNorm(x, name="norm")) == {"norm_gamma": (4,), "norm_beta": (4,)}


@pytest.mark.parametrize(
    ("dim", "filters", "expected"), [(1, (8, 8), 16), (1, (8, 4), 12), (2, (8, 8), 8), (-1, (8, 8), 8)]
)
def test_concatenation_sums_channels_along_their_axis_alone(dim: int, filters: Any, expected: int) -> None:
    joined = sym.concat(*(convolution(f"c{k}", n) for k, n in enumerate(filters)), dim=dim)
    found = told(sym.InstanceNorm(joined, name="norm"))
    assert found == {"norm_gamma": (expected,), "norm_beta": (expected,)}


@pytest.mark.parametrize(("dim", "expected"), [(3, 16), (-1, 16), (1, 8)])
def test_concatenation_where_channels_come_last(dim: int, expected: int) -> None:
    joined = sym.concat(*(convolution(f"c{k}", layout="NHWC") for k in range(2)), dim=dim)
    assert told(sym.BatchNorm(joined, axis=3, name="norm"))["norm_gamma"] == (expected,)


def test_networks_that_concatenate_along_other_axes_are_not_identical() -> None:
    def net(dim: int) -> Any:
        return sym.concat(convolution("a"), sym.relu(convolution("b")), dim=dim)

    shapes = {"a_weight": mx.nd.ones((8, 3, 1, 1)), "b_weight": mx.nd.ones((8, 3, 1, 1))}
    same, other = (gs.match_params((net(1), shapes, {}), (net(dim), shapes, {})) for dim in (1, 2))
    assert set(same.evidence.values()) == {"identical structure"}
    assert "identical structure" not in other.evidence.values()
