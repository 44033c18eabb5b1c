"""What a plan may leave over: everything else is gathered in one error, with what to type."""

from __future__ import annotations

from typing import NamedTuple

from .binding_report import Binding, shape_shown
from .errors import BindingError, shorten

__all__ = ["Allowed", "refuse_incomplete", "other_dtypes"]

_MOST_SHOWN = 3
# What the matcher says of what pairs= would load as it is, though it has to be changed, and what to do there.
_TO_CHANGE = {
    "it is square": "transpose {!r} in the source, where pairs= would load it as it is",
    "parts of the source fit": "give as source the part alone that {!r} is in, or another",
    "the source's layer computes": "make one weight of {!r} and its other parts in the source",
}


class Allowed(NamedTuple):
    """What `bind_params` may leave over, or convert."""

    missing: bool
    extra: bool
    mismatched: bool
    dtype: bool


class _Flaw(NamedTuple):
    title: str
    lines: list[str]
    way: str  # what to type


def refuse_incomplete(plan: Binding, allowed: Allowed) -> None:
    """Refuse a plan that leaves something over which is not allowed; the message gathers all of it.

    Raises
    ------
    BindingError
        Something is missing, ambiguous, mismatched, extra, or of another dtype.
    """
    found = [
        None if allowed.missing else _missing(plan),
        None if allowed.missing else _ambiguous(plan),
        None if allowed.mismatched else _mismatched(plan),
        None if allowed.extra else _extra(plan),
        None if allowed.dtype else _of_other_dtype(plan),
    ]
    flaws = [flaw for flaw in found if flaw is not None and flaw.lines]
    if not flaws:
        return
    counts = ", ".join(f"{len(flaw.lines)} {flaw.title}" for flaw in flaws)
    listed = [f"  {flaw.title}: {line}" for flaw in flaws for line in _first(flaw.lines)]
    listed += [f"  note: {note}" for note in plan.notes]
    ways = "; ".join(flaw.way for flaw in flaws)
    count = len(plan._target.side.shapes)
    msg = "\n".join(
        [
            f"source {plan._source.title} does not fit target {plan._target.title} of {count} parameters: {counts}.",
            *listed,
            f"  To go on: {ways}; nothing was loaded.",
        ]
    )
    raise BindingError(msg)


def _missing(plan: Binding) -> _Flaw:
    lines = [f"target {name!r} {shape_shown(plan._target, name)}: {reason}" for name, reason in plan.missing.items()]
    choice = f"pairs={{{next(iter(plan.missing), '')!r}: source name}} decides"
    return _Flaw("missing", lines, f"allow_missing=True loads the others, {choice}")


def _ambiguous(plan: Binding) -> _Flaw:
    lines = [f"target {t!r} may be {shorten(a.candidates)}: {a.reason}" for t, a in plan.ambiguous.items()]
    changes: dict[str, str] = {}
    choices = []
    for target, (candidates, reason) in plan.ambiguous.items():
        change = next((text for start, text in _TO_CHANGE.items() if reason.startswith(start) and candidates), None)
        if change is None:
            choices.append(f"{target!r}: {candidates[0]!r}" if candidates else "target: source")
        else:
            changes.setdefault(change, candidates[0])
    ways = [f"decide with pairs={{{choices[0]}}}"] if choices else []
    ways += [change.format(name) for change, name in changes.items()]
    return _Flaw("ambiguous", lines, "; ".join(ways))


def _mismatched(plan: Binding) -> _Flaw:
    lines = [
        f"target {t!r} {shape_shown(plan._target, t)} <- source {m.source!r} {shape_shown(plan._source, m.source)}:"
        f" {m.reason}"
        for t, m in plan.mismatched.items()
    ]
    return _Flaw(
        "mismatched", lines, f"skip={list(plan.mismatched)[:1]} or on_shape_mismatch='skip' leaves it as it is"
    )


def _extra(plan: Binding) -> _Flaw:
    lines = [f"source {name!r} {shape_shown(plan._source, name)}" for name in plan.extra]
    return _Flaw("extra", lines, "ignore_extra=True does not mind what is left of the source")


def other_dtypes(plan: Binding) -> dict[str, tuple[str, str]]:
    """Return the dtype of each target that is to be bound and of its source, where the two differ."""
    wanted, given = plan._target.dtypes, plan._source.dtypes
    differing = {}
    for name, source in _moved(plan).items():
        own, other = wanted[name], given.get(source)
        if own and other and own != other:
            differing[name] = (own, other)
    return differing


def _moved(plan: Binding) -> dict[str, str]:
    moved = {t: s for t, s in plan.mapping.items() if plan.transforms.get(t) != "ones"}
    moved.update((t, plan.mismatched[t].source) for t in plan.overlapped)
    return moved


def _of_other_dtype(plan: Binding) -> _Flaw:
    moved = _moved(plan)
    lines = [f"target {t!r} {own} <- source {moved[t]!r} {other}" for t, (own, other) in other_dtypes(plan).items()]
    return _Flaw("of another dtype", lines, "cast_dtype=True converts")


def _first(lines: list[str]) -> list[str]:
    rest = len(lines) - _MOST_SHOWN
    return [*lines[:_MOST_SHOWN], f"and {rest} more"] if rest > 0 else lines
