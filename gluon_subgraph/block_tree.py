"""The blocks below a block, and the Parameters they own; nothing here traces or runs anything."""

from __future__ import annotations

from typing import NamedTuple

from mxnet import gluon

__all__ = ["Owned", "blocks_below", "block_at", "owned_parameters"]


class Owned(NamedTuple):
    """A Parameter of a network: the name it goes by there, and its dotted names, such as ``features.0.weight``."""

    name: str
    parameter: gluon.Parameter
    dotted: tuple[str, ...]


def blocks_below(net: gluon.Block) -> dict[int, tuple[gluon.Block, list[str]]]:
    """Return each block below `net` once, by identity, with its dotted paths; explicit stack, cycles allowed."""
    found: dict[int, tuple[gluon.Block, list[str]]] = {}
    stack = [(net, "")]
    while stack:
        block, path = stack.pop()
        is_new = id(block) not in found
        found.setdefault(id(block), (block, []))[1].append(path)
        if is_new:
            children = [(c, f"{path}.{n}" if path else n) for n, c in block._children.items()]
            stack.extend(reversed(children))
    return found


def block_at(net: gluon.Block, path: str) -> gluon.Block | None:
    """Return the block at a dotted path, also through a block that has several; None where there is none."""
    block = net
    for name in path.split("."):
        block = block._children.get(name)
        if block is None:
            return None
    return block


def owned_parameters(net: gluon.Block) -> list[Owned]:
    """Return the Parameters of `net`, each once, in the order in which Gluon collects them."""
    names: dict[int, str] = {}
    dotted: dict[int, list[str]] = {}
    parameters: dict[int, gluon.Parameter] = {}
    for block, paths in blocks_below(net).values():
        for name, parameter in block._params.items():
            parameters.setdefault(id(parameter), parameter)
            names.setdefault(id(parameter), name)
        for attribute, parameter in block._reg_params.items():
            parameters.setdefault(id(parameter), parameter)
            names.setdefault(id(parameter), parameter.name)
            dotted.setdefault(id(parameter), []).extend(f"{p}.{attribute}" if p else attribute for p in paths)
    return [Owned(names[key], p, tuple(dotted.get(key, ()))) for key, p in parameters.items()]
