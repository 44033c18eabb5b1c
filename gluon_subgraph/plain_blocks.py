"""Other parameter names for a block that computes in Python and has no graph."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from typing import Any, Mapping

import mxnet as mx
from mxnet import gluon

from .block_tree import blocks_below
from .file_methods import FileMethods, FileNames
from .parameter_dict import KeyedParameterDict
from .settings import note_name

__all__ = ["renamed_plain_block"]

_CONTAINERS = (list, tuple, dict, OrderedDict)


def renamed_plain_block(net: gluon.Block, new_of: Mapping[str, str], prefix: str) -> gluon.Block:
    """Return a copy of `net` whose parameters are collected under new names; `net` is not modified.

    The blocks that compute in Python are copied, shallowly; the HybridBlocks among them are the very same, and so is
    every Parameter. A HybridBlock names its own variables, and must find them when it is hybridized: so the new
    names are those that the plain blocks give out, and inside nothing changes.
    """
    params = dict(net.collect_params().items())
    below = [block for block, _ in blocks_below(net).values()]
    copy_of = {id(b): copy.copy(b) for b in below if not isinstance(b, gluon.HybridBlock)}
    for block in copy_of.values():
        collect = vars(block).get("collect_params")
        maps = (*collect.maps, new_of) if isinstance(collect, _Collector) else (new_of,)
        values = {name: _with_copies(value, copy_of) for name, value in vars(block).items()}
        scope = gluon.block._BlockScope(block)
        scope._counter = dict(values["_scope"]._counter)
        vars(block).update(values, _scope=scope, collect_params=_Collector(block, maps))
    root = copy_of[id(net)]
    loader = vars(net).get("load_parameters")
    prefixes = (*(loader.prefixes if isinstance(loader, _Loader) else ()), net.prefix, prefix)
    vars(root).update(_prefix=prefix, load_parameters=_Loader(root, tuple(dict.fromkeys(prefixes))))
    vars(root)["collect_params"].is_outermost = True
    for name, parameter in params.items():
        if new_of[name] != name:
            note_name(parameter, name)
    return root


def _with_copies(value: Any, copy_of: Mapping[int, Any]) -> Any:
    """Return `value` with copies in place of blocks, where it is one or a container of some."""
    if isinstance(value, gluon.Block):
        return copy_of.get(id(value), value)
    if type(value) not in _CONTAINERS:
        return value
    if isinstance(value, dict):
        return type(value)((key, copy_of.get(id(item), item)) for key, item in value.items())
    return type(value)(copy_of.get(id(item), item) for item in value)


class _Loader(FileMethods):
    """`load_parameters` of a renamed block: by paths, by the names it has, or by those from before, in full or not."""

    def __init__(self, block: gluon.Block, prefixes: tuple[str, ...]) -> None:
        self.block = block
        self.prefixes = prefixes  # now and before: a file may leave them out

    __call__ = FileMethods.load_parameters

    def _file_names(self) -> FileNames:
        found = FileNames.of(
            self.block._collect_params_with_prefix(), self.block.collect_params(), mx.util.is_np_array()
        )
        known: dict[str, dict[int, gluon.Parameter]] = {}
        for name, held in [*found.former.items(), *((name, (p,)) for name, p in found.full.items())]:
            for short in (name, *(name[len(p) :] for p in self.prefixes if p and name.startswith(p) and name != p)):
                known.setdefault(short, {}).update((id(p), p) for p in held)
        return found._replace(former={name: tuple(held.values()) for name, held in known.items()})


class _Collector:
    """`collect_params` of a renamed block: what Gluon's own finds, by the names that `maps` lead to, one by one."""

    def __init__(self, block: gluon.Block, maps: tuple[Mapping[str, str], ...]) -> None:
        self.block = block
        self.maps = maps
        self.is_outermost = False  # whether it stands for all that is below it

    def __call__(self, select: str | None = None) -> gluon.ParameterDict:
        """Return the Parameters of the block and its children; `select` is matched with the new names."""
        self.block._check_container_with_block()
        found = KeyedParameterDict(self.block.prefix)
        _add(found, {self._new_name(name): p for name, p in self.block.params.items()})
        for child in self.block._children.values():
            is_renamed = isinstance(vars(child).get("collect_params"), _Collector)
            below = child.collect_params().items()
            _add(found, {name if is_renamed else self._new_name(name): p for name, p in below})
        if select:
            chosen = re.compile(select)
            found._params = OrderedDict((name, p) for name, p in found.items() if chosen.match(name))
        return found

    def _new_name(self, name: str) -> str:
        for new_of in self.maps:
            name = new_of.get(name, name)
        return name


def _add(found: gluon.ParameterDict, params: Mapping[str, gluon.Parameter]) -> None:
    other = gluon.ParameterDict()
    other._params.update(params)
    found.update(other)
