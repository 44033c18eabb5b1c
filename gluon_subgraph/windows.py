"""The nodes of two outlines in line, and their alignment between anchors."""

from __future__ import annotations

import bisect
from array import array
from collections import Counter
from typing import Any, Hashable, Iterator, NamedTuple, Sequence

import numpy as np

from .kernels import MOST_CELLS, alignment
from .layers import Layer
from .operators import is_normalisation
from .outline import Outline
from .refinement import Codes

__all__ = ["CERTAIN", "Line", "align_lines", "anchors_of", "feeder_of", "lines_of"]

_GAP = (2.0, 0.05)  # the first and each further node passed over between two pairs
_FORBIDDEN = -1e30
_ANCHOR = 1e3
_RUNS = (2, 3, 4, 6, 8)
CERTAIN = 100.0


class Line(NamedTuple):
    """The nodes of an outline that may have a counterpart, in the order in which they are computed."""

    nodes: list[int]
    outline: Outline
    codes: Codes
    side: int

    def code(self, codes: tuple[list[int], list[int]]) -> list[int]:
        """Return what a pair of lists has for this network."""
        return codes[self.side]


def lines_of(codes: Codes) -> tuple[Line, Line]:
    """Return both networks in line, without what cannot have a counterpart.

    Inputs of commutative joins come in the order of what they are, not of how they were written.
    """
    first, second = (_line_of(codes, side) for side in (0, 1))
    return _without_own(first, second), _without_own(second, first)


def _line_of(codes: Codes, side: int) -> Line:
    outline = codes.outlines[side]
    ops = [tuple([edge.ops for edge in edges]) for edges in outline.edges]
    keys = list(zip(outline.labels, ops, *[near[side] for near in codes.near_ops], codes.exact[side]))
    return Line([n for n in outline.order(keys) if outline.labels[n] > 0], outline, codes, side)


def _without_own(line: Line, other: Line) -> Line:
    """Return a line without what belongs to layers that only this network has: normalisations and joins around them.

    A normalisation that reads an input of the other network, cut off from its layer, may be the counterpart of one.
    """
    outline = line.outline
    open_labels = {other.outline.labels[n] for n in other.nodes if feeder_of(other.outline, n) == "input"}
    own = {n for n in line.nodes if feeder_of(outline, n) == "own" and outline.labels[n] not in open_labels}
    value: list[int] = []  # the node that stands for each node, what is own looked through
    for node, inputs in enumerate(outline.inputs):
        read = {value[i] for i in inputs}
        if node in own or (outline.is_join(node) and len(read) == 1):
            own.add(node)
            value.append(value[inputs[0]])
        else:
            value.append(node)
    return line._replace(nodes=[n for n in line.nodes if n not in own])


def anchors_of(line1: Line, line2: Line) -> list[tuple[int, int]]:
    """Return pairs of places whose surroundings occur once in either network.

    Surroundings are the label by itself, what lies above (`refinement.Codes`) where no border is near, and runs of
    labels along the line.
    """
    found = set()
    for keys1, keys2 in zip(_surroundings(line1), _surroundings(line2)):
        places1, places2 = _unique(keys1), _unique(keys2)
        for key, place in places1.items():
            if key in places2:
                found.add((place, places2[key]))
    found.update(_only_fit(line1, line2))
    allowed = [[feeder_of(line.outline, n) != "own" for n in line.nodes] for line in (line1, line2)]
    claims = Counter([(0, i) for i, _ in found] + [(1, j) for _, j in found])  # two claims on a place contradict
    return sorted(
        (i, j) for i, j in found if allowed[0][i] and allowed[1][j] and claims[0, i] == 1 and claims[1, j] == 1
    )


def _surroundings(line: Line) -> Iterator[list[Hashable]]:
    """Yield what each place is known by, None where that tells nothing: once for each radius and length."""
    labels = [line.outline.labels[n] for n in line.nodes]
    yield [label if _tells_by_itself(line.outline.layers[n]) else None for label, n in zip(labels, line.nodes)]
    border = line.code(line.codes.border)
    for codes in (line.codes.near_above, line.codes.near_above_ops):
        for radius, pair in enumerate(codes, start=1):
            code = line.code(pair)
            yield [code[n] if border[n] > radius else None for n in line.nodes]
    for length in _RUNS:
        runs: list[Hashable] = [tuple(labels[p : p + length]) for p in range(len(labels) - length + 1)]
        beyond: list[Hashable] = [None] * min(length - 1, len(labels))
        yield runs + beyond
        yield beyond + runs


def _only_fit(line1: Line, line2: Line) -> list[tuple[int, int]]:
    """Return all places of the shorter line with those of the longer where its labels fit, if they fit only once."""
    texts = [array("i", [line.outline.labels[n] for n in line.nodes]).tobytes() for line in (line1, line2)]
    short, long = sorted(texts, key=len)
    size = array("i").itemsize
    places: list[int] = []
    place = long.find(short) if short else -1
    while place >= 0 and len(places) < 2:
        if place % size == 0:
            places.append(place // size)
        place = long.find(short, place + 1)
    if len(places) != 1:
        return []
    pairs = [(k, places[0] + k) for k in range(len(short) // size)]
    return pairs if short is texts[0] else [(j, i) for i, j in pairs]


def _unique(keys: Sequence[Hashable]) -> dict[Hashable, int]:
    """Return {key: place} of the keys that occur once."""
    count = Counter(keys)
    return {key: place for place, key in enumerate(keys) if key is not None and count[key] == 1}


def _tells_by_itself(layer: Layer | None) -> bool:
    return layer is not None and not is_normalisation(layer.kind)


def _increasing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest run of pairs that increases in both places; `pairs` is sorted."""
    ends: list[int] = []
    last: list[int] = []
    before = [-1] * len(pairs)
    for k, (_, j) in enumerate(pairs):
        if k and pairs[k][0] == pairs[k - 1][0]:
            continue
        length = bisect.bisect_left(ends, j)
        before[k] = last[length - 1] if length else -1
        ends[length : length + 1] = [j]
        last[length : length + 1] = [k]
    found = []
    k = last[-1] if last else -1
    while k >= 0:
        found.append(pairs[k])
        k = before[k]
    return found[::-1]


def align_lines(line1: Line, line2: Line, anchors: Sequence[tuple[int, int]]) -> list[tuple[int, int, float]]:
    """Return (node, node, margin) of the best alignment, as `_alignment_py.align` has it, anchors held fast."""
    settings = _settings_of((line1.outline, line2.outline))
    fixed = [(-1, -1), *_increasing(anchors), (len(line1.nodes), len(line2.nodes))]
    found = []
    for (begin1, begin2), (end1, end2) in zip(fixed, fixed[1:]):
        if begin1 >= 0:
            found.append((line1.nodes[begin1], line2.nodes[begin2], CERTAIN))
        inner = (range(begin1 + 1, end1), range(begin2 + 1, end2))
        is_last = end1 == len(line1.nodes)
        found += _align_window(line1, line2, inner, begin1 >= 0, not is_last, settings)
    return found


def _align_window(
    line1: Line,
    line2: Line,
    inner: tuple[range, range],
    is_held_before: bool,
    is_held_after: bool,
    settings: Sequence[Sequence[int]],
) -> list[tuple[int, int, float]]:
    """Return the alignment of what lies between two anchors."""
    nodes = [[line.nodes[p] for p in places] for line, places in zip((line1, line2), inner)]
    if not all(nodes):
        return []
    labels = [[line.outline.labels[n] for n in side] for line, side in zip((line1, line2), nodes)]
    is_alike = all(_alike(line1, u, line2, v) for u, v in zip(*nodes))
    if is_held_before and is_held_after and labels[0] == labels[1] and is_alike:
        return [(u, v, CERTAIN) for u, v in zip(*nodes)]
    if len(nodes[0]) * len(nodes[1]) > MOST_CELLS:
        return []
    scores = np.full((len(nodes[0]) + 2, len(nodes[1]) + 2), _FORBIDDEN)
    scores[0, 0] = _ANCHOR if is_held_before else _FORBIDDEN
    scores[-1, -1] = _ANCHOR if is_held_after else _FORBIDDEN
    scores[1:-1, 1:-1] = _scores(line1, line2, nodes, settings)
    cut = slice(not is_held_before, len(nodes[0]) + 1 + is_held_after)
    cut2 = slice(not is_held_before, len(nodes[1]) + 1 + is_held_after)
    _, partner, margins = alignment.align(np.ascontiguousarray(scores[cut, cut2]), *_GAP, 0.0, 0.0)
    offset = int(is_held_before)
    return [
        (u, nodes[1][partner[k] - offset], float(margins[k]))
        for k, u in enumerate(nodes[0], start=offset)
        if partner[k] >= 0
    ]


def _alike(line1: Line, u: int, line2: Line, v: int) -> bool:
    layer1, layer2 = line1.outline.layers[u], line2.outline.layers[v]
    return layer1 is None or layer2 is None or layer1.attrs == layer2.attrs


def _settings_of(outlines: Sequence[Outline]) -> list[list[int]]:
    """Return equal numbers for equal settings of layers, for each node of either outline."""
    number: dict[Any, int] = {}
    return [
        [number.setdefault(layer.attrs if layer else None, len(number)) for layer in outline.layers]
        for outline in outlines
    ]


def _scores(line1: Line, line2: Line, nodes: Sequence[Sequence[int]], settings: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the worth of each pair of nodes, shape (nodes of line 1, nodes of line 2)."""
    lines = (line1, line2)

    def equal(values: Sequence[Sequence[Any]]) -> np.ndarray:
        first, second = (np.array([v[n] for n in side]) for v, side in zip(values, nodes))
        return first[:, None] == second[None, :]

    scores = np.where(equal([line.outline.labels for line in lines]), 1.0, _FORBIDDEN)
    scores[[line1.outline.layers[n] is None for n in nodes[0]]] -= 0.7
    codes = line1.codes
    border = [np.array([line.code(codes.border)[n] for n in side]) for line, side in zip(lines, nodes)]
    for radius, (near, near_ops) in enumerate(zip(codes.near_above, codes.near_above_ops), start=1):
        inside = (border[0] > radius)[:, None] & (border[1] > radius)[None, :]
        scores += 0.25 * (equal([line.code(near) for line in lines]) & inside) + 0.1 * (
            equal([line.code(near_ops) for line in lines]) & inside
        )
    scores -= 0.75 * ~equal(settings)
    fed = [np.array([feeder_of(line.outline, n) for n in side]) for line, side in zip(lines, nodes)]
    scores[(fed[0][:, None] == "own") & (fed[1][None, :] != "input")] = _FORBIDDEN
    scores[(fed[1][None, :] == "own") & (fed[0][:, None] != "input")] = _FORBIDDEN
    return scores


def feeder_of(outline: Outline, node: int) -> str:
    """Return what a normalisation reads: an "own" layer, which only this network has, a "layer", "join" or "input".

    "" for all that is no normalisation.
    """
    layer = outline.layers[node]
    if layer is None or not is_normalisation(layer.kind):
        return ""
    edge = outline.edges[node][0]
    if edge.is_past_layer:
        return "own"
    if outline.layers[edge.node] is not None:
        return "layer"
    return "join" if outline.inputs[edge.node] else "input"
