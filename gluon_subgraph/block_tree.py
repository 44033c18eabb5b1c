"""The blocks below a block, and the Parameters they own; nothing here traces or runs anything."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from mxnet import gluon

from .errors import NameConflictError
from .graph import Graph

__all__ = [
    "Owned",
    "blocks_below",
    "kept_graph",
    "block_at",
    "collected_parameters",
    "owned_parameters",
    "dotted_by_every_path",
]

_MOST_PATHS = 100_000


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


def kept_graph(block: gluon.Block) -> Graph | None:
    """Return the Graph that a piece keeps, None for any other block, whatever it calls `graph`."""
    graph = getattr(block, "graph", None)
    return graph if isinstance(graph, Graph) else None


def block_at(net: gluon.Block, path: str) -> gluon.Block | None:
    """Return the block at a dotted path, also through a block that has several; None where there is none."""
    block = net
    for name in path.split("."):
        block = block._children.get(name)
        if block is None:
            return None
    return block


def collected_parameters(block: gluon.Block, role: str = "block") -> gluon.ParameterDict:
    """Return what `collect_params` of a block returns; messages call the block `role`.

    Raises
    ------
    NameConflictError
        Two different Parameters have one name.
    """
    try:
        return block.collect_params()
    except AssertionError as error:
        said = str(error).strip().splitlines() or [""]
        msg = (
            f"different parameters of {role} {block.name!r} have one name.\n"
            f"  Gluon says: {said[0]}\n"
            "  Make its blocks with different prefixes; nothing was changed."
        )
        raise NameConflictError(msg) from None


def owned_parameters(net: gluon.Block) -> list[Owned]:
    """Return the Parameters of `net`, each once, in the order in which Gluon collects them."""
    names: dict[int, str] = {}
    dotted: dict[int, list[str]] = {}
    parameters: dict[int, gluon.Parameter] = {}
    for block, paths in blocks_below(net).values():
        collect = vars(block).get("collect_params")  # of a renamed plain block, which has other names for those below
        if getattr(collect, "is_outermost", False):
            names.update((id(p), name) for name, p in collect().items() if id(p) not in names)
        for name, parameter in block._params.items():
            parameters.setdefault(id(parameter), parameter)
            names.setdefault(id(parameter), name)
        for attribute, parameter in _attributes(block):
            parameters.setdefault(id(parameter), parameter)
            names.setdefault(id(parameter), parameter.name)
            dotted.setdefault(id(parameter), []).extend(f"{p}.{attribute}" if p else attribute for p in paths)
    return [Owned(names[key], p, tuple(dotted.get(key, ()))) for key, p in parameters.items()]


def dotted_by_every_path(net: gluon.Block) -> Iterator[tuple[str, int]]:
    """Yield (dotted name, identity) of Parameters below blocks that have several paths, by all of these.

    `owned_parameters` goes below such a block once. At most 100 000 paths are followed: blocks may hold each other.
    """
    if all(len(paths) == 1 for _, paths in blocks_below(net).values()):
        return
    stack, left = [(net, "")], _MOST_PATHS
    while stack and left:
        block, path = stack.pop()
        left -= 1
        start = f"{path}." if path else ""
        yield from ((start + attribute, id(parameter)) for attribute, parameter in block._reg_params.items())
        stack.extend((child, start + name) for name, child in block._children.items())


def _attributes(block: gluon.Block) -> list[tuple[str, gluon.Parameter]]:
    """Return the Parameters of a block alone by the names it saves them under, which a recurrent layer invents."""
    own = [*block._reg_params.items()]
    if type(block)._collect_params_with_prefix is gluon.Block._collect_params_with_prefix:
        return own
    known = {id(p) for _, p in own}
    return [(name, p) for name, p in block._collect_params_with_prefix().items() if id(p) in known]
