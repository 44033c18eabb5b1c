"""Parameters of two networks that are called alike, where names are all there is to go by.

Names prove something in three cases. Either both networks have exactly the same names: then they are one scheme, and
only a parameter of another shape is not the same. Or what only one of them has is nothing that a counter could have
skipped: wherever a name is wrong because one layer was inserted or left out, a parameter of the same shape and, but
for its numbers, of the same name is left over in one of the networks. Or no two layers of a network have equal shapes:
then no counter can have shifted. In all other cases equal names lie: one inserted layer moves every number behind it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from typing import Iterable, Mapping

from .name_layers import NameLayer
from .name_sides import ReadSide
from .sides import Ambiguity, Matching, Mismatch, Shape, Side, left_over, may_be_same

__all__ = ["match_of_equals", "with_equal_names"]

_MAY_LIE = "one of this name and shape is there, but others like it are left over, so that numbers may have shifted"
_SEPARATORS = re.compile(r"[._/:]")
_NUMBERS = re.compile(r"\d+")


def match_of_equals(target: Side, source: Side) -> Matching | None:
    """Return the matching of two sides without graphs that have the same names and shapes, None of any others.

    Examples
    --------
    >>> match_of_equals(Side({"w": (2, 3)}), Side({"w": (2, 3)})).evidence
    {'w': 'equal names'}
    """
    if target.graph is not None or source.graph is not None or dict(target.shapes) != dict(source.shapes):
        return None
    names = {name: name for name in target.shapes}
    return Matching(names, {}, {}, {}, (), dict.fromkeys(names, "equal names"), dict.fromkeys(names, "same"))


def with_equal_names(found: Matching, target: ReadSide, source: ReadSide) -> Matching:
    """Return a matching completed by what equal names prove; what contradicts them becomes ambiguous."""
    namesakes = _namesakes(target, source)
    alike = {t: s for t, s in namesakes.items() if may_be_same(target.shapes[t], source.shapes[s])}
    has_equal_names = len(namesakes) == len(target.shapes) == len(source.shapes)
    is_one_scheme = has_equal_names or _is_part_of_other(alike, target, source)
    if is_one_scheme and 2 * len(alike) < len(namesakes):  # the same counters, on other layers
        namesakes = {t: s for t, s in namesakes.items() if t not in alike and t in found.missing}
    elif not is_one_scheme:
        if found.mapping or any(_has_like_layers(side.name_layers) for side in (target, source)):
            return replace(found, missing={**found.missing, **dict.fromkeys(found.missing.keys() & alike, _MAY_LIE)})
        namesakes = {t: s for t, s in namesakes.items() if t not in found.ambiguous}
    if any(_is_transposed(target.shapes[t], source.shapes[s]) for t, s in namesakes.items()):
        return found  # nothing tells whether square ones are transposed as well
    mapping, ambiguous, mismatched = dict(found.mapping), dict(found.ambiguous), dict(found.mismatched)
    evidence, transforms = dict(found.evidence), dict(found.transforms)
    taken = {s: t for t, s in mapping.items()}
    for t, s in namesakes.items():
        if t not in alike:
            reason = f"shape {target.shapes[t]}, source {source.shapes[s]}"
            mismatched[t] = Mismatch(s, reason)
            ambiguous.pop(t, None)
        elif t in mapping and mapping[t] != s:
            ambiguous[t] = Ambiguity((s, mapping[t]), "its name says one, its place another")
        elif taken.get(s, t) != t and taken[s] not in namesakes:
            ambiguous.update(
                dict.fromkeys((t, taken[s]), Ambiguity((s,), "the name of one says it, the place of another"))
            )
        else:
            mapping[t], transforms[t] = s, transforms.get(t, "same")
            evidence[t] = evidence.get(t, "equal names")
            ambiguous.pop(t, None)
            mismatched.pop(t, None)
    for t in [t for t in mapping if t in ambiguous or t in mismatched]:
        del mapping[t], evidence[t], transforms[t]
    decided = mapping.keys() | ambiguous.keys() | mismatched.keys()
    return Matching(
        mapping,
        mismatched,
        ambiguous,
        {t: reason for t, reason in found.missing.items() if t not in decided},
        left_over(source, mapping, mismatched),
        evidence,
        transforms,
    )


def _is_part_of_other(alike: Mapping[str, str], target: ReadSide, source: ReadSide) -> bool:
    """Return whether most of one network are namesakes in the other, and none of them can be what is left over."""
    if 2 * len(alike) <= min(len(target.shapes), len(source.shapes)):
        return False
    paired = {_kind(target, t) for t in alike} | {_kind(source, s) for s in alike.values()}
    taken = set(alike.values())
    left = [_kind(target, t) for t in target.shapes if t not in alike]
    left += [_kind(source, s) for s in source.shapes if s not in taken]
    return paired.isdisjoint(left)


def _kind(side: ReadSide, name: str) -> tuple[str, Shape]:
    """Return what a parameter keeps when layers are counted anew: its name without numbers, and its shape."""
    return _NUMBERS.sub("#", name), side.shapes[name]


def _namesakes(target: Side, source: Side) -> dict[str, str]:
    """Return {target: source} of equal names: as they are, without what all begin with, or structural ones."""
    ours = [list(target.shapes), _shortened(target.shapes), [target.paths.get(t, "") for t in target.shapes]]
    theirs = [list(source.shapes), _shortened(source.shapes), [source.paths.get(s, "") for s in source.shapes]]
    best: dict[str, str] = {}
    for names in theirs:
        source_of = {name: s for name, s in zip(names, source.shapes) if name}
        for others in ours:
            same = {t: source_of[name] for name, t in zip(others, target.shapes) if name in source_of}
            if len(same) > len(best) and len(set(same.values())) == len(same):
                best = same
            if len(best) == min(len(target.shapes), len(source.shapes)):
                return best
    return best


def _shortened(names: Iterable[str]) -> list[str]:
    """Return names without the words that all of them begin with."""
    listed = list(names)
    shared = os.path.commonprefix(listed)
    ends = [match.end() for match in _SEPARATORS.finditer(shared)]
    return [name[ends[-1] if ends else 0 :] for name in listed]


def _is_transposed(shape: Shape, other: Shape) -> bool:
    return shape is not None and len(shape) == 2 and shape[0] != shape[1] and shape[::-1] == other


def _has_like_layers(layers: Iterable[NameLayer]) -> bool:
    """Return whether two layers have the same shapes."""
    count = Counter(layer.shapes for layer in layers)
    return any(number > 1 for number in count.values())
