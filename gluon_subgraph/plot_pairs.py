"""Two columns of layers and the pairs between them, as rows of a picture: aligned, and short enough to be read."""

from __future__ import annotations

from bisect import bisect_left
from itertools import zip_longest
from typing import Collection, NamedTuple, Sequence, Tuple

__all__ = ["Piece", "Link", "Row", "aligned_rows", "merged_rows", "MOST_ROWS"]

MOST_ROWS = 40  # without which nothing is merged
Cells = Tuple[int, ...]


class Piece(NamedTuple):
    """A layer of one side: what it is, its parameters, the block it is in, and what became of it."""

    title: str
    name: str
    parameters: tuple[str, ...]
    group: tuple[str, ...]
    status: str


class Link(NamedTuple):
    """Parameters of target layer `left` that correspond to parameters of source layer `right`."""

    left: int
    right: int
    kind: str  # "bound", "mismatched" or "ambiguous"
    pairs: tuple[tuple[str, str], ...]


class Row(NamedTuple):
    """What stands side by side: layers of the target and layers of the source, consecutive ones, or none."""

    left: Cells
    right: Cells


def aligned_rows(counts: tuple[int, int], links: Collection[Link]) -> list[Row]:
    """Return every layer of both sides in one row, in order, as many linked ones side by side as order allows.

    Notes
    -----
    Longest increasing subsequence of the links, by patience sorting: O(links log links). Bound pairs come first: a
    layer with several links is represented by the first that is bound.
    """
    first: dict[int, int] = {}
    for kind in ("bound", "mismatched", "ambiguous"):
        for link in links:
            if link.kind == kind:
                first.setdefault(link.left, link.right)
    anchors = _increasing([(left, first[left]) for left in sorted(first)])
    rows: list[Row] = []
    next_left = next_right = 0
    for left, right in [*anchors, counts]:
        between = zip_longest(range(next_left, left), range(next_right, right))
        rows += [Row(() if i is None else (i,), () if j is None else (j,)) for i, j in between]
        if (left, right) != counts:
            rows.append(Row((left,), (right,)))
        next_left, next_right = left + 1, right + 1
    return rows


def _increasing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest part of `pairs`, in order of the first number, in which the second increases too."""
    ends: list[int] = []  # the smallest last number of an increasing part, by length
    positions: list[int] = []
    before: list[int] = []
    for i, (_, number) in enumerate(pairs):
        length = bisect_left(ends, number)
        before.append(positions[length - 1] if length else -1)
        ends[length:] = [number]
        positions[length:] = [i]
    found = []
    i = positions[-1] if positions else -1
    while i >= 0:
        found.append(pairs[i])
        i = before[i]
    return found[::-1]


def merged_rows(
    rows: Sequence[Row], sides: tuple[Sequence[Piece], Sequence[Piece]], links: Collection[Link]
) -> list[Row]:
    """Return the rows, stretches in which the same happened to all layers as one where there are many.

    First within the innermost blocks, then within larger ones, then across blocks; last, where there are still too
    many, whatever follows each other.
    """
    if len(rows) <= MOST_ROWS:
        return list(rows)
    looks = _looks(rows, sides, links)
    depth = max((len(piece.group) for pieces in sides for piece in pieces), default=0)
    merged = list(rows)
    while len(merged) > MOST_ROWS and depth >= 0:
        keys = [None if look is None else (look, _group(row, sides, depth)) for look, row in zip(looks, rows)]
        merged = _merge_equal(rows, keys)
        depth -= 1
    if len(merged) > MOST_ROWS:
        length = -(-len(merged) // MOST_ROWS)
        parts = [merged[i : i + length] for i in range(0, len(merged), length)]
        merged = [_as_one(part) for part in parts]
    return merged


def _looks(
    rows: Sequence[Row], sides: tuple[Sequence[Piece], Sequence[Piece]], links: Collection[Link]
) -> list[tuple[str, ...] | None]:
    """Return what happened in each row, None where a link leaves it."""
    row_of = (
        {i: r for r, row in enumerate(rows) for i in row.left},
        {i: r for r, row in enumerate(rows) for i in row.right},
    )
    leaving = set()
    for link in links:
        left, right = row_of[0][link.left], row_of[1][link.right]
        if left != right:
            leaving |= {left, right}
    looks: list[tuple[str, ...] | None] = []
    for r, row in enumerate(rows):
        statuses = [sides[0][i].status for i in row.left] + ["|"] + [sides[1][i].status for i in row.right]
        looks.append(None if r in leaving else tuple(statuses))
    return looks


def _group(row: Row, sides: tuple[Sequence[Piece], Sequence[Piece]], depth: int) -> tuple[str, ...]:
    piece = sides[0][row.left[0]] if row.left else sides[1][row.right[0]]
    return piece.group[:depth]


def _merge_equal(rows: Sequence[Row], keys: Sequence[object]) -> list[Row]:
    """Return the rows, neighbours of one key as one; a row without a key stays alone."""
    parts: list[list[Row]] = []
    before: object = None
    for row, key in zip(rows, keys):
        if key is not None and key == before:
            parts[-1].append(row)
        else:
            parts.append([row])
        before = key
    return [_as_one(part) for part in parts]


def _as_one(part: Sequence[Row]) -> Row:
    return Row(tuple([i for row in part for i in row.left]), tuple([j for row in part for j in row.right]))
