"""Binding: which value of a source goes to which parameter of a target, why, and what is left over; and its table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from .show import format_table
from .sides import Ambiguity, Mismatch, Shape

__all__ = ["Binding", "known_shape"]

_MOST_ROWS = 30
_DONE_OF_TRANSFORM = {"transpose": "transposed", "reshape": "reshaped", "ones": "set to ones"}


@dataclass(frozen=True)
class Binding:
    """The plan of `match_params`, and what `bind_params` did: each target parameter is in exactly one of its parts.

    ``print(binding)`` shows all of it; its repr, as in an interactive session, the first rows of long parts.

    Attributes
    ----------
    mapping : dict of str to str
        {target: source} of what is bound. Reads the same as ``pairs=``.
    missing : dict of str to str
        {target: reason} of parameters that nothing in the source corresponds to.
    extra : tuple of str
        Parameters of the source that no target corresponds to. Step counters, such as torch's
        ``num_batches_tracked``, are no parameters and never listed.
    mismatched : dict of str to Mismatch
        {target: (source, reason)} of parameters that correspond but do not fit.
    ambiguous : dict of str to Ambiguity
        {target: (candidates, reason)} of parameters that may correspond to several.
    evidence : dict of str to str
        {target: why}, for `mapping`.
    transforms : dict of str to str
        {target: what is done to the value}, for `mapping`: ``"same"``, ``"transpose"``, ``"reshape"`` or ``"ones"``
        (a scale that the source's network ignores and takes to be 1).
    skipped : tuple of str
        Target parameters that ``skip=`` left out.
    overlapped : dict of str to tuple of int
        {target: shape} of the leading block copied into a mismatched parameter, where `bind_params` was asked to.
    notes : tuple of str
        What limits the plan, such as a network that cannot be traced.
    """

    mapping: dict[str, str]
    missing: dict[str, str]
    extra: tuple[str, ...]
    mismatched: dict[str, Mismatch]
    ambiguous: dict[str, Ambiguity]
    evidence: dict[str, str]
    transforms: dict[str, str]
    skipped: tuple[str, ...] = ()
    overlapped: dict[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    # What it was planned for and where the values are: `sources.Weights`.
    _target: Any = field(default=None, repr=False, compare=False)
    _source: Any = field(default=None, repr=False, compare=False)

    @property
    def is_complete(self) -> bool:
        """Whether every parameter of the target is bound."""
        return not (self.missing or self.mismatched or self.ambiguous or self.skipped)

    def __str__(self) -> str:
        return "\n".join(_lines(self, None))

    def __repr__(self) -> str:
        return "\n".join(_lines(self, _MOST_ROWS))


def _lines(binding: Binding, most: int | None) -> list[str]:
    """Return the table, what is not in it, and whether the target is completely bound."""
    targets, sources = (_shapes_of(weights) for weights in (binding._target, binding._source))
    shapes = {
        t: _shape_text(targets.get(t), sources.get(s), binding.transforms.get(t, "same"))
        for t, s in binding.mapping.items()
    }
    rows = [[t, s, shapes[t], binding.evidence.get(t, "")] for t, s in binding.mapping.items()]
    head, *table = format_table(["target", "source", "shape", "evidence"], rows)
    missing = [f"{t}: {reason}" for t, reason in binding.missing.items()]
    mismatched = [
        f"{t} {known_shape(targets.get(t))} <- {m.source} {known_shape(sources.get(m.source))}: {m.reason}"
        + (f"; the leading {binding.overlapped[t]} was copied" if t in binding.overlapped else "")
        for t, m in binding.mismatched.items()
    ]
    ambiguous = [f"{t}: {' or '.join(a.candidates)}: {a.reason}" for t, a in binding.ambiguous.items()]
    lines = [head, *_first(table, most)]
    parts = {"missing": missing, "extra": binding.extra, "mismatched": mismatched, "ambiguous": ambiguous}
    if binding.skipped:
        parts["skipped"] = binding.skipped
    for title, items in parts.items():
        lines.append(f"{title}: {len(items)}")
        lines += [f"  {item}" for item in _first(list(items), most)]
    lines += [f"note: {note}" for note in binding.notes]
    return [*lines, _verdict(binding)]


def _verdict(binding: Binding) -> str:
    left = (binding.missing, binding.mismatched, binding.ambiguous, binding.skipped)
    bound = len(binding.mapping)
    counted = f"{bound} of {bound + sum(len(part) for part in left)} parameters"
    return f"The network is {'' if binding.is_complete else 'not '}completely bound: {counted}."


def _first(lines: list[str], most: int | None) -> list[str]:
    if most is None or len(lines) <= most:
        return lines
    return [*lines[:most], f"... and {len(lines) - most} more; print(binding) shows them"]


def _shapes_of(weights: Any) -> Mapping[str, Shape]:
    return {} if weights is None else weights.side.shapes


def known_shape(shape: Shape) -> str:
    """Return a shape as text, also where it is not known."""
    return "of unknown shape" if shape is None else str(tuple(shape))


def _shape_text(target: Shape, source: Shape, transform: str) -> str:
    """Return the shape of a bound parameter, and of the source's where they are not the same."""
    shape = source if target is None or 0 in target else target
    text = "" if shape is None else str(tuple(shape))
    if transform == "same":
        return text
    return f"{text} {_DONE_OF_TRANSFORM.get(transform, transform)}" + (
        f" from {tuple(source)}" if source and source != shape else ""
    )
