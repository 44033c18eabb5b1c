"""Names that can be read in two ways: as computed or as defined, as one number or as two. Neither is guessed."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import random
from typing import Any, Sequence

import mxnet as mx
import pytest

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

sym = mx.sym


def _row(computed: Sequence[str], defined: Sequence[str], sizes: Sequence[int]) -> Side:
    """Return dense layers in a row, computed in one order and defined in another."""
    x, shapes = sym.var("data"), {}
    for name, size, units in zip(computed, sizes, sizes[1:]):
        x = sym.tanh(sym.FullyConnected(x, name=name, num_hidden=units))
        shapes[name] = {f"{name}_weight": (units, size), f"{name}_bias": (units,)}
    return Side({k: v for name in defined for k, v in shapes[name].items()}, graph_of_symbol(x))


COMPUTED = ["enc1", "enc2", "enc3", "dec3", "dec2", "dec1"]
DEFINED = ["enc1", "enc2", "enc3", "dec1", "dec2", "dec3"]


def _numbered(names: Sequence[str], side: Side) -> Side:
    return Side(
        {f"layer{k}.{role}": side.shapes[f"{n}_{role}"] for k, n in enumerate(names) for role in ("weight", "bias")}
    )


@pytest.mark.parametrize("order", [COMPUTED, DEFINED])
def test_row_defined_in_another_order_is_not_guessed(order: Sequence[str]) -> None:
    target = _row(COMPUTED, DEFINED, [8] * 7)
    found = match(target, _numbered(order, target))
    assert not {name for name in found.mapping if name.startswith(("dec1", "dec3"))}
    assert found.ambiguous["dec1_weight"].candidates


def test_shapes_settle_which_order_it_is() -> None:
    sizes = [4, 5, 6, 7, 9, 11, 3]
    target = _row(COMPUTED, DEFINED, sizes)
    for order in (COMPUTED, DEFINED):
        source = _numbered(order, target)
        expected = {f"{n}_{r}": f"layer{k}.{r}" for k, n in enumerate(order) for r in ("weight", "bias")}
        assert match(target, source).mapping == expected


def _shuffled(shapes: dict[str, Any], seed: int) -> dict[str, Any]:
    names = list(shapes)
    random.Random(seed).shuffle(names)
    return {name: shapes[name] for name in names}


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_two_digits_may_be_two_numbers(seed: int) -> None:
    """``norm10`` may be the tenth, or the first norm of block 0; in a shuffled file nothing says which."""
    x, shapes = sym.var("data"), {}
    for k in range(4):
        for part in (1, 2):
            x = sym.relu(sym.Convolution(x, name=f"c{part}{k}", num_filter=6, kernel=(3, 3), pad=(1, 1), no_bias=True))
            shapes[f"c{part}{k}_weight"] = (6, 6, 3, 3)
    target = Side(_shuffled(shapes, seed), graph_of_symbol(x))
    source = Side(_shuffled({f"net.conv{name[1:3]}.weight": shape for name, shape in shapes.items()}, seed + 7))
    found = match(target, source).mapping
    assert all(t[1:3] == s[8:10] for t, s in found.items())
    assert len(found) < 8
