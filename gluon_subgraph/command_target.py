"""The TARGET of match and bind: its Parameters that have no value yet, what is planned for it, what is written."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from math import prod
from typing import Any, Callable, Mapping, NamedTuple, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import gluon

from .binding_report import Binding
from .codec import graph_of_symbol, json_of_symbol, symbol_of_graph
from .command_models import Model, block_without_values, check_files_belong
from .command_progress import Progress
from .deferred import known_sizes
from .errors import BindingError, SubgraphError
from .files_beside import write_beside, write_text
from .graph import Graph
from .interface import interface_of
from .layers import read_form
from .params_file import FILE_PREFIXES, unmarked
from .planning import plan_of
from .readers import load_symbol_file
from .shapes import infer_shapes
from .sides import is_known, may_be_same
from .slots import float32_in_half, parameters_by_slot
from .sources import read_weights
from .storage import array_writer
from .tables import shape_or_unknown
from .value_files import is_mxnet_dtype, stored_arrays

__all__ = ["Shapes", "Target", "opened_target", "write_bound"]

Shapes = Sequence[Tuple[str, Tuple[int, ...]]]


class Target(NamedTuple):
    """What is bound into, as `bind_params` takes it, and the shapes of inputs that were told."""

    net: Any
    shapes: Mapping[str, tuple[int, ...]]

    def mode(self) -> contextlib.AbstractContextManager[Any]:
        """Return the mode in which a file of arrays is bound: NumPy's, where it has scalars or empty arrays."""
        is_np = isinstance(self.net, dict) and _has_odd_shape(self.net)
        stack = contextlib.ExitStack()
        stack.enter_context(mx.util.np_shape(is_np or mx.util.is_np_shape()))
        stack.enter_context(mx.util.np_array(is_np or mx.util.is_np_array()))
        return stack

    @property
    def is_alone(self) -> bool:
        """Whether it is a symbol file alone, whose dtypes are not settled."""
        return isinstance(self.net, gluon.Block)

    def planned(
        self, source: Any, pairs: Mapping[str, str], skip: Sequence[str], *, is_strict: bool, cast_dtype: bool
    ) -> Binding:
        """Return the plan; Parameters without values take the dtypes of what they are to hold, if not `cast_dtype`.

        Raises
        ------
        SubgraphError
            A side cannot be read, the pairs do not fit, or MXNet has no such dtype.
        BindingError
            The shapes to be bound contradict the graph.
        """
        target, given = read_weights(self.net, "target"), read_weights(source, "source")
        plan = plan_of(target, given, pairs, list(skip), is_strict=is_strict)
        empty = _without_value(self.net)
        if not empty or target.side.graph is None:
            return plan
        _check_shapes(plan, self.shapes)
        if not cast_dtype:
            _take_dtypes(empty, plan, float32_in_half(target.side.graph))
        return replace(plan, _target=read_weights(self.net, "target"))

    def symbol(self) -> mx.sym.Symbol | None:
        """Return its graph, None of a file of arrays."""
        if self.is_alone:
            return self.net.symbol
        return self.net[0] if isinstance(self.net, tuple) else None

    def arrays(self) -> dict[str, Any]:
        """Return the value of each parameter by the name it goes by, None where there is none."""
        if self.is_alone:
            values = dict(self.net.collect_params().items())
        else:
            values = self.net[1] if isinstance(self.net, tuple) else self.net
        return {
            name: (value._data[0] if value._data else None) if isinstance(value, gluon.Parameter) else value
            for name, value in values.items()
        }


def opened_target(model: Model, shapes: Shapes, progress: Progress, *, with_values: bool) -> Target:
    """Return the target that is meant; its arrays are read only `with_values`, to be written into.

    Raises
    ------
    SubgraphError
        A file cannot be read, the two do not belong together, or `shapes` do not fit.
    """
    if model.values_file is None:
        return Target(block_without_values(str(model.symbol_file), dict(shapes)), dict(shapes))
    values: Any = progress.read(model.values_file) if with_values else progress.opened(model.values_file)
    if model.symbol_file is None:
        return Target(values, {})
    symbol = load_symbol_file(model.symbol_file)
    check_files_belong(model, symbol, values)
    lacking = _lacking(graph_of_symbol(symbol), frozenset(symbol.list_auxiliary_states()), values)
    if lacking:
        there = values if with_values else stored_arrays(values)
        values = {**there, **{name: gluon.Parameter(name, allow_deferred_init=True) for name in lacking}}
    return Target((symbol, values, {}), {})


def _lacking(graph: Graph, auxiliary: frozenset[str], keys: Any) -> list[str]:
    """Return the variables that are read as parameters, and are among neither `keys` nor the inputs that are noted."""
    noted = interface_of(graph)
    known = {unmarked(key) for key in keys}.union(keys, noted.input_names if noted else ())
    slots = parameters_by_slot(graph, auxiliary)
    return [node.name for i, node in graph.variables() if i in slots and node.name not in known]


def _without_value(net: Any) -> dict[str, gluon.Parameter]:
    if isinstance(net, gluon.Block):
        return dict(net.collect_params().items())
    values = net[1] if isinstance(net, tuple) else {}
    return {name: value for name, value in values.items() if isinstance(value, gluon.Parameter)}


def _take_dtypes(empty: Mapping[str, gluon.Parameter], plan: Binding, never_half: frozenset[str]) -> None:
    """Give Parameters the dtypes of the source; bfloat16, with which few operators compute, leaves them as they are."""
    dtypes = plan._source.dtypes
    wanted = {
        t: dtypes.get(s) for t, s in plan.mapping.items() if t in empty and dtypes.get(s) not in (None, "bfloat16")
    }
    for name, dtype in wanted.items():
        if not is_mxnet_dtype(dtype):
            msg = (
                f"MXNet has no arrays of dtype {dtype}, which source {plan.mapping[name]!r} has.\n"
                "  Save it as float32 or int64, or pass cast_dtype=True to convert; nothing was loaded."
            )
            raise SubgraphError(msg)
    for name, dtype in wanted.items():
        empty[name].dtype = "float32" if dtype == "float16" and name in never_half else dtype


def _check_shapes(plan: Binding, inputs: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse to bind shapes that contradict the graph, such as those decided by hand.

    Raises
    ------
    BindingError
        They do.
    """
    target, source = plan._target.side, plan._source.side.shapes
    bound = {}
    for name, other in plan.mapping.items():
        shape = target.shapes[name]
        if not is_known(shape):
            shape = {"same": source[other], "transpose": (source[other] or ())[::-1]}.get(plan.transforms[name])
        bound[name] = shape
    told = known_sizes(target.shapes, read_form(target.graph, target.shapes), {})
    for name, shape in bound.items():
        if name in told and not may_be_same(told[name], shape):
            msg = (
                f"source {plan.mapping[name]!r} {shape_or_unknown(shape, is_np=plan._target.is_np)} does not fit target"
                f" {name!r}.\n"
                f"  After the layers before it, it is {told[name]}.\n"
                f"  Pair another one with it, or leave it out with skip=[{name!r}]; nothing was loaded."
            )
            raise BindingError(msg)
    known = {name: shape for name, shape in bound.items() if shape and is_known(shape)}
    try:
        infer_shapes(symbol_of_graph(target.graph), target.graph, {**known, **inputs}, is_np=plan._target.is_np)
    except SubgraphError as error:
        reason = str(error).splitlines()[1].strip()
        msg = f"the shapes to be bound do not fit the graph of target.\n  {reason}\n  Nothing was loaded."
        raise BindingError(msg) from None


def write_bound(files: Sequence[str], target: Target, progress: Progress) -> list[str]:
    """Write what is bound, under the names that a parameter file has it by; return what has no value.

    Raises
    ------
    SubgraphError
        A place cannot be written to.
    """
    symbol, arrays = target.symbol(), target.arrays()
    values = {name: value for name, value in arrays.items() if value is not None}
    if symbol is not None:
        auxiliary = frozenset(symbol.list_auxiliary_states())
        values = {FILE_PREFIXES[unmarked(key) in auxiliary] + unmarked(key): value for key, value in values.items()}
    params = files[-1]
    if not params.endswith(".params"):
        values = {unmarked(name): value for name, value in values.items()}
    writers: dict[str, Callable[[str], None]] = {params: lambda name: array_writer(params)(name, values)}
    if len(files) > 1:
        text = json_of_symbol(symbol)
        writers[files[0]] = lambda name: write_text(name, text)
    size = sum(prod(value.shape) * np.dtype(value.dtype).itemsize for value in values.values())
    with progress.writing([params], size), mx.util.np_shape(_has_odd_shape(values) or mx.util.is_np_shape()):
        write_beside(writers)
    return [name for name, value in arrays.items() if value is None]


def _has_odd_shape(arrays: Mapping[str, Any]) -> bool:
    """Return whether there are scalars or empty arrays, which MXNet takes for unknown shapes outside NumPy mode."""
    return any(not array.shape or 0 in array.shape for array in arrays.values())
