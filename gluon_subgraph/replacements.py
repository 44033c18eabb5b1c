"""Layers at the place of others: of one kind, between the same paired layers, but of other shapes."""

from __future__ import annotations

from typing import Mapping, Sequence

from .layers import Form, Layer

__all__ = ["replaced_layers"]


def replaced_layers(target: Form, source: Form, pairs: Sequence[tuple[Layer, Layer]]) -> list[tuple[Layer, Layer]]:
    """Return the layers of the target that have exactly one counterpart in kind and place, such as another head.

    O(nodes + edges) time.
    """
    numbers = [{layers[side].node: k for k, layers in enumerate(pairs)} for side in (0, 1)]
    ours, theirs = (_by_place(form, number) for form, number in zip((target, source), numbers))
    return [
        (layers[0], theirs[place][0])
        for place, layers in ours.items()
        if len(layers) == 1 and len(theirs.get(place, ())) == 1 and layers[0].shapes != theirs[place][0].shapes
    ]


def _by_place(form: Form, number: Mapping[int, int]) -> dict[tuple[object, ...], list[Layer]]:
    """Return the unpaired layers by kind, roles and the last paired layer before and the first after them."""
    steps = form.steps
    pair = [-1 if step.layer is None else number.get(step.layer.node, -1) for step in steps]
    before = [-1] * len(steps)  # as numbers of steps
    for n, step in enumerate(steps):
        before[n] = max([i if pair[i] >= 0 else before[i] for i in step.inputs], default=-1)
    after = [len(steps)] * len(steps)
    for n in reversed(range(len(steps))):
        for i in steps[n].inputs:
            after[i] = min(after[i], n if pair[n] >= 0 else after[n])
    found: dict[tuple[object, ...], list[Layer]] = {}
    for n, step in enumerate(steps):
        if step.layer is not None and pair[n] < 0 and before[n] >= 0:
            end = pair[after[n]] if after[n] < len(steps) else -1
            place = (step.layer.kind, step.layer.roles, pair[before[n]], end)
            found.setdefault(place, []).append(step.layer)
    return found
