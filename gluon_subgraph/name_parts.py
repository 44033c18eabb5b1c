"""Weights that a file keeps in parts, of which a layer computes the weight: none of the parts is the weight itself.

A file has them so under weight normalisation (a direction ``weight_v`` and a length ``weight_g``; Salimans and Kingma,
2016), spectral normalisation (``weight_orig`` and ``weight_u``; Miyato et al., 2018), pruning (``weight_orig`` and
``weight_mask``), torch's parametrizations, low-rank adaptation (``lora_A`` and ``lora_B`` beside the weight; Hu et
al., 2021), quantisation (``weight_scale``), and in Bayesian layers (``weight_mu`` and ``weight_sigma``).
"""

from __future__ import annotations

import re
from math import prod
from typing import Mapping, NamedTuple

from .sides import Ambiguity, Matching, Shape, Side, left_over

__all__ = ["Parts", "without_parts", "weights_in_parts"]

_OF_VALUE = ("mu", "sigma", "rho", "std", "logvar", "log_sigma", "epsilon", "eps")  # of a weight that is drawn
_BESIDE = ("mask", "g", "scale", "scale_inv", "zero_point", "absmax", "SCB")  # of a weight kept under its own name
_PART = re.compile(
    r"(.+?)[._/](g|v|u|orig|bar|mask|G|V|U|scale|scale_inv|zero_point|absmax|SCB|" + "|".join(_OF_VALUE) + ")"
)
_BESIDE_LOWER = frozenset(end.lower() for end in _BESIDE)
_PARAMETRIZED = re.compile(r"(.*)parametrizations\.([^.]+)\.(?:original\d*|\d+\..+)")
_LOW_RANK = re.compile(r"(.+?)[._/](?:lora|ia3|hada|lokr|loha|oft|boft|vera)(?:[._/].*)?")
_ROLE = re.compile(r"(?:.*[._/])?(?:weights?|kernel|w|bias|b)", re.IGNORECASE)
_ENDS = tuple(
    sep + end for sep in "._/" for end in ("g", "v", "u", "orig", "bar", "mask", "G", "V", "U", *_BESIDE, *_OF_VALUE)
)
_TEXTS = ("parametrizations.", "lora", "ia3", "hada", "lokr", "loha", "oft", "vera")
_BASES = (".base_layer.weight", ".weight", ".kernel", "/kernel")  # of low-rank adaptation
_MOST_NAMED = 3


class Parts(NamedTuple):
    """A weight in parts: what it can be read as, the part that has its shape, and all parts."""

    weight: str
    base: str
    names: tuple[str, ...]


def without_parts(found: Matching, source: Side) -> Matching:
    """Return a matching without what is bound to one part of a weight, unless all of its parts are bound."""
    parts = {} if source.graph is not None else {one.base: one.names for one in weights_in_parts(source.shapes)}
    taken = set(found.mapping.values())
    in_parts = {
        t: parts[s]
        for t, s in found.mapping.items()
        if s in parts and (len(parts[s]) == 1 or not taken.issuperset(parts[s]))
    }
    if not in_parts:
        return found
    mapping = {t: s for t, s in found.mapping.items() if t not in in_parts}
    ambiguous = {t: Ambiguity((found.mapping[t],), _reason(names)) for t, names in in_parts.items()}
    return Matching(
        mapping,
        found.mismatched,
        {**found.ambiguous, **ambiguous},
        found.missing,
        left_over(source, mapping, found.mismatched),
        {t: found.evidence[t] for t in mapping},
        {t: found.transforms[t] for t in mapping},
    )


def _reason(names: tuple[str, ...]) -> str:
    listed = ", ".join(map(repr, names[:_MOST_NAMED]))
    return f"the source's layer computes its weight of {listed}; make it one there, or pairs= loads this part alone"


def weights_in_parts(shapes: Mapping[str, Shape]) -> list[Parts]:
    """Return the weights that are in parts.

    Examples
    --------
    >>> weights_in_parts({"fc.weight_g": (8, 1), "fc.weight_v": (8, 4), "fc.bias": (8,)})
    [Parts(weight='fc.weight', base='fc.weight_v', names=('fc.weight_g', 'fc.weight_v'))]
    """
    text = "\n".join(shapes)
    if not (any(word in text for word in _TEXTS) or any(name.endswith(_ENDS) for name in shapes)):
        return []
    ends: dict[str, dict[str, str]] = {}
    parametrized: dict[str, list[str]] = {}
    adapted: dict[str, list[str]] = {}
    for name in shapes:
        found = _PARAMETRIZED.fullmatch(name)
        if found is not None:
            parametrized.setdefault(found.group(1) + found.group(2), []).append(name)
            continue
        found = _LOW_RANK.fullmatch(name)
        if found is not None:
            adapted.setdefault(found.group(1), []).append(name)
            continue
        found = _PART.fullmatch(name)
        if found is not None:
            ends.setdefault(found.group(1), {})[found.group(2).lower()] = name
    result = []
    for weight, names in parametrized.items():
        raw = [name for name in names if name.rpartition(".")[2].startswith("original")] or names
        result.append(Parts(weight, _largest(raw, shapes), tuple(names)))
    for stem, names in adapted.items():
        base = next((stem + end for end in _BASES if stem + end in shapes), None)
        if base is not None:
            result.append(Parts(base, base, (base, *names)))
    for stem, name_of_end in ends.items():
        parts = _parts_of_stem(stem, name_of_end, shapes)
        result += [] if parts is None else [parts]
    return result


def _parts_of_stem(stem: str, name_of_end: Mapping[str, str], shapes: Mapping[str, Shape]) -> Parts | None:
    """Return a weight whose parts are called by its name and something behind it."""
    names = list(name_of_end.values())
    is_role = _ROLE.fullmatch(stem) is not None
    if is_role and stem in shapes and not name_of_end.keys().isdisjoint(_BESIDE_LOWER):
        return Parts(stem, stem, (stem, *names))
    if is_role and "mu" in name_of_end and len(name_of_end.keys() & set(_OF_VALUE)) > 1:
        return Parts(stem, name_of_end["mu"], tuple(names))
    if _is_one_weight({end: shapes[name] for end, name in name_of_end.items()}):
        raw = name_of_end.get("orig") or name_of_end.get("bar") or _largest(names, shapes)
        return Parts(stem, raw, tuple(names))
    return None


def _largest(names: list[str], shapes: Mapping[str, Shape]) -> str:
    return max(names, key=lambda name: prod(shapes[name] or (0,)))


def _is_one_weight(shape_of_end: Mapping[str, Shape]) -> bool:
    """Whether names that end so are the parts of one weight: a length for each output, or a raw one and another."""
    length, direction = shape_of_end.get("g"), shape_of_end.get("v")
    if length is not None and direction is not None and len(direction) > 1:
        return prod(length) in (direction[0], direction[-1], 1)
    return bool(shape_of_end.keys() & {"orig", "bar"}) and len(shape_of_end) > 1
