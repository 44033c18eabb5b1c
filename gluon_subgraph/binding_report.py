"""Binding: which value of a source goes to which parameter of a target, why, and what is left over; and its table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Sequence

from .sides import Ambiguity, Mismatch
from .tables import Table, shape_or_unknown

__all__ = ["Binding", "shape_shown"]

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
        rows = [[t, s, _bound_text(self, t, s), self.evidence.get(t, "")] for t, s in list(self.mapping.items())[:most]]
        below = [_more(len(self.mapping) - len(rows))] if len(rows) < len(self.mapping) else []
        for title, items in _parts_not_bound(self).items():
            below.append(f"{title}: {len(items)}")
            below += [f"  {item}" for item in items[:most]]
            if most is not None and len(items) > most:
                below.append(f"  {_more(len(items) - most)}")
        below += [*(f"note: {note}" for note in self.notes), _verdict(self)]
        return Table(["target", "source", "shape", "evidence"], rows, below=below)


def _parts_not_bound(binding: Binding) -> dict[str, Sequence[str]]:
    """Return a line for each parameter that is not bound, under the title of its part."""
    mismatched = [
        f"{t} {shape_shown(binding._target, t)} <- {m.source} {shape_shown(binding._source, m.source)}: {m.reason}"
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


def shape_shown(weights: Any, name: str) -> str:
    """Return the shape of a parameter of one side as text, also where it is not known."""
    shape = None if weights is None else weights.side.shapes.get(name)
    return shape_or_unknown(shape, is_np=_may_be_empty(weights))


def _may_be_empty(weights: Any) -> bool:
    """Return whether a size of 0 is that of an empty array: in NumPy mode, and of arrays without a graph."""
    return weights is not None and (
        weights.is_np or (weights.kind in ("arrays", "file") and weights.side.graph is None)
    )


def _bound_text(binding: Binding, target: str, source: str) -> str:
    """Return the shape of a bound parameter, and of the source's where they are not the same."""
    weights, name = binding._target, target
    own, other = (
        None if side is None else side.side.shapes.get(n) for side, n in ((weights, target), (binding._source, source))
    )
    if own is None or 0 in own:
        weights, name, own = binding._source, source, other
    text = "" if own is None else shape_shown(weights, name)
    transform = binding.transforms.get(target, "same")
    if transform == "same":
        return text
    rest = f" from {shape_shown(binding._source, source)}" if other and other != own else ""
    return f"{text} {_DONE_OF_TRANSFORM.get(transform, transform)}{rest}"
