"""Parameters that no operator reads: no structure tells of them, and no output depends on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping

from .sides import Matching, Shape, Side

__all__ = ["with_unread"]


def with_unread(found: Matching, target: Side, source: Side) -> Matching:
    """Return a matching with the parameters that neither graph reads paired by block path or name, and shape.

    Examples
    --------
    >>> from gluon_subgraph.graph import Graph
    >>> side = Side({"n_spare": (3,)}, Graph((), ()), {})
    >>> with_unread(Matching({}, {}, {}, {"n_spare": "nothing"}, ("n_spare",), {}, {}), side, side).mapping
    {'n_spare': 'n_spare'}
    """
    open_targets, open_sources = _unread(target, found.missing), _unread(source, dict.fromkeys(found.extra, ""))
    pairs = {t: open_sources[key] for key, t in open_targets.items() if key in open_sources}
    if not pairs:
        return found
    taken = set(pairs.values())
    return replace(
        found,
        mapping={**found.mapping, **pairs},
        missing={t: reason for t, reason in found.missing.items() if t not in pairs},
        extra=tuple(s for s in found.extra if s not in taken),
        evidence={**found.evidence, **dict.fromkeys(pairs, "equal names, read by no operator")},
        transforms={**found.transforms, **dict.fromkeys(pairs, "same")},
    )


def _unread(side: Side, names: Mapping[str, str]) -> dict[tuple[str, Shape], str]:
    """Return those of `names` that no operator reads, by block path, or name where that is unknown, and shape."""
    read = set() if side.graph is None else {node.name for _, node in side.graph.variables()}
    return {(side.paths.get(name, name), side.shapes[name]): name for name in names if name not in read}
