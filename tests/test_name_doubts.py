"""Kernels of equal axes, which a framework may keep as input by output."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import mxnet as mx
import pytest

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

sym = mx.sym


def _row(sizes: list[int]) -> Side:
    x, shapes = mx.sym.var("data"), {}
    for k, (size, units) in enumerate(zip(sizes, sizes[1:])):
        x = mx.sym.Activation(mx.sym.FullyConnected(x, num_hidden=units, name=f"d{k}"), act_type="tanh", name=f"a{k}")
        shapes.update({f"d{k}_weight": (units, size), f"d{k}_bias": (units,)})
    return Side(shapes, graph_of_symbol(x))


def _kernels(side: Side, *, word: str = "kernel", transposed: bool = False) -> Side:
    names = {name: f"fc{name[1:]}".replace("_weight", f"/{word}").replace("_bias", "/bias") for name in side.shapes}
    return Side({names[n]: shape[::-1] if transposed else shape for n, shape in side.shapes.items()})


@pytest.mark.parametrize("sizes", [[12, 16, 16, 4], [16, 16, 4], [4, 16, 16]])
def test_square_kernel_is_bound_where_another_shows_how_they_are_kept(sizes: list[int]) -> None:
    target = _row(sizes)
    assert len(match(target, _kernels(target)).mapping) == len(target.shapes)


@pytest.mark.parametrize("word", ["kernel", "w", "weights:0", "W"])
@pytest.mark.parametrize("sizes", [[16, 16, 16], [8, 8]])
def test_square_kernels_alone_are_not_bound(sizes: list[int], word: str) -> None:
    target = _row(sizes)
    found = match(target, _kernels(target, word=word))
    assert all(name.endswith("bias") for name in found.mapping)
    assert all("input by output" in found.ambiguous[f"d{k}_weight"].reason for k in range(len(sizes) - 1))


@pytest.mark.parametrize("sizes", [[12, 16, 16, 4], [16, 16, 4]])
def test_square_kernel_among_transposed_ones_is_not_bound(sizes: list[int]) -> None:
    target = _row(sizes)
    found = match(target, _kernels(target, transposed=True))
    assert set(found.transforms.values()) == {"same", "transpose"}
    assert [name for name in found.ambiguous if name.endswith("weight")] == [
        name for name, shape in target.shapes.items() if shape == (16, 16)
    ]


def test_table_does_not_show_how_kernels_are_kept() -> None:
    x = sym.Embedding(sym.var("data"), input_dim=20, output_dim=8, name="table")
    net = sym.FullyConnected(x, num_hidden=8, flatten=False, name="fc")
    target = Side({"table_weight": (20, 8), "fc_weight": (8, 8), "fc_bias": (8,)}, graph_of_symbol(net))
    found = match(target, Side({"table/kernel": (20, 8), "fc/kernel": (8, 8), "fc/bias": (8,)}))
    assert sorted(found.mapping) == ["fc_bias", "table_weight"]


def test_kernel_of_equal_axes_may_have_any_layout() -> None:
    net = sym.Convolution(sym.var("data"), num_filter=3, kernel=(3, 3), pad=(1, 1), name="blur")
    net = sym.FullyConnected(sym.flatten(net), num_hidden=5, name="fc")
    shapes = {"blur_weight": (3, 3, 3, 3), "blur_bias": (3,), "fc_weight": (5, 48), "fc_bias": (5,)}
    source = {"c/kernel": (3, 3, 3, 3), "c/bias": (3,), "d/kernel": (5, 48), "d/bias": (5,)}
    found = match(Side(shapes, graph_of_symbol(net)), Side(source))
    assert sorted(found.mapping) == ["blur_bias", "fc_bias", "fc_weight"]
