"""Calling a network as in a fresh process, and leaving it and MXNet's global state as they were."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import Any, Iterator, Sequence

import mxnet as mx
from mxnet import gluon

__all__ = ["clean_scopes", "kept_state"]

_ABSENT = object()
_MUTABLE = (list, dict, set, OrderedDict)


@contextmanager
def clean_scopes(is_np: bool) -> Iterator[None]:
    """Trace as in a fresh process: no outer names, attributes or block scope, and the right NumPy mode."""
    block_scope = gluon.block._BlockScope._current
    managers = [(mx.name.NameManager._current, mx.name.NameManager()), (mx.AttrScope._current, mx.AttrScope())]
    managers.append((block_scope, None))
    before = [getattr(holder, "value", _ABSENT) for holder, _ in managers]
    for holder, value in managers:
        holder.value = value
    try:
        modes = [mx.util.np_shape, mx.util.np_array]  # MXNet has no NumPy arrays without NumPy shapes
        with ExitStack() as stack:
            for mode in modes if is_np else reversed(modes):
                stack.enter_context(mode(is_np))
            yield
    finally:
        for (holder, _), value in zip(managers, before):
            holder.value = value
            if value is _ABSENT:  # a new thread; MXNet asks whether there is one
                del holder.value


@contextmanager
def kept_state(blocks: Sequence[gluon.Block]) -> Iterator[None]:
    """Put back what blocks keep of a call, such as the last output or the step of a recurrent cell."""
    before = [(vars(b), dict(vars(b)), {k: copy(v) for k, v in vars(b).items() if type(v) in _MUTABLE}) for b in blocks]
    try:
        for block in blocks:
            if isinstance(block, gluon.rnn.RecurrentCell):
                block.reset()
        yield
    finally:
        for current, values, contents in before:
            for name in current.keys() - values.keys():
                del current[name]
            current.update(values)
            for name, content in contents.items():
                _refill(values[name], content)


def _refill(container: Any, content: Any) -> None:
    """Give a list, dict or set its content back, if it has another now."""
    if [id(v) for v in _items(container)] != [id(v) for v in _items(content)]:
        container.clear()
        (container.extend if isinstance(container, list) else container.update)(content)


def _items(container: Any) -> list[Any]:
    return [*container, *container.values()] if isinstance(container, dict) else list(container)
