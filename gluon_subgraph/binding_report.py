"""Binding: which value of a source goes to which parameter of a target, why, and what is left over; and its table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from .sides import Ambiguity, Mismatch, Shape
from .tables import Table

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
        return str(self.table())

    def __repr__(self) -> str:
        return str(self.table(_MOST_ROWS))

    def _repr_html_(self) -> str:
        return self.table().html()

    def table(self, most: int | None = None) -> Table:
        """Return what is bound as a table, the rest and the verdict below; `most` rows of each part, or all."""
        targets, sources = (_shapes_of(weights) for weights in (self._target, self._source))
        rows = [
            [
                t,
                s,
                _shape_text(targets.get(t), sources.get(s), self.transforms.get(t, "same")),
                self.evidence.get(t, ""),
            ]
            for t, s in list(self.mapping.items())[:most]
        ]
        below = [_more(len(self.mapping) - len(rows))] if len(rows) < len(self.mapping) else []
        for title, items in _parts_not_bound(self, targets, sources).items():
            below.append(f"{title}: {len(items)}")
            below += [f"  {item}" for item in items[:most]]
            if most is not None and len(items) > most:
                below.append(f"  {_more(len(items) - most)}")
        below += [*(f"note: {note}" for note in self.notes), _verdict(self)]
        return Table(["target", "source", "shape", "evidence"], rows, below=below)


def _parts_not_bound(
    binding: Binding, targets: Mapping[str, Shape], sources: Mapping[str, Shape]
) -> dict[str, Sequence[str]]:
    """Return a line for each parameter that is not bound, under the title of its part."""
    mismatched = [
        f"{t} {known_shape(targets.get(t))} <- {m.source} {known_shape(sources.get(m.source))}: {m.reason}"
        + (f"; the leading {binding.overlapped[t]} was copied" if t in binding.overlapped else "")
        for t, m in binding.mismatched.items()
    ]
    parts: dict[str, Sequence[str]] = {
        "missing": [f"{t}: {reason}" for t, reason in binding.missing.items()],
        "extra": binding.extra,
        "mismatched": mismatched,
        "ambiguous": [f"{t}: {' or '.join(a.candidates)}: {a.reason}" for t, a in binding.ambiguous.items()],
    }
    return {**parts, "skipped": binding.skipped} if binding.skipped else parts


def _verdict(binding: Binding) -> str:
    left = (binding.missing, binding.mismatched, binding.ambiguous, binding.skipped)
    bound = len(binding.mapping)
    counted = f"{bound} of {bound + sum(len(part) for part in left)} parameters"
    return f"The network is {'' if binding.is_complete else 'not '}completely bound: {counted}."


def _more(count: int) -> str:
    return f"... and {count} more; print(binding) shows them"


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
