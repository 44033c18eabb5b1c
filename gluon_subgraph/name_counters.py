"""Running numbers in names: ``expand_conv1``, ``dw_conv2``, ``conv3`` are counted through, whatever their words.

Such a number tells an order that the words before it do not. Where layers alike were placed against it, words and
numbers contradict each other, and neither is believed.
"""

from __future__ import annotations

from typing import Callable, Mapping, Sequence, Tuple

from .name_layers import Piece

__all__ = ["doubtful_counts", "read_as_columns"]

_Counted = Tuple[Tuple[int, int], Tuple[str, ...], int]  # number and letter, the words before it, the layer


def doubtful_counts(
    paths: Sequence[tuple[Piece, ...]],
    labels: Sequence[int],
    place: Mapping[int, int],
    is_open: Callable[[int, int], bool],
) -> list[list[int]]:
    """Return layers alike, counted through, that are not certain to be where they were placed.

    Parameters
    ----------
    paths : sequence of tuple of Piece
        The name of each layer.
    labels : sequence of int
        Equal numbers for layers alike.
    place : mapping of int to int
        Where layers are, for those that have a place.
    is_open : callable
        Whether two places are of branches of which no number says which is the first.

    Notes
    -----
    Layers are certain if all that are alike have places, the places of all that are counted through rise with their
    numbers, and no two places are open. O(layers log layers).
    """
    found: list[list[int]] = []
    for layers in _counted(paths):
        placed = [place[layer] for layer in layers if layer in place]
        is_rising = placed == sorted(placed)
        alike: dict[int, list[int]] = {}
        for layer in layers:
            alike.setdefault(labels[layer], []).append(layer)
        for own in alike.values():
            there = [layer for layer in own if layer in place]
            is_certain = is_rising and len(there) == len(own)
            if len(own) > 1 and not (is_certain and not any(is_open(place[a], place[b]) for a, b in zip(own, own[1:]))):
                found.append(there)
    return found


def _counted(paths: Sequence[tuple[Piece, ...]]) -> list[list[int]]:
    """Return layers in the order of a number that each has for itself, where the words before it differ."""
    groups: dict[tuple[object, ...], list[_Counted]] = {}
    for layer, path in enumerate(paths):
        last = len(path) - 1
        while last > 0 and path[last].number < 0:
            last -= 1
        if last <= 0:
            continue
        numbered, words = [], []
        for piece in path[:last]:
            if piece.number < 0:
                words.append(piece.word)
            else:
                numbered.append(piece)
        word, number, letter = path[last]
        key = (word, path[last + 1 :], *numbered)
        groups.setdefault(key, []).append(((number, letter), tuple(words), layer))
    return [
        [layer for _, _, layer in sorted(group)]
        for group in groups.values()
        if len({words for _, words, _ in group}) > 1 and len({number for number, _, _ in group}) == len(group)
    ]


def read_as_columns(paths: Sequence[tuple[Piece, ...]]) -> list[tuple[Piece, ...]]:
    """Return paths whose numbers of two digits are read the other way round, where they may be two numbers.

    ``norm10, norm11, norm20, norm21`` are four in a row, or the first norms of two blocks and then the second ones.
    They may be the latter where every digit occurs with every other.

    Examples
    --------
    >>> names = [(Piece("norm", number),) for number in (10, 11, 20, 21)]
    >>> [piece.number for (piece,) in read_as_columns(names)]
    [1, 11, 2, 12]
    """
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}  # by what is before and the word: paths, and where
    for i, path in enumerate(paths):
        for k, piece in enumerate(path):
            if piece.number >= 0:
                groups.setdefault((path[:k], piece.word, piece.letter), []).append((i, k))
    read = [list(path) for path in paths]
    for places in groups.values():
        numbers = {paths[i][k].number for i, k in places}
        tens, units = {number // 10 for number in numbers}, {number % 10 for number in numbers}
        if (
            min(numbers) < 10
            or len(tens) < 2
            or len(units) < 2
            or max(tens) > 9
            or len(numbers) < len(tens) * len(units)
        ):
            continue
        for i, k in places:
            piece = read[i][k]
            read[i][k] = piece._replace(number=piece.number % 10 * 10 + piece.number // 10)
    return [tuple(path) for path in read]
