"""Running both networks of a pair, and finding the truth by what flows through them.

The source is run on random values and every layer's input and output is remembered. Then the target is run node by
node: a layer takes the parameters of a source layer that met the same input, has the same shapes and gives the same
output. Names are never read, and the target's output has to be the source's in the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import graphs
import mxnet as mx
import numpy as np
from graphs import Side
from running import Layer, Run, entering_of, run_node
from values import fingerprint, same

STEPS_AT_MOST = 6_000  # nodes run while looking for one truth, wrong turns included


@dataclass
class Truth:
    """Target name to source name, other right answers, and targets whose shape differs from the source's."""

    pairs: dict[str, str] = field(default_factory=dict)
    accept: dict[str, list[str]] = field(default_factory=dict)
    reshape: list[str] = field(default_factory=list)


class Search:
    """The target's run: which source layer each of its layers is, with a way back from wrong turns."""

    def __init__(self, target: Side, source: Run) -> None:
        self.target, self.source = target, source
        self.nodes, self.heads = graphs.nodes_of(target.symbol)
        self.shapes = target.shape_of()
        self.source_shapes = source.side.shape_of()
        self.found: dict[int, list[Any]] = {}
        self.bound: dict[str, str] = {}
        self.used: set[int] = set()
        self.failed_at = -1
        layered = {name for layer in source.layers for role, name in layer.slots if role in graphs.LAYER_ROLES}
        loose = [name for name in source.values if name not in layered]
        self.layers = source.layers + [Layer([], None, [("*", name)]) for name in loose]
        self.alike: dict[tuple, list[int]] = {}
        for index, layer in enumerate(self.layers):
            self.alike.setdefault(_signature(layer.slots, self.source_shapes), []).append(index)

    def solve(self) -> dict[str, str] | None:
        """Return the truth, or None if there is none (or none was found in time)."""
        turns: list[tuple[int, list[int], dict[str, str], set[int]]] = []
        i, steps = 0, 0
        while True:
            if i == len(self.nodes):
                if self._same_output():
                    return self.bound
                options: list[int] | None = []
            else:
                steps += 1
                options = self._advance(i)
            if options is None:
                i += 1
                continue
            self.failed_at = max(self.failed_at, i)
            if options:
                turns.append((i, options, dict(self.bound), set(self.used)))
            if not turns or steps > STEPS_AT_MOST:
                return None
            i, left, bound, used = turns.pop()
            self.bound, self.used = dict(bound), set(used)
            self._take(i, left[0])
            if left[1:]:
                turns.append((i, left[1:], bound, used))
            i += 1

    def _advance(self, i: int) -> list[int] | None:
        """Run node `i`; return None if that went well by itself, else the source layers that may stand here."""
        node = self.nodes[i]
        if node["op"] == "null":
            if node["name"] in self.target.inputs:
                self.found[i] = [_input(self.target, self.source, node["name"])]
            return None
        slots = graphs.param_slots(self.nodes, i, self.target.inputs)
        if slots:
            return self._candidates(i, slots)
        self.found[i] = run_node(node, [self.found[j][out] for j, out in node["inputs"]])
        return None

    def _candidates(self, i: int, slots: list[tuple[str, str]]) -> list[int]:
        entering = entering_of(self.nodes, i, self.found, slots)
        options = []
        signatures = [_signature(slots, self.shapes)]
        if len(slots) == 1 and slots[0][0] not in graphs.LAYER_ROLES:
            signatures.append(_signature([("*", slots[0][1])], self.shapes))
        for index in [i for signature in signatures for i in self.alike.get(signature, ())]:
            layer = self.layers[index]
            if index in self.used or not self._fits(slots, layer):
                continue
            if entering and layer.entering and not any(same(a, b) for a in entering for b in layer.entering):
                continue
            if layer.leaving is None or same(fingerprint(self._run_with(i, layer)[0].asnumpy()), layer.leaving):
                options.append(index)
        return options

    def _fits(self, slots: list[tuple[str, str]], layer: Layer) -> bool:
        theirs = dict(layer.slots)
        if layer.leaving is None and len(slots) == 1 and slots[0][0] not in graphs.LAYER_ROLES:
            theirs = {slots[0][0]: layer.slots[0][1]}
        if {role for role, _ in slots} != set(theirs):
            return False
        for role, name in slots:
            ours, other = self.shapes[name], self.source_shapes[theirs[role]]
            if ours != other and (np.prod(ours) != np.prod(other) or squeezed(ours) != squeezed(other)):
                return False
            if self.bound.get(name, theirs[role]) != theirs[role]:
                return False
        return True

    def _run_with(self, i: int, layer: Layer) -> list[Any]:
        theirs = self._by_role(i, layer)
        role_of = {name: role for role, name in graphs.param_slots(self.nodes, i, self.target.inputs)}
        arrays = []
        for j, out in self.nodes[i]["inputs"]:
            name = self.nodes[j]["name"]
            if name in role_of:
                arrays.append(mx.nd.array(self.source.values[theirs[role_of[name]]].reshape(self.shapes[name])))
            else:
                arrays.append(self.found[j][out])
        return run_node(self.nodes[i], arrays)

    def _by_role(self, i: int, layer: Layer) -> dict[str, str]:
        if layer.leaving is None:
            return {graphs.param_slots(self.nodes, i, self.target.inputs)[0][0]: layer.slots[0][1]}
        return dict(layer.slots)

    def _take(self, i: int, index: int) -> None:
        layer = self.layers[index]
        theirs = self._by_role(i, layer)
        self.used.add(index)
        self.found[i] = self._run_with(i, layer)
        for role, name in graphs.param_slots(self.nodes, i, self.target.inputs):
            self.bound[name] = theirs[role]

    def _same_output(self) -> bool:
        i, out = self.heads[0]
        mine = self.found[i][out]
        forms = [mine.asnumpy().ravel()]
        if mine.ndim == 2:  # one of the two may end in a loss head
            forms.append(mx.nd.softmax(mine).asnumpy().ravel())
        for theirs in self.source.outputs:
            others = [theirs.ravel()]
            if theirs.ndim == 2:
                others.append(mx.nd.softmax(mx.nd.array(theirs)).asnumpy().ravel())
            if any(close(a, b) for a in forms for b in others[:1]) or close(forms[0], others[-1]):
                return True
        return False


def _input(target: Side, source: Run, name: str) -> Any:
    """Return what the target is given: the source's input of that name, or blank labels."""
    if name in source.inputs:
        return mx.nd.array(source.inputs[name])
    return mx.nd.zeros(target.inputs[name])


def _signature(slots: list[tuple[str, str]], shapes: dict[str, tuple[int, ...]]) -> tuple:
    return tuple(sorted((role, squeezed(shapes[name])) for role, name in slots))


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def close(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two outputs are the same up to rounding, and neither blank nor broken."""
    if first.shape != second.shape or not np.isfinite(first).all() or float(np.ptp(first)) == 0:
        return False
    return float(np.abs(first - second).max()) <= 5e-3 * float(np.abs(second).max())


def find_truth(target: Side, source: Run) -> Truth | None:
    """Return which source parameter each parameter of `target` is, proven by equal outputs; None if it cannot be."""
    bound = Search(target, source).solve()
    if bound is None or set(bound) != {name for name, _ in target.params} or len(set(bound.values())) < len(bound):
        return None
    theirs, ours = source.side.shape_of(), target.shape_of()
    pairs = {name: bound[name] for name, _ in target.params}
    truth = Truth(pairs, {}, [name for name in pairs if ours[name] != theirs[pairs[name]]])
    find_symmetries(target, source, truth)
    return truth


def run_target(target: Side, source: Run, pairs: dict[str, str]) -> np.ndarray:
    """Return the target's first output when it holds the source's values through `pairs`."""
    nodes, heads = graphs.nodes_of(target.symbol)
    shapes = target.shape_of()
    found: dict[int, list[Any]] = {}
    for i, node in enumerate(nodes):
        if node["op"] != "null":
            found[i] = run_node(node, [found[j][out] for j, out in node["inputs"]])
        elif node["name"] in target.inputs:
            found[i] = [_input(target, source, node["name"])]
        else:
            value = source.values[pairs[node["name"]]]
            found[i] = [mx.nd.array(value.reshape(shapes[node["name"]]))]
    i, out = heads[0]
    return found[i][out].asnumpy()


def find_symmetries(target: Side, source: Run, truth: Truth, tries: int = 4) -> None:
    """Add to `truth.accept` the swaps of two layers with one input that leave the output as it is."""
    target_of = {s: t for t, s in truth.pairs.items()}
    twins = list(itertools.islice(_twins(source), tries))
    if not twins:
        return
    straight = run_target(target, source, truth.pairs).ravel()
    for first, second in twins:
        pairs = dict(truth.pairs)
        swap = [(one, two) for (_, one), (_, two) in zip(sorted(first.slots), sorted(second.slots))]
        for one, two in swap:
            pairs[target_of[one]], pairs[target_of[two]] = two, one
        if close(run_target(target, source, pairs).ravel(), straight):
            for one, two in swap:
                truth.accept.setdefault(target_of[one], []).append(two)
                truth.accept.setdefault(target_of[two], []).append(one)


def _twins(source: Run) -> Iterator[tuple[Layer, Layer]]:
    """Yield two layers at a time that have equal shapes and an input in common, but no parameter."""
    shapes = source.side.shape_of()
    alike: dict[tuple, list[Layer]] = {}
    for layer in source.layers:
        alike.setdefault(tuple((role, shapes[name]) for role, name in sorted(layer.slots)), []).append(layer)
    for layers in alike.values():
        for first, second in itertools.combinations(layers, 2):
            is_tied = {name for _, name in first.slots} & {name for _, name in second.slots}
            if not is_tied and any(same(a, b) for a in first.entering for b in second.entering):
                yield first, second
