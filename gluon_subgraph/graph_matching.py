"""The layers of two graphs that are the same: what is certain, what is open, and why.

1. Both graphs are reduced to what they may have in common (`outline`).
2. Equal outlines are paired by walking both from their outputs. Otherwise nodes with unique surroundings are
   anchors (`refinement`), and what lies between is aligned (`windows`); a pair is kept if every alignment that is
   nearly as good has it.
3. Pairs must support each other, all of them together must make one network, and every connected piece needs an
   anchor: a stretch that fits in several places has none (`agreement`).
"""

from __future__ import annotations

from typing import Collection, Mapping, NamedTuple, Sequence

from .agreement import consistent_pairs, nearest_pairs, pieces_of, with_fed_by_other, with_joins, with_siblings
from .doubts import misfed, misordered, sliding, swappable, undecided_siblings
from .exact_codes import ExactCodes, equal_layers
from .layers import Form, Layer
from .objections import weigh
from .outline import Outline, input_names, outlines_of
from .refinement import Codes
from .replacements import replaced_layers
from .windows import CERTAIN, Line, align_lines, anchors_of, lines_of

__all__ = ["LayerMatching", "match_layers"]

_MARGIN = 0.5  # how much better than every alternative a pair has to be; a gap costs 2


class LayerMatching(NamedTuple):
    """Which layers of a target are which of a source.

    Attributes
    ----------
    pairs : list of (Layer, Layer, str)
        Target, source, and the evidence.
    open : list of (Layer, list of Layer)
        Layers of the target that may be several of the source.
    replaced : list of (Layer, Layer)
        Layers of the target and of the source at one place, of one kind, but of other shapes.
    objection : str
        Why the two networks are not one; "" where they are. There are no pairs then.
    """

    pairs: list[tuple[Layer, Layer, str]]
    open: list[tuple[Layer, list[Layer]]]
    replaced: list[tuple[Layer, Layer]]
    objection: str = ""


def match_layers(target: Form, source: Form, known: Mapping[str, str] | None = None) -> LayerMatching:
    """Return which layers of two networks are the same.

    Parameters
    ----------
    target, source : Form
    known : mapping of str to str, default None
        {target parameter: source parameter} that the user has settled: their layers are anchors.

    Notes
    -----
    Near-linear where the networks agree; where they do not, the stretches between anchors are aligned in the product
    of their lengths. Which network is the target makes no difference.
    """
    forms = (target, source)
    names = input_names(*forms)
    same = equal_layers(forms, names)
    if same is not None:
        return _identical(same)
    exact = ExactCodes(forms, names)
    same = exact.isomorphism()
    if same is not None:
        return _identical(same)
    outlines = outlines_of(*forms, names)
    codes = Codes(outlines, exact.of_steps(outlines[0].steps, outlines[1].steps))
    equal = codes.isomorphism()
    if equal is not None and _same_settings(outlines, equal):
        pairs = {u: v for u, v in equal.items() if outlines[0].labels[u] > 0}
        certain, evidence = pairs, dict.fromkeys(pairs, "equal layers and joins")
    else:
        pairs, certain, evidence = _aligned_pairs(codes, known or {})
    objection = weigh(forms, outlines, pairs).objection()
    if objection:
        return LayerMatching([], [], [], objection)
    doubtful = _doubtful(codes, certain)
    back = {v: u for u, v in certain.items()}
    doubtful |= {back[v] for v in _doubtful(codes.exchanged(), back)}
    certain = {u: v for u, v in certain.items() if u not in doubtful}
    bound = [(outlines[0].layers[u], outlines[1].layers[v], evidence[u]) for u, v in certain.items()]
    layers = [(t, s, why) for t, s, why in bound if t is not None and s is not None]
    replaced = replaced_layers(target, source, [(t, s) for t, s, _ in layers])
    return LayerMatching(layers, _undecided(outlines, certain), replaced)


def _identical(pairs: Sequence[tuple[Layer, Layer]]) -> LayerMatching:
    """Return the matching of two networks that are the same."""
    return LayerMatching([(t, s, "identical structure") for t, s in pairs], [], [])


def _doubtful(codes: Codes, pairs: Mapping[int, int]) -> set[int]:
    """Return the paired nodes of the first network that might as well be paired otherwise."""
    near = nearest_pairs(codes.outlines, pairs)
    found = swappable(codes, pairs, near) | misordered(codes.outlines, pairs, near)
    found |= misfed(codes, pairs) | undecided_siblings(codes, pairs)
    return found & pairs.keys()


def _aligned_pairs(codes: Codes, known: Mapping[str, str]) -> tuple[dict[int, int], dict[int, int], dict[int, str]]:
    """Return the pairs of the best alignment, those of them that are certain, and the evidence."""
    outlines = codes.outlines
    lines = lines_of(codes)
    settled = _known_places(lines, known)
    anchors = sorted({*anchors_of(*lines), *settled})
    aligned = _agreed(align_lines(*lines, anchors), align_lines(lines[1], lines[0], sorted((j, i) for i, j in anchors)))
    evidence = {u: "unique surroundings" if margin == CERTAIN else "aligned" for u, _, margin in aligned}
    decided = {u: v for u, v, _ in aligned}
    pairs = consistent_pairs(outlines, with_joins(outlines, decided))
    aligned_pairs = with_fed_by_other(outlines, pairs, decided)
    pairs = with_siblings(outlines, aligned_pairs)
    margins = {u: margin for u, _, margin in aligned}
    back = {v: u for u, v in pairs.items()}
    slides = sliding(lines[0], pairs) | {back[v] for v in sliding(lines[1], back)}
    slides -= {lines[0].nodes[i] for i, _ in settled} | (pairs.keys() - aligned_pairs.keys())  # what they read tells
    certain = {u: v for u, v in pairs.items() if margins.get(u, CERTAIN) >= _MARGIN and u not in slides}
    certain = consistent_pairs(outlines, certain)
    evidence.update({u: "its reader" for u in certain if u not in evidence})
    held = {(lines[0].nodes[i], lines[1].nodes[j]) for i, j in anchors}
    return pairs, _held_fast(outlines, certain, held), evidence


def _agreed(
    forth: Sequence[tuple[int, int, float]], back: Sequence[tuple[int, int, float]]
) -> list[tuple[int, int, float]]:
    """Return what both alignments have: of several best ones, each direction takes another."""
    margin = {(u, v): m for v, u, m in back}
    return [(u, v, min(m, margin[u, v])) for u, v, m in forth if (u, v) in margin]


def _same_settings(outlines: Sequence[Outline], pairs: Mapping[int, int]) -> bool:
    """Return whether the settings of no pair differ in what changes the function at a place."""
    for u, v in pairs.items():
        layer1, layer2 = outlines[0].layers[u], outlines[1].layers[v]
        if layer1 is not None and layer2 is not None and layer1.kind == layer2.kind and layer1.attrs != layer2.attrs:
            return False
    return True


def _known_places(lines: Sequence[Line], known: Mapping[str, str]) -> set[tuple[int, int]]:
    """Return the places of the layers whose parameters the user has paired."""
    if not known:
        return set()
    place: list[dict[str, int]] = [{}, {}]
    for line, found in zip(lines, place):
        for position, node in enumerate(line.nodes):
            layer = line.outline.layers[node]
            found.update(dict.fromkeys(layer.parameters if layer is not None else (), position))
    return {(place[0][t], place[1][s]) for t, s in known.items() if t in place[0] and s in place[1]}


def _held_fast(
    outlines: Sequence[Outline], pairs: Mapping[int, int], held: Collection[tuple[int, int]]
) -> dict[int, int]:
    """Return the pairs of the connected pieces that hold an anchor."""
    piece = pieces_of(outlines, pairs)
    fast = {piece[u] for u, v in held if pairs.get(u) == v}
    return {u: v for u, v in pairs.items() if piece[u] in fast}


def _undecided(outlines: Sequence[Outline], pairs: Mapping[int, int]) -> list[tuple[Layer, list[Layer]]]:
    """Return the unpaired layers of the target that have unpaired ones like them in the source."""
    used = set(pairs.values())
    free: dict[int, list[Layer]] = {}
    for node, layer in enumerate(outlines[1].layers):
        if layer is not None and node not in used:
            free.setdefault(outlines[1].labels[node], []).append(layer)
    return [
        (layer, free[outlines[0].labels[u]])
        for u, layer in enumerate(outlines[0].layers)
        if layer is not None and u not in pairs and outlines[0].labels[u] in free
    ]
