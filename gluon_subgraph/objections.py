"""Whether two networks are one, judged by all pairs of nodes together, and why they are not."""

from __future__ import annotations

from collections import Counter
from typing import Collection, Mapping, NamedTuple, Sequence

from .agreement import nearest_pairs
from .layers import Form, Layer, Step, differing_settings
from .operators import ACTIVATIONS, is_normalisation
from .outline import Outline
from .windows import feeder_of

__all__ = ["weigh"]

Outlines = Sequence[Outline]
_ELEMENTWISE = {"add", "subtract", "multiply", "divide"}


class Weight(NamedTuple):
    """What speaks for and against two networks being one, in layers and in edges between paired nodes.

    Attributes
    ----------
    matched : float
        Paired layers; a normalisation counts with the layer it belongs to.
    agreeing : int
        Edges between paired nodes that both networks have.
    inserted : int
        Edges on which one of them has further layers, such as adapters.
    replaced : int
        Edges on which both have further layers, which are not the same; those of heads that are joined are `outside`.
    added : int
        Layers within one of them that make it deeper: those the other has too, but not there, spatial convolutions
        and normalisations.
    moved : int
        Joins and pools that both have, but at other places.
    changed : int
        Paired layers whose settings differ.
    reworked : int
        Agreeing edges on which other operators without parameters lie, such as another activation.
    outside : int
        Layers beyond the paired ones, at the same end of both.
    """

    matched: float
    agreeing: int
    inserted: int
    replaced: int
    added: int
    moved: int
    changed: int
    reworked: int
    outside: int

    def objection(self) -> str:
        """Return why the networks are not one, up to insertions, cuts and another head; "" where they are."""
        few = 0.1 * self.matched
        reasons = [
            (not self.matched or (not self.agreeing and self.matched > 1), "nothing fits together"),
            (self.inserted > self.agreeing, f"other layers lie on {self.inserted} of the ways between matching ones"),
            (self.replaced > few / 2, f"different layers stand at {self.replaced} places between matching ones"),
            (self.added > few, f"{self.added} layers inside one of them have no counterpart"),
            (self.moved > few, f"{self.moved} joins or pools are at different places"),
            (self.changed > max(1, few), f"{self.changed} matching layers differ in stride, padding or the like"),
            (self.reworked > max(1, 0.1 * self.agreeing), f"the operators at {self.reworked} places differ"),
            (self.outside > max(1, self.matched / 2), f"{self.outside} layers beyond the matching ones differ"),
        ]
        return next((reason for applies, reason in reasons if applies), "")


def weigh(forms: Sequence[Form], outlines: Outlines, pairs: Mapping[int, int]) -> Weight:
    """Return what speaks for and against two networks being one."""
    near = nearest_pairs(outlines, pairs)
    goes_on = [_goes_on(outline) for outline in outlines]
    edges = [
        (is_past_layer, near[1][v][pairs[a]], goes_on[0][u] or goes_on[1][v])
        for u, v in pairs.items()
        for a, is_past_layer in near[0][u].items()
        if pairs[a] in near[1][v]
    ]
    chosen = (set(pairs), set(pairs.values()))
    sides = [_leftovers(form, outline, side) for form, outline, side in zip(forms, outlines, chosen)]
    layers = [outlines[0].layers[u] for u in pairs]
    matched = [layer for layer in layers if layer is not None]
    heavy = [layer for layer in matched if not is_normalisation(layer.kind)]
    return Weight(
        matched=max(len(heavy), len(matched) / 2),
        agreeing=sum(not a and not b for a, b, _ in edges),
        inserted=sum(a != b for a, b, _ in edges),
        replaced=sum(a and b and is_inside for a, b, is_inside in edges),
        added=sides[0].added + sides[1].added,
        moved=min(sides[0].moved, sides[1].moved),
        changed=sum(_is_changed(outlines[0].layers[u], outlines[1].layers[v]) for u, v in pairs.items()),
        reworked=sum(_is_reworked(outlines, pairs, u, v) for u, v in pairs.items()),
        outside=min(sides[0].before, sides[1].before) + min(sides[0].after, sides[1].after),
    )


def _goes_on(outline: Outline) -> list[bool]:
    """Return for each node whether it is a layer or one is below it; heads that are only joined are followed by none.

    Constants by which the values of heads are shifted or scaled, such as anchors, make no layer here.
    """
    found = [layer is not None and layer.kind not in _ELEMENTWISE for layer in outline.layers]
    for node in reversed(range(len(found))):
        for read in outline.inputs[node] if found[node] else ():
            found[read] = True
    return found


def _is_reworked(outlines: Outlines, pairs: Mapping[int, int], u: int, v: int) -> bool:
    """Return whether another activation or pool lies before a pair of nodes, on ways that both have without layers.

    Only what is plainly another function counts: many an activation can be written in several ways.
    """
    there = {edge.node: edge.ops for edge in outlines[1].edges[v] if not edge.is_past_layer}
    for edge in outlines[0].edges[u]:
        ops = there.get(pairs.get(edge.node, -1), edge.ops)
        if edge.is_past_layer or ops == edge.ops:
            continue
        ours, theirs = (Counter(op.split()[0] for op in side) for side in (edge.ops, ops))
        if any(op in ACTIVATIONS for op in ours - theirs) and any(op in ACTIVATIONS for op in theirs - ours):
            return True
        pools = [sorted(op for op in side if op.startswith("Pooling ")) for side in (edge.ops, ops)]
        if len(pools[0]) == len(pools[1]) and pools[0] != pools[1]:
            return True
    return False


def _is_changed(layer1: Layer | None, layer2: Layer | None) -> bool:
    return layer1 is not None and layer2 is not None and bool(differing_settings(layer1, layer2))


class _Leftovers(NamedTuple):
    before: int
    after: int
    added: int
    moved: int


def _leftovers(form: Form, outline: Outline, chosen: Collection[int]) -> _Leftovers:
    """Return the layers of one network that are not paired, by where they are, and its unpaired joins and pools."""
    node_of_step, layers = outline.node_of_step, outline.layers
    own = [step.layer is not None and layers[node_of_step[n]] is step.layer for n, step in enumerate(form.steps)]
    paired = [is_own and node_of_step[n] in chosen for n, is_own in enumerate(own)]
    left = [n for n, step in enumerate(form.steps) if step.layer is not None and not paired[n]]
    others = {k for k, label in enumerate(outline.labels) if label > 0 and layers[k] is None and k not in chosen}
    if not left and not others:
        return _Leftovers(0, 0, 0, 0)
    above, below = _beside(form, paired)
    inside = [n for n in left if above[n] and below[n]]
    return _Leftovers(
        before=sum(not above[n] for n in left),
        after=sum(above[n] and not below[n] for n in left),
        added=sum(
            _deepens(form.steps, n, own[n] and feeder_of(outline, node_of_step[n]) != "own", paired) for n in inside
        ),
        moved=len({k for n, k in enumerate(node_of_step) if k in others and above[n] and below[n]}),
    )


def _beside(form: Form, paired: Sequence[bool]) -> tuple[list[bool], list[bool]]:
    """Return for each step whether something paired is above it, and below it."""
    above = [False] * len(form.steps)
    for n, step in enumerate(form.steps):
        above[n] = any(above[i] or paired[i] for i in step.inputs)
    below = [False] * len(form.steps)
    for n in reversed(range(len(form.steps))):
        for i in form.steps[n].inputs:
            below[i] = below[i] or below[n] or paired[n]
    return above, below


def _deepens(steps: Sequence[Step], n: int, is_common: bool, paired: Sequence[bool]) -> bool:
    """Return whether an unpaired layer makes its network another one, rather than adapting it."""
    layer = steps[n].layer
    if layer is None or is_common:
        return layer is not None
    if is_normalisation(layer.kind):
        return paired[steps[n].inputs[0]]
    kernel = layer.shapes[0] if layer.shapes else None
    return layer.kind == "Convolution" and kernel is not None and any(size > 1 for size in kernel[2:])
