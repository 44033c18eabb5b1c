"""From two sides to a Binding: the names a user gives, and the matcher's answer."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from math import prod
from typing import Any, Collection, Mapping, Sequence

from .binding_report import Binding
from .errors import BindingError, kind_of, nearest_names, shorten
from .matching import left_out, match
from .params_file import FILE_PREFIXES
from .sides import Matching, Mismatch, Shape, Side, may_be_same
from .sources import Weights

__all__ = ["plan_of"]

_MOST_SHOWN = 3


def plan_of(target: Weights, source: Weights, pairs: Any, skip: Any, *, is_strict: bool = True) -> Binding:
    """Return the plan for two sides.

    Parameters
    ----------
    target, source : Weights
    pairs : mapping of str to str, or None
        {target: source} that the user has settled, in any of the names of a parameter.
    skip : str or collection of str
        Target parameters to leave as they are: names or globs.
    is_strict : bool, default True
        Refuse a pair that cannot fit; it is a mismatch otherwise.

    Raises
    ------
    BindingError
        `pairs` is no mapping, or `skip` no list of names; either names what is not there, or both the same; `pairs`
        gives one target two sources, or pairs shapes that cannot fit.
    """
    chosen = _checked_pairs(pairs, target, source)
    skipped = _checked_skip(skip, target)
    both = [name for name in chosen if name in skipped]
    if both:
        msg = f"{shorten(both)} is in both pairs and skip.\n  Leave it out of one; nothing was loaded."
        raise BindingError(msg)
    fitting = _transforms_of(chosen, target.side, source.side)
    if is_strict:
        _check_fit(chosen, fitting, target.side, source.side)
    found = _without_skipped(match(target.side, source.side, pairs=chosen), source.side, skipped)
    return _binding_of(found, chosen, fitting, skipped, target, source)


def _checked_pairs(pairs: Any, target: Weights, source: Weights) -> dict[str, str]:
    """Return `pairs` in the names of the two sides."""
    if not isinstance(pairs, (Mapping, type(None))):
        msg = (
            f"pairs={pairs!r} is a {kind_of(pairs)}, no mapping.\n"
            "  Give {target name: source name}; nothing was loaded."
        )
        raise BindingError(msg)
    given = dict(pairs or {})
    odd = [name for item in given.items() for name in item if not isinstance(name, str)]
    if odd:
        msg = f"pairs names {odd[0]!r}, which is no name.\n  Give {{target name: source name}}; nothing was loaded."
        raise BindingError(msg)
    known = (_known_names(target.side), _known_names(source.side))
    _refuse_unknown([name for name in given if name not in known[0]], "pairs", "target", target)
    _refuse_unknown([name for name in given.values() if name not in known[1]], "pairs", "source", source)
    chosen: dict[str, str] = {}
    for name, other in given.items():
        if chosen.setdefault(known[0][name], known[1][other]) != known[1][other]:
            msg = (
                f"pairs gives {known[0][name]!r} two sources: {chosen[known[0][name]]!r} and {known[1][other]!r}.\n"
                "  Leave out the one that is not meant; nothing was loaded."
            )
            raise BindingError(msg)
    return chosen


def _known_names(side: Side) -> dict[Any, str]:
    """Return the name of each parameter by all it may be called: with a file's prefix, and structurally."""
    known: dict[Any, str] = {path: name for name, path in side.paths.items() if name in side.shapes}
    known.update((prefix + name, name) for prefix in FILE_PREFIXES for name in side.shapes)
    known.update((name, name) for name in side.shapes)
    return known


def _checked_skip(skip: Any, target: Weights) -> tuple[str, ...]:
    """Return the target parameters that the names and globs in `skip` mean, in the target's order."""
    given = [skip] if isinstance(skip, str) else skip
    if given is None or isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        msg = (
            f"skip={skip!r} is no list of names.\n  Give target names or globs: skip=['*dense1*']; nothing was loaded."
        )
        raise BindingError(msg)
    patterns = list(given)
    known = _known_names(target.side)
    meant = {p: [known[p]] if p in known else _matching(p, known) for p in dict.fromkeys(patterns)}
    _refuse_unknown([pattern for pattern, names in meant.items() if not names], "skip", "target", target)
    skipped = {name for names in meant.values() for name in names}
    return tuple(name for name in target.side.shapes if name in skipped)


def _matching(pattern: Any, known: Mapping[Any, str]) -> list[str]:
    if not isinstance(pattern, str):
        return []
    return [name for called, name in known.items() if fnmatch.fnmatchcase(called, pattern)]


def _refuse_unknown(unknown: Sequence[Any], option: str, role: str, weights: Weights) -> None:
    if not unknown:
        return
    names = list(weights.side.shapes)
    nearest = nearest_names(str(unknown[0]), [*names, *weights.side.paths.values()]) or names
    others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    globs = " A glob matches the whole name; '*...*' matches anywhere." if option == "skip" else ""
    msg = (
        f"{option} names {unknown[0]!r}{others}, which is none of the {len(names)} parameters of {role}"
        f" {weights.title}.\n"
        f"  Nearest: {shorten(nearest)}.{globs}\n"
        "  print(match_params(target, source)) shows the names; nothing was loaded."
    )
    raise BindingError(msg)


def _transform_between(target: Shape, source: Shape) -> str | None:
    """Return how a value of shape `source` becomes one of shape `target`, None where it cannot.

    Reshaping keeps the first axis, or only adds or drops axes of one: anything else would mix the units of a layer.

    Examples
    --------
    >>> _transform_between((2, 3), (3, 2)), _transform_between((2, 12), (2, 3, 2, 2)), _transform_between((4, 6), (24,))
    ('transpose', 'reshape', None)
    """
    if target is None or source is None or may_be_same(target, source):
        return "same"
    if 0 in target or 0 in source or prod(target) != prod(source):
        return None
    if len(target) == 2 and tuple(target) == tuple(source)[::-1]:
        return "transpose"
    is_same_squeezed = [size for size in target if size > 1] == [size for size in source if size > 1]
    return "reshape" if is_same_squeezed or target[:1] == source[:1] else None


def _transforms_of(pairs: Mapping[str, str], target: Side, source: Side) -> dict[str, str]:
    """Return how the source of each pair becomes its target, without the pairs that cannot fit."""
    found = {t: _transform_between(target.shapes[t], source.shapes[s]) for t, s in pairs.items()}
    return {t: transform for t, transform in found.items() if transform is not None}


def _check_fit(pairs: Mapping[str, str], fitting: Collection[str], target: Side, source: Side) -> None:
    unfit = {t: s for t, s in pairs.items() if t not in fitting}
    if not unfit:
        return
    lines = [f"  target {t!r} {target.shapes[t]} <- source {s!r} {source.shapes[s]}" for t, s in unfit.items()]
    rest = len(lines) - _MOST_SHOWN
    msg = "\n".join(
        [
            f"{len(unfit)} of {len(pairs)} pairs cannot fit.",
            *lines[:_MOST_SHOWN],
            *([f"  and {rest} more"] if rest > 0 else []),
            "  Leave it out of pairs, or call bind_params with on_shape_mismatch='overlap'; nothing was loaded.",
        ]
    )
    raise BindingError(msg)


def _without_skipped(found: Matching, source: Side, skipped: Sequence[str]) -> Matching:
    """Return the matching without what is left out on purpose; what in the source may belong to it is not extra."""
    counterparts = {c for name in skipped if name in found.ambiguous for c in found.ambiguous[name].candidates}
    extra = tuple(name for name in found.extra if name not in counterparts)
    return replace(left_out(found, source, skipped), extra=extra)


def _binding_of(
    found: Matching,
    pairs: Mapping[str, str],
    fitting: Mapping[str, str],
    skipped: tuple[str, ...],
    target: Weights,
    source: Weights,
) -> Binding:
    """Return the Binding of the matcher's answer, in the target's order; pairs that do not fit are mismatched."""

    def in_order(part: Mapping[str, Any]) -> dict[str, Any]:
        return {name: part[name] for name in target.side.shapes if name in part}

    unfit = {name: other for name, other in pairs.items() if name not in fitting}
    mapping = in_order({name: other for name, other in found.mapping.items() if name not in unfit})
    mismatched = {**found.mismatched, **{name: Mismatch(other, "given in pairs") for name, other in unfit.items()}}
    transforms = {name: found.transforms[name] for name in mapping}
    for name in pairs.keys() & mapping.keys():
        if transforms[name] != "ones":
            transforms[name] = fitting[name]
    return Binding(
        mapping=mapping,
        missing=in_order(found.missing),
        extra=found.extra,
        mismatched=in_order(mismatched),
        ambiguous={name: why for name, why in in_order(found.ambiguous).items() if name not in mismatched},
        evidence={name: found.evidence[name] for name in mapping},
        transforms=transforms,
        skipped=skipped,
        notes=tuple(f"{w.title} by names alone: {w.note}" for w in (target, source) if w.note),
        _target=target,
        _source=source,
    )
