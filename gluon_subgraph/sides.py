"""What the matcher is given and what it answers: plain data and the rules for shapes, no MXNet and no arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, NamedTuple, Optional, Tuple

from .graph import Graph

__all__ = ["Side", "Matching", "Ambiguity", "Mismatch", "Shape", "is_known", "may_be_same", "left_over"]

Shape = Optional[Tuple[int, ...]]


@dataclass(frozen=True)
class Side:
    """The target or the source of a matching.

    Attributes
    ----------
    shapes : mapping of str to tuple of int or None
        The shape of each parameter, in the order of the file or of definition; None, or 0 for one axis, where it
        is not known.
    graph : Graph or None
        What the network computes; its variables carry the names of `shapes`. None where only names are known.
    paths : mapping of str to str
        The structural names of parameters (``features.0.weight``), where there are such.
    """

    shapes: Mapping[str, Shape]
    graph: Graph | None = None
    paths: Mapping[str, str] = field(default_factory=dict)


class Ambiguity(NamedTuple):
    """Why a target parameter was not decided: the source parameters it may be, and a reason."""

    candidates: tuple[str, ...]
    reason: str


class Mismatch(NamedTuple):
    """A source parameter at the place of a target parameter that does not fit it, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Matching:
    """What is known of each parameter of the target; each is in exactly one of the first four.

    Attributes
    ----------
    mapping : dict of str to str
        {target: source} of what is the same.
    mismatched : dict of str to Mismatch
    ambiguous : dict of str to Ambiguity
    missing : dict of str to str
        {target: reason} of those that nothing in the source corresponds to.
    extra : tuple of str
        Source parameters that no target corresponds to.
    evidence : dict of str to str
        {target: why}, for `mapping`.
    transforms : dict of str to str
        {target: "same", "transpose", "reshape" or "ones"}, for `mapping`.
    """

    mapping: dict[str, str]
    mismatched: dict[str, Mismatch]
    ambiguous: dict[str, Ambiguity]
    missing: dict[str, str]
    extra: tuple[str, ...]
    evidence: dict[str, str]
    transforms: dict[str, str]


def is_known(shape: Shape) -> bool:
    """Return whether every size of a shape is known."""
    return shape is not None and (not shape or min(shape) > 0)


def may_be_same(shape: Shape, other: Shape) -> bool:
    """Return whether two shapes are equal in all that is known of both; None, or 0 for one axis, is not known."""
    if shape is None or other is None or shape == other:
        return True
    return len(shape) == len(other) and all(a == b or not (a and b) for a, b in zip(shape, other))


def left_over(source: Side, mapping: Mapping[str, str], mismatched: Mapping[str, Mismatch]) -> tuple[str, ...]:
    """Return the parameters of a source that are neither bound nor at the place of one that does not fit."""
    used = {*mapping.values(), *(mismatch.source for mismatch in mismatched.values())}
    return tuple(name for name in source.shapes if name not in used)
