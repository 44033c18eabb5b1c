"""Layers of a network of which only the names and shapes of its parameters are known.

A parameter's name ends in a word for its role (``weight``, ``gamma``, ``running_mean``) and begins with the name of
the layer it belongs to; parameters with one beginning are a layer. Nothing else is read out of a name here than
words and numbers: which words are alike, and what a number means, is decided where two networks meet.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count
from operator import attrgetter
from typing import Iterable, Mapping, NamedTuple, Sequence, Tuple

from .name_aliases import names_to_read
from .name_roles import Role, is_norm_word, split_role
from .params_file import FILE_PREFIXES
from .sides import Shape

__all__ = ["NameLayer", "Piece", "read_name_layers", "path_of_name", "is_role_told", "in_file_order"]

_STATISTICS = (("mean", "var"), ("var", "mean"))
_SEPARATOR = re.compile(r"[\W_]+")
_NUMBERED = re.compile(r"(.*?)(\d{1,18})([a-z]?)$")  # Python refuses to read a number of thousands of digits
_COUNTED = re.compile(r"([A-Za-z])_(\d+)(?=[_./:]|$)")
_new = tuple.__new__  # a named tuple's own constructor takes twice as long
_KERNEL_SIZE = re.compile(r".*\d+x\d+[a-z]*$")  # 3x3 counts nothing


class Piece(NamedTuple):
    """One word of a name with the number, and the letter of the alphabet, behind it; -1 without one."""

    word: str
    number: int = -1
    letter: int = -1


Path = Tuple[Piece, ...]
_Member = Tuple[Role, str, int]  # a parameter's role, its name and its place in the file


class NameLayer(NamedTuple):
    """Parameters that are one layer, by their names.

    `roles`, `parameters` and `shapes` run in parallel; `position` is the place of the first in the file.
    """

    path: tuple[Piece, ...]
    roles: tuple[Role, ...]
    parameters: tuple[str, ...]
    shapes: tuple[Shape, ...]
    position: int


def read_name_layers(shapes: Mapping[str, Shape]) -> list[NameLayer]:
    """Return the layers that parameters form by their names, in the order in which they first occur.

    Counters such as ``num_batches_tracked`` and what an optimizer keeps are no parameters and belong to no layer.

    Examples
    --------
    >>> layers = read_name_layers({"net.conv1.weight": (8, 3, 3, 3), "net.conv1.bias": (8,)})
    >>> [(layer.path, layer.roles) for layer in layers]
    [((Piece(word='net', number=-1, letter=-1), Piece(word='conv', number=1, letter=-1)), ('weight', 'bias'))]
    """
    read_as = names_to_read(shapes)
    of_stem: dict[tuple[str, ...], list[_Member]] = {}
    path_of_stem: dict[tuple[str, ...], Path] = {}
    for position, (name, alias) in enumerate(read_as.items()):
        words, role, path = _read_name(alias)
        own = of_stem.get(words)
        if own is None:
            of_stem[words] = own = []
            path_of_stem[words] = path
        own.append((role or "weight", name, position))
    found = [
        _layer(path, members, shapes)
        for words, own in of_stem.items()
        for path, members in _layers_of_stem(path_of_stem[words], own, shapes, read_as)
    ]
    found.sort(key=attrgetter("position"))
    return _with_scales(_without_dimensions(found))


def _layers_of_stem(
    path: Path, members: list[_Member], shapes: Mapping[str, Shape], read_as: Mapping[str, str]
) -> list[tuple[Path, list[_Member]]]:
    """Return parameters whose names share a stem as layers: one, or a convolution and its normalisation.

    A second parameter of a role is a layer by itself.
    """
    roles = [role for role, _, _ in members]
    is_mixed = ("mean" in roles or "var" in roles) and any(len(shapes[name] or ()) > 1 for _, name, _ in members)
    if len(set(roles)) == len(roles) and not is_mixed:
        return [(path, members)]
    words_of_norm = {name for role, name, _ in members if is_norm_word(_words_of_name(read_as[name]), role)}
    if is_mixed and {role for role, name, _ in members if name in words_of_norm} == {"weight", "mean", "var"}:
        # Darknet's bias is the normalisation's: there is no other.
        words_of_norm.update(name for role, name, _ in members if role == "bias")
    rest = [member for member in members if member[1] not in words_of_norm]
    of_norm = [member for member in members if member[1] in words_of_norm]
    groups = [(path, rest), ((*path, Piece("norm")) if rest else path, of_norm)]
    return [found for at, group in groups if group for found in _each_role_once(at, group)]


def _each_role_once(path: Path, members: list[_Member]) -> list[tuple[Path, list[_Member]]]:
    """Return one layer, and one more for each second parameter of a role."""
    first: dict[Role, _Member] = {}
    for member in members:
        first.setdefault(member[0], member)
    own = list(first.values())
    others = [(_pieces_of_words(_words_of_name(m[1])), [m]) for m in members if first[m[0]] is not m]
    return [(path, own), *others]


def _layer(path: Path, members: list[_Member], shapes: Mapping[str, Shape]) -> NameLayer:
    names = tuple([name for _, name, _ in members])
    # One name alone is a weight, whatever it is: there is nothing to tell a role from.
    roles = tuple([role for role, _, _ in members]) if len(names) > 1 else ("weight",)
    return _new(NameLayer, (path, roles, names, tuple([shapes[name] for name in names]), members[0][2]))


def _without_dimensions(layers: list[NameLayer]) -> list[NameLayer]:
    """Return layers with ``conv2d`` as one word, beside a ``conv2d_1``: its number counts axes, not layers."""
    words = {piece.word for layer in layers for piece in layer.path}
    wholes = {
        piece: Piece(whole)
        for piece in {piece for layer in layers for piece in layer.path if piece.letter == ord("d")}
        for whole in (f"{piece.word}{piece.number}d",)
        if whole in words
    }
    if not wholes:
        return layers
    return [layer._replace(path=tuple([wholes.get(piece, piece) for piece in layer.path])) for layer in layers]


def _with_scales(layers: list[NameLayer]) -> list[NameLayer]:
    """Return layers with mean and variance joined to the scale and bias that are named as a layer of their own.

    The names of the two differ in one word, and all that have mean and variance alone have such a partner.
    """
    halves = [layer for layer in layers if layer.roles in _STATISTICS]
    if not halves:
        return layers
    affine = {layer.path: layer for layer in layers if set(layer.roles) == {"weight", "bias"}}
    words = {piece.word for path in affine for piece in path}
    renamings = [(old, new) for old in {piece.word for piece in halves[0].path} for new in words - {old}]
    found = [partners for old, new in renamings for partners in (_partners(halves, affine, old, new),) if partners]
    if len(found) != 1:
        return layers
    taken = {partner.path for partner in found[0].values()}
    return [_joined(layer, found[0].get(layer.path)) for layer in layers if layer.path not in taken]


def _partners(
    halves: Sequence[NameLayer], affine: Mapping[Path, NameLayer], old: str, new: str
) -> dict[Path, NameLayer]:
    """Return for each half the layer with another word in its name, empty unless all have one of their size."""
    partners = {}
    for half in halves:
        partner = affine.get(tuple([p._replace(word=new) if p.word == old else p for p in half.path]))
        if partner is None or set(partner.shapes) != set(half.shapes):
            return {}
        partners[half.path] = partner
    return partners


def _joined(layer: NameLayer, other: NameLayer | None) -> NameLayer:
    if other is None or layer.roles not in _STATISTICS:
        return layer
    return NameLayer(
        layer.path,
        other.roles + layer.roles,
        other.parameters + layer.parameters,
        other.shapes + layer.shapes,
        min(layer.position, other.position),
    )


def path_of_name(name: str) -> tuple[Piece, ...]:
    """Return the words and numbers of a parameter's name, without its role."""
    return _read_name(name)[2]


def is_role_told(name: str) -> bool:
    """Return whether a parameter's name says what it is in its layer."""
    return _read_name(name)[1] is not None


@lru_cache(maxsize=4096)
def _read_name(name: str) -> tuple[tuple[str, ...], Role | None, Path]:
    """Return the words of a name that say which layer it belongs to, its role there if told, and their pieces."""
    words, role = split_role(_words_of_name(name))
    return words, role, _pieces_of_words(words)


def _words_of_name(name: str) -> list[str]:
    for start in FILE_PREFIXES:
        if name.startswith(start):
            name = name[len(start) :]
    head, colon, tail = name.rpartition(":")
    if colon and tail.isdigit():  # the output of a TensorFlow variable
        name = head
    # A number after an underscore belongs to the word before it: conv_1 is conv1.
    name = _COUNTED.sub(r"\1\2", name)
    return [word for word in _SEPARATOR.split(name) if word]


def _pieces_of_words(words: Iterable[str]) -> tuple[Piece, ...]:
    """Return each word with the number behind it apart."""
    return tuple(map(_piece_of_word, words))


@lru_cache(maxsize=4096)
def _piece_of_word(word: str) -> Piece:
    found = None if _KERNEL_SIZE.match(word) else _NUMBERED.match(word)
    if found is None:
        return Piece(word.lower())
    text, number, letter = found.groups()
    return Piece(text.lower(), int(number), ord(letter) if letter else -1)


def in_file_order(layers: Sequence[NameLayer], shapes: Mapping[str, Shape]) -> bool:
    """Whether the order of a file can be the order in which its network was defined.

    It is not where the parameters of one layer lie apart (arguments and auxiliary states are listed apart by
    some, so only weight with bias and mean with variance count), or where numbers fall more often than not. Names that
    are counted down from end to end, as those of a decoder may be, are in order where such parameters lie together.
    """
    known = {name for layer in layers for name in layer.parameters}
    position_of_name = dict(zip([name for name in shapes if name in known], count()))
    together = apart = 0
    pairs_of_roles: dict[tuple[Role, ...], list[tuple[int, int]]] = {}
    for layer in layers:
        pairs = pairs_of_roles.get(layer.roles)
        if pairs is None:
            pairs = pairs_of_roles[layer.roles] = _parts_of_one_list(layer.roles)
        for one, other in pairs:
            names = layer.parameters
            is_adjacent = position_of_name[names[one]] - position_of_name[names[other]] in (1, -1)
            together, apart = together + is_adjacent, apart + (not is_adjacent)
    last: dict[tuple[str, ...], Path] = {}
    steps: dict[tuple[str, ...], list[bool]] = {}  # whether numbers rise, from one name of the same words to the next
    for layer in layers:
        path = layer.path
        stem = next(zip(*path), ())
        before = last.get(stem)
        if before is not None and before != path:
            steps.setdefault(stem, []).append(before < path)
        last[stem] = path
    counted_down = [own for own in steps.values() if together and len(own) > 1 and not any(own)]
    rising = sum(map(sum, steps.values()))
    falling = sum(map(len, steps.values())) - rising - sum(map(len, counted_down))
    return apart * 10 <= together + apart and falling * 4 <= rising + falling


def _parts_of_one_list(roles: Sequence[Role]) -> list[tuple[int, int]]:
    """Return the numbers of two parameters of a layer that every order of definition has side by side."""
    found = (("weight", "bias"), ("mean", "var"))
    return [(roles.index(one), roles.index(other)) for one, other in found if one in roles and other in roles]
