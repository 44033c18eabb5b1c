"""Which source parameter is which target parameter: the layers are matched, then their slots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Collection, Mapping, Sequence

import networkx as nx

from .deferred import known_sizes
from .equal_names import match_of_equals, with_equal_names
from .graph_matching import LayerMatching, match_layers
from .layers import Layer, differing_settings, read_form
from .name_doubts import without_doubtful
from .name_groups import with_whole_groups
from .name_matching import match_names, with_ones
from .name_parts import without_parts
from .name_sides import ReadSide, read_once
from .sides import Ambiguity, Matching, Mismatch, Side, is_known, left_over
from .unread import with_unread

__all__ = ["left_out", "match"]

_MOST_CANDIDATES = 10


def match(target: Side, source: Side, *, pairs: Mapping[str, str] | None = None) -> Matching:
    """Return what is known of every parameter of the target.

    Parameters
    ----------
    target, source : Side
    pairs : mapping of str to str, default None
        {target: source} that the user has settled; they are taken as they are.

    Notes
    -----
    Where both graphs are known, structure decides (`graph_matching`); where one side has names only, the names' own
    tree, shapes and order do (`name_matching`). What the user has settled counts as known there.
    """
    known = dict(pairs or {})
    target, source = read_once(_completed(target, source)), read_once(_completed(source, target))
    equals = match_of_equals(target, source)
    if equals is not None:
        found = equals
    elif target.graph is not None and source.graph is not None:
        found = with_unread(_match_graphs(target, source, known), target, source)
    else:
        found = without_doubtful(match_names(target, source), target, source)
        found = with_whole_groups(with_equal_names(found, target, source), target, source)
        found = without_parts(with_ones(found, target, source), source)
    return _settled(found, source, known) if known else found


def left_out(found: Matching, source: Side, skip: Collection[str]) -> Matching:
    """Return a matching without the target parameters in `skip`; what only they had of the source is extra then."""
    left = set(skip)

    def rest(part: Mapping[str, Any]) -> dict[str, Any]:
        return {t: value for t, value in part.items() if t not in left}

    mapping, mismatched = rest(found.mapping), rest(found.mismatched)
    return Matching(
        mapping,
        mismatched,
        rest(found.ambiguous),
        rest(found.missing),
        left_over(source, mapping, mismatched),
        rest(found.evidence),
        rest(found.transforms),
    )


def _completed(side: Side, other: Side) -> Side:
    """Return a side with the sizes that it does not know before its first forward pass, as far as they can be told."""
    if all(map(is_known, set(side.shapes.values()))):
        return side
    form = None if side.graph is None else read_form(side.graph, side.shapes)
    return replace(side, shapes={**side.shapes, **known_sizes(side.shapes, form, other.shapes)})


def _match_graphs(target: ReadSide, source: ReadSide, known: Mapping[str, str]) -> Matching:
    found = match_layers(target.form, source.form, known)
    votes = _Votes()
    for one, other, why in found.pairs:
        votes.add_layer(one, other, why)
    for one, other in found.replaced:
        votes.add_replaced(one, other)
    return votes.matching(target, source, found)


class _Votes:
    """What the pairs of layers say about each target parameter; a tied parameter is in several layers."""

    def __init__(self) -> None:
        self.sources: dict[str, dict[str, str]] = {}  # target -> {source: transform}
        self.evidence: dict[str, str] = {}
        self.mismatched: dict[str, Mismatch] = {}

    def add_layer(self, target: Layer, source: Layer, why: str) -> None:
        """Note the slots of a pair of layers."""
        is_same = target.attrs == source.attrs
        differing = [] if is_same else differing_settings(target, source)
        evidence = why if is_same else why + _note(target, source)
        for t, s, role, shape1, shape2 in zip(
            target.parameters, source.parameters, target.roles, target.shapes, source.shapes
        ):
            if differing:
                text = "; ".join(f"{key} {one}, source {other}" for key, one, other in differing)
                self.mismatched.setdefault(t, Mismatch(s, text))
                continue
            transform = "same" if shape1 is None or shape2 is None or len(shape1) == len(shape2) else "reshape"
            if not is_same and role == "gamma" and target.kind == "BatchNorm":
                fixed = [dict(layer.attrs).get("fix_gamma") == "1.0" for layer in (target, source)]
                if fixed == [True, False]:
                    reason = "the target has fix_gamma=True and computes with 1, the source with this"
                    self.mismatched.setdefault(t, Mismatch(s, reason))
                    continue
                transform = "ones" if fixed == [False, True] else transform
            self.sources.setdefault(t, {}).setdefault(s, transform)
            self.evidence.setdefault(t, evidence)

    def add_replaced(self, target: Layer, source: Layer) -> None:
        """Note layers of other shapes at one place."""
        for t, s, shape, other in zip(target.parameters, source.parameters, target.shapes, source.shapes):
            if t not in self.sources:
                self.mismatched.setdefault(t, Mismatch(s, f"shape {shape}, source {other}"))

    def matching(self, target: Side, source: Side, found: LayerMatching) -> Matching:
        """Return the matching of the parameters."""
        undecided = {
            t: Ambiguity(_candidates(layer, layers, slot), f"{len(layers)} layers of the source are like this one")
            for layer, layers in found.open
            for slot, t in enumerate(layer.parameters)
        }
        objection = f"the networks differ: {found.objection}" if found.objection else ""
        mapping: dict[str, str] = {}
        transforms: dict[str, str] = {}
        ambiguous: dict[str, Ambiguity] = {}
        missing: dict[str, str] = {}
        mismatched = {t: m for t, m in self.mismatched.items() if t not in self.sources}
        contested = self._contested()
        for t in target.shapes:
            sources = self.sources.get(t, {})
            if len(sources) == 1 and t not in contested:
                mapping[t], transforms[t] = next(iter(sources.items()))
            elif sources:
                reason = "its layers are tied, those they match are not"
                ambiguous[t] = Ambiguity(tuple(sources), reason)
            elif t in mismatched:
                continue
            elif t in undecided:
                ambiguous[t] = undecided[t]
            else:
                missing[t] = objection or "no layer of the source is at this place"
        return Matching(
            mapping,
            mismatched,
            ambiguous,
            missing,
            left_over(source, mapping, mismatched),
            {t: self.evidence[t] for t in mapping},
            transforms,
        )

    def _contested(self) -> set[str]:
        """Return the targets that have several sources, and those that share a source with one of them, and so on."""
        odd = {("target", t) for t, sources in self.sources.items() if len(sources) > 1}
        if not odd:
            return set()
        shared = nx.Graph()
        shared.add_edges_from((("target", t), ("source", s)) for t, sources in self.sources.items() for s in sources)
        pieces = (piece for piece in nx.connected_components(shared) if not odd.isdisjoint(piece))
        return {name for piece in pieces for side, name in piece if side == "target"}


def _note(target: Layer, source: Layer) -> str:
    """Return what a user should know of two layers that are the same but for a setting of the target's own."""
    eps = [dict(layer.attrs).get("eps") for layer in (target, source)]
    return f"; eps {eps[0]}, source {eps[1]}" if eps[0] != eps[1] else ""


def _candidates(layer: Layer, layers: Sequence[Layer], slot: int) -> tuple[str, ...]:
    found = [other.parameters[slot] for other in layers if len(other.parameters) == len(layer.parameters)]
    return tuple(dict.fromkeys(found))[:_MOST_CANDIDATES]


def _settled(found: Matching, source: Side, known: Mapping[str, str]) -> Matching:
    """Return the matching with what the user has settled."""
    used = set(known.values())
    mapping = {t: s for t, s in found.mapping.items() if t not in known and s not in used}
    taken = {t: s for t, s in found.mapping.items() if t not in known and s in used}
    ambiguous = {t: a for t, a in found.ambiguous.items() if t not in known}
    ambiguous.update({t: Ambiguity((s,), "pairs= gives what it matches to another") for t, s in taken.items()})
    mismatched = {t: m for t, m in found.mismatched.items() if t not in known}
    mapping.update(known)
    evidence = {**found.evidence, **dict.fromkeys(known, "pairs=")}
    kept = {t: found.transforms[t] for t, s in known.items() if found.mapping.get(t) == s}
    transforms = {**found.transforms, **dict.fromkeys(known, "same"), **kept}
    return Matching(
        mapping,
        mismatched,
        ambiguous,
        {t: reason for t, reason in found.missing.items() if t not in known},
        left_over(source, mapping, mismatched),
        {t: evidence[t] for t in mapping},
        {t: transforms[t] for t in mapping},
    )
