"""Whatever is asked of bind_params, what it reports is what happened, and an error means that nothing did."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from typing import Any

import mxnet as mx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import bits

NAMES = "abcde"
SHAPES = [(2,), (3,), (2, 3), (3, 2), (2, 1, 3), (4, 3)]
DTYPES = ["float32", "float32", "float32", "float16", "int32"]
SIDE = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(SHAPES), st.sampled_from(DTYPES)), min_size=1, max_size=5
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "pairs": st.dictionaries(st.sampled_from(NAMES), st.sampled_from(NAMES), max_size=2),
        "skip": st.lists(st.sampled_from([*NAMES, "[ab]"]), max_size=2),
        "allow_missing": st.booleans(),
        "ignore_extra": st.booleans(),
        "cast_dtype": st.booleans(),
        "on_shape_mismatch": st.sampled_from(["error", "skip", "overlap"]),
    },
)


def made(shape: tuple[int, ...], dtype: str, seed: int) -> Any:
    return np.random.RandomState(seed).randint(2, 100, shape).astype(dtype)


def expected(before: Any, name: str, binding: gs.Binding, source: dict[str, Any]) -> Any:
    """Return what a target should hold now, by what the binding says."""
    if name in binding.overlapped:
        block, whole = tuple(slice(size) for size in binding.overlapped[name]), before.copy()
        whole[block] = source[binding.mismatched[name].source][block]
        return whole
    if name not in binding.mapping:
        return before
    value = source[binding.mapping[name]]
    value = value.T if binding.transforms[name] == "transpose" else value
    value = np.ones_like(before) if binding.transforms[name] == "ones" else value
    return value.reshape(before.shape).astype(before.dtype)


@settings(max_examples=300, deadline=None)
@given(target=SIDE, source=SIDE, options=OPTIONS, as_block=st.booleans())
def test_bind_does_what_it_reports_or_nothing(target: Any, source: Any, options: Any, as_block: bool) -> None:
    before = {name: made(*spec, seed=i) for i, (name, spec) in enumerate(target.items())}
    arrays = {name: made(*spec, seed=100 + i) for i, (name, spec) in enumerate(source.items())}
    places: Any = {name: mx.nd.array(array, dtype=array.dtype) for name, array in before.items()}
    if as_block:
        places = {name: mx.gluon.Parameter(name, shape=a.shape, dtype=a.dtype) for name, a in before.items()}
        for name, parameter in places.items():
            parameter.initialize(mx.init.Zero())
            parameter.set_data(mx.nd.array(before[name], dtype=before[name].dtype))
    try:
        binding = gs.bind_params(places, arrays, **options)
    except gs.BindingError:
        wanted = before
    else:
        parts = (binding.mapping, binding.missing, binding.mismatched, binding.ambiguous, binding.skipped)
        assert sorted(name for part in parts for name in part) == sorted(target)
        assert binding.is_complete == (len(binding.mapping) == len(target))
        wanted = {name: expected(before[name], name, binding, arrays) for name in before}
    found = {name: bits(p.data() if as_block else p) for name, p in places.items()}
    assert found == {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in wanted.items()}
