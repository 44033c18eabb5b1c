"""Matching of two networks of which one, at least, is known by names and shapes only.

Both sides are read as sequences of layers: a graph's in the order of execution, a file's in its own order. Layers
of shapes that only one side has are set aside (another head, inserted adapters). Where what remains is not the same
number of each kind, an alignment selects the stretch that both have (`name_selection`). The names of that stretch
are then arranged, as the tree they form, along the other side's sequence (`name_readings`); only what every
arrangement agrees on, or what words tell, is bound.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple, Sequence

from .name_labels import is_near, label_layers
from .name_layers import NameLayer, is_role_told
from .name_readings import arrange_any_way
from .name_selection import select
from .name_sequence import read_sequence
from .name_sides import ReadSide, read_once
from .operators import kind_of_node
from .sides import Ambiguity, Matching, Mismatch, Shape, Side, left_over

__all__ = ["match_names", "with_ones"]

_TAKEN_TO_BE_1 = "; the target takes it to be 1"


class _Plan(NamedTuple):
    """What was found, by parameter of the side that has an order: partners, reasons, candidates, what fits badly."""

    pairs: dict[str, str]
    reasons: dict[str, str]
    options: dict[str, tuple[str, ...]]
    misfits: dict[str, str]


def match_names(target: Side, source: Side) -> Matching:
    """Return what of `source` corresponds to what of `target`, where one side has names and shapes only.

    Nothing is bound that the names and shapes leave open, and nothing at all between networks that differ in more
    than inserted layers, their ends and their heads. The matching of exchanged sides is the mirror image.

    Examples
    --------
    >>> ours = Side({"net0_dense0_weight": (8, 4), "net0_dense0_bias": (8,), "net0_dense1_weight": (2, 8)})
    >>> theirs = Side({"fc.1.weight": (2, 8), "fc.0.weight": (8, 4), "fc.0.bias": (8,)})
    >>> match_names(ours, theirs).mapping
    {'net0_dense0_weight': 'fc.0.weight', 'net0_dense0_bias': 'fc.0.bias', 'net0_dense1_weight': 'fc.1.weight'}
    """
    target, source = read_once(target), read_once(source)
    if target.graph is None and source.graph is not None:
        return _report(target, source, _mirrored(_plan(source, target)))
    plan = _plan(target, source)
    if target.graph is None:
        # No side has an order: what one way of looking at them tells, and the other does not, is not known.
        back = _mirrored(_plan(source, target))
        plan = plan._replace(pairs={name: other for name, other in plan.pairs.items() if back.pairs.get(name) == other})
    return _report(target, source, plan)


def _mirrored(plan: _Plan) -> _Plan:
    options: dict[str, list[str]] = {}
    for name, candidates in plan.options.items():
        for candidate in candidates:
            options.setdefault(candidate, []).append(name)
    return _Plan(
        {other: name for name, other in plan.pairs.items()},
        {plan.pairs[name]: reason for name, reason in plan.reasons.items()},
        {candidate: tuple(names) for candidate, names in options.items()},
        {other: name for name, other in plan.misfits.items()},
    )


def _plan(ordered: ReadSide, named: ReadSide) -> _Plan:
    """Return what corresponds, for parameters of the side whose order is known."""
    sequence = read_sequence(ordered)
    layers = named.name_layers
    plan = _Plan({}, {}, {}, {})
    if not layers or not sequence.layers or _is_opaque(layers):
        return plan
    labels = label_layers(sequence.layers, layers)
    is_listed = named.is_in_file_order
    chosen = select(sequence, layers, labels, is_listed)
    if chosen is None:
        return plan
    arrangement = arrange_any_way(sequence, layers, labels, chosen, is_listed)
    for j, i in arrangement.place.items():
        for one, other in _pair(sequence.layers[i], layers[chosen.theirs[j]]).items():
            plan.pairs[one] = other
            plan.reasons[one] = arrangement.reason[j]
    rank = {i: k for k, i in enumerate(chosen.mine)}
    options: dict[str, list[str]] = {}
    for j, places in arrangement.options.items():
        for i in sorted(places, key=rank.__getitem__):
            for one, other in _pair(sequence.layers[i], layers[chosen.theirs[j]]).items():
                options.setdefault(one, []).append(other)
    plan.options.update({one: tuple(others) for one, others in options.items()})
    plan.misfits.update(_misfits(sequence.layers, layers, plan))
    return plan


def _is_opaque(layers: Sequence[NameLayer]) -> bool:
    """Whether names say nothing: hardly any two are of one layer, or have more than one word."""
    telling = sum(len(layer.roles) > 1 or len(layer.path) > 1 or is_role_told(layer.parameters[0]) for layer in layers)
    return telling * 2 < len(layers)


def _pair(one: NameLayer, other: NameLayer) -> dict[str, str]:
    name_of_role = dict(zip(other.roles, other.parameters))
    return {name: name_of_role[role] for role, name in zip(one.roles, one.parameters) if role in name_of_role}


def _misfits(mine: Sequence[NameLayer], theirs: Sequence[NameLayer], plan: _Plan) -> dict[str, str]:
    """Return pairs of layers that are left, and differ in one axis, if they are the only two that do."""
    taken = set(plan.pairs.values()) | {other for others in plan.options.values() for other in others}
    my_rest = [
        layer for layer in mine if layer.parameters[0] not in plan.pairs and layer.parameters[0] not in plan.options
    ]
    their_rest = [layer for layer in theirs if layer.parameters[0] not in taken]
    pairs = [(one, other) for one in my_rest for other in their_rest if plan.pairs and is_near(one, other)]
    ours, theirs_too = (Counter(pair[side].parameters for pair in pairs) for side in (0, 1))
    misfits: dict[str, str] = {}
    for one, other in pairs:
        if ours[one.parameters] == 1 == theirs_too[other.parameters]:
            misfits.update(_pair(one, other))
    return misfits


def _report(target: Side, source: Side, plan: _Plan) -> Matching:
    mapping: dict[str, str] = {}
    transforms: dict[str, str] = {}
    ambiguous: dict[str, Ambiguity] = {}
    mismatched: dict[str, Mismatch] = {}
    for name in target.shapes:
        other = plan.pairs.get(name)
        if other is not None:
            mapping[name] = other
            transforms[name] = _transform(target.shapes[name], source.shapes[other])
        elif name in plan.options:
            ambiguous[name] = Ambiguity(plan.options[name], "its place among layers of its shapes is not told by names")
        elif name in plan.misfits:
            other = plan.misfits[name]
            reason = f"shape {target.shapes[name]}, source {source.shapes[other]}"
            mismatched[name] = Mismatch(other, reason)
    if "transpose" in transforms.values():
        for name in [name for name in mapping if _is_square(target.shapes[name])]:
            reason = "it is square, and others are transposed"
            ambiguous[name] = Ambiguity((mapping.pop(name),), reason)
            del transforms[name]
    known = mapping.keys() | ambiguous.keys() | mismatched.keys()
    missing = {name: "nothing corresponds" for name in target.shapes if name not in known}
    extra = left_over(source, mapping, mismatched)
    fixed = _fixed_scales(target)
    evidence = {name: plan.reasons[name] + (_TAKEN_TO_BE_1 if name in fixed else "") for name in mapping}
    return Matching(mapping, mismatched, ambiguous, missing, extra, evidence, transforms)


def with_ones(found: Matching, target: Side, source: Side) -> Matching:
    """Return a matching that gives 1 to the scales that the source's graph takes to be 1, whatever its file has."""
    ignored = _fixed_scales(source)
    if not ignored:
        return found
    fixed = _fixed_scales(target)  # whatever these are given, the target does not look at it
    ones = {t: "ones" for t, s in found.mapping.items() if s in ignored and t not in fixed}
    return replace(found, transforms={**found.transforms, **ones})


def _fixed_scales(side: Side) -> set[str]:
    """Return the scales of normalisations that a graph takes to be 1, whatever they are."""
    if side.graph is None:
        return set()
    nodes = side.graph.nodes
    return {
        nodes[node.inputs[1].node].name
        for node in nodes
        if node.op.endswith("BatchNorm") and dict(kind_of_node(node.op, node.attrs).settings).get("fix_gamma") == "1.0"
    }


def _transform(shape: Shape, other: Shape) -> str:
    if shape == other or shape is None or other is None:
        return "same"
    return "transpose" if len(shape) == len(other) else "reshape"


def _is_square(shape: Shape) -> bool:
    return shape is not None and len(shape) == 2 and shape[0] == shape[1]
