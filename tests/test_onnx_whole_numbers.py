"""to_onnx of operators on whole numbers: exactly the same up to the limits of the dtype, or refused."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from functools import lru_cache
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import onnxruntime

S = mx.sym
SHAPE = (2, 3)
INTERNAL = S._internal

EQUAL: dict[str, Callable[[Any, Any], Any]] = {
    "maximum": S.broadcast_maximum,
    "minimum": S.broadcast_minimum,
    "sum of two": S.broadcast_add,
    "product of two": S.broadcast_mul,
    "greater": S.broadcast_greater,
    "sum": lambda x, y: S.sum(x + y, axis=1),
    "negative": lambda x, y: S.negative(x + y),
    "at least a half": lambda x, y: INTERNAL._maximum_scalar(x + y, scalar=0.5),
    "at most less than a half": lambda x, y: INTERNAL._minimum_scalar(x + y, scalar=-1.5),
    "plus three": lambda x, y: S.broadcast_maximum(x, y) + 3,
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "prod": lambda x: S.prod(x, axis=1, name="z"),
    "mean": lambda x: S.mean(x, axis=1, name="z"),
    "square": lambda x: S.square(x, name="z"),
    "_power_scalar": lambda x: INTERNAL._power_scalar(x, scalar=2.0, name="z"),
}


@lru_cache(maxsize=None)
def _both(case: str, folder: str) -> tuple[Any, Any]:
    """Return the block of a case, and what runs its file."""
    x, y = (S.var(name, dtype="int32") for name in "xy")
    symbol = EQUAL[case](x, y)
    file = gs.to_onnx((symbol, {}, {}), f"{folder}/m.onnx", {"x": SHAPE, "y": SHAPE})
    session = onnxruntime.InferenceSession(file.path, providers=["CPUExecutionProvider"])
    return gs.extract((symbol, {}, {}), ["x", "y"], symbol.list_outputs()[0]), session


NUMBERS = st.lists(
    st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), 1 - 2**31, -1, 0, 1, 2**31 - 1])),
    min_size=6,
    max_size=6,
)


@pytest.mark.parametrize("case", EQUAL)
@settings(max_examples=25, deadline=None)
@given(one=NUMBERS, other=NUMBERS)
def test_export_of_whole_numbers_is_exact(
    case: str, one: list[int], other: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    block, session = _both(case, str(tmp_path_factory.getbasetemp()))
    arrays = [np.array(numbers, "int32").reshape(SHAPE) for numbers in (one, other)]
    expected = block(*(mx.nd.array(array, dtype="int32") for array in arrays)).asnumpy()
    (found,) = session.run(None, dict(zip("xy", arrays)))
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", ["_plus_scalar", "_minus_scalar", "_mul_scalar", "_maximum_scalar", "_greater_scalar"])
def test_export_of_every_number_of_one_byte_is_exact(op: str, dtype: str, tmp_path: Any) -> None:
    symbol = getattr(INTERNAL, op)(S.var("x", dtype=dtype), scalar=100.0, name="z")
    numbers = np.arange(np.iinfo(dtype).min, np.iinfo(dtype).max + 1).astype(dtype)
    file = gs.to_onnx((symbol, {}, {}), tmp_path / "m.onnx", numbers.shape)
    expected = gs.extract((symbol, {}, {}), "x", "z")(mx.nd.array(numbers, dtype=dtype)).asnumpy()
    session = onnxruntime.InferenceSession(file.path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": numbers})
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("op", REFUSED)
def test_export_of_what_overflows_otherwise_is_refused(op: str, tmp_path: Any) -> None:
    symbol = REFUSED[op](S.var("x", dtype="int32"))
    message = rf"(?s)at 'z' \({op}\): .*on the least and the greatest whole numbers it overflows otherwise.*nothing was"
    with pytest.raises(gs.SubgraphError, match=message):
        gs.to_onnx((symbol, {}, {}), tmp_path / "m.onnx", SHAPE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("divisor", [-1.0, 3.0])
def test_export_of_a_division_survives_its_own_check(divisor: float, tmp_path: Any) -> None:
    """The least number by -1 would end the process."""
    symbol = S.var("x", dtype="int32") / divisor
    assert gs.to_onnx((symbol, {}, {}), tmp_path / "m.onnx", SHAPE).difference == 0
