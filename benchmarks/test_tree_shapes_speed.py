"""Common subtrees by shape and size, beside both back ends of networkx_algo_common_subtree."""

from __future__ import annotations

from typing import Any

import pytest
from limited import run_limited
from tree_shapes import BACK_ENDS, OURS, SHAPES, THEIRS

SIZES = (30, 100, 300, 1_000, 3_000)
LARGEST = {"its Cython": 1_000, "its Python": 300}  # what is larger takes minutes to hours
CASES = [
    *((function, "ours") for function in OURS),
    ("any", "floor"),
    *((function, side) for function in THEIRS for side in BACK_ENDS),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("function", "side"), CASES)
def test_shape(function: str, side: str, shape: str, benchmark: Any) -> None:
    if side in BACK_ENDS:
        pytest.importorskip("networkx_algo_common_subtree", reason="not installed: see README.md")
    benchmark.group = f"tree shapes, {function}, {shape}"
    sizes = [size for size in SIZES if size <= LARGEST.get(side, max(SIZES))]
    job = {"function": function, "side": side, "shape": shape, "sizes": sizes}
    answers = benchmark.pedantic(run_limited, ("tree_shapes.py", job, len(sizes)), rounds=1)
    cases = {str(size): found for size, found in zip(sizes, answers)}
    benchmark.extra_info.update(table="tree shapes", function=function, side=side, given=shape, cases=cases)
