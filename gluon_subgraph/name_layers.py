"""Layers of a network of which only the names and shapes of its parameters are known.

A parameter's name ends in a word for its role (``weight``, ``gamma``, ``running_mean``) and begins with the name of
the layer it belongs to; parameters with one beginning are a layer. Nothing else is read out of a name here than
words and numbers: which words are alike, and what a number means, is decided where two networks meet.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count
from typing import Iterable, Mapping, NamedTuple, Sequence, Tuple

from .params_file import FILE_PREFIXES
from .sides import Shape

__all__ = ["NameLayer", "Piece", "Role", "read_name_layers", "path_of_name", "in_file_order"]

Role = str  # "weight", "bias", "mean" or "var"

_ROLE_OF_WORD: dict[str, Role] = {
    **dict.fromkeys(("weight", "weights", "kernel", "w", "gamma", "scale", "alpha", "slope", "filter"), "weight"),
    **dict.fromkeys(("bias", "biases", "b", "beta", "offset", "shift"), "bias"),
    **dict.fromkeys(("mean", "mu"), "mean"),
    **dict.fromkeys(("var", "variance"), "var"),
}
# These say what they are even when they are not the last word (``weight_ih_l0``).
_ROLE_ANYWHERE = frozenset({"weight", "kernel", "bias", "gamma", "beta"})
_STATISTICS = (("mean", "var"), ("var", "mean"))
_BEFORE_STATISTICS = frozenset({"running", "moving", "pop", "global", "batch"})
_COUNTERS = ("num_batches_tracked", "num_updates", "global_step")
_SEPARATOR = re.compile(r"[^0-9A-Za-z]+")
_NUMBERED = re.compile(r"(.*?)(\d+)([a-z]?)$")
_COUNTED = re.compile(r"([A-Za-z])_(\d+)(?=[_./:]|$)")
_new = tuple.__new__  # a named tuple's own constructor takes twice as long
_KERNEL_SIZE = re.compile(r".*\d+x\d+[a-z]*$")  # 3x3 counts nothing


class Piece(NamedTuple):
    """One word of a name with the number, and the letter of the alphabet, behind it; -1 without one."""

    word: str
    number: int = -1
    letter: int = -1


Path = Tuple[Piece, ...]


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

    Counters such as ``num_batches_tracked`` are no parameters and belong to no layer.

    Examples
    --------
    >>> layers = read_name_layers({"net.conv1.weight": (8, 3, 3, 3), "net.conv1.bias": (8,)})
    >>> [(layer.path, layer.roles) for layer in layers]
    [((Piece(word='net', number=-1, letter=-1), Piece(word='conv', number=1, letter=-1)), ('weight', 'bias'))]
    """
    members: dict[tuple[str, ...], dict[Role, str]] = {}
    found: list[tuple[Path, dict[Role, str], int]] = []
    for position, name in enumerate(shapes):
        words, role, path = _read_name(name)
        if not role:
            continue
        own = members.get(words)
        if own is not None and role in own:  # a second of this role is a layer by itself
            words = tuple(_words_of_name(name))
            while words in members:
                words = (*words, name)
            path = _pieces_of_words(words)
            own = None
        if own is None:
            members[words] = own = {}
            found.append((path, own, position))
        own[role] = name
    layers = []
    for path, name_of_role, position in found:
        names = tuple(name_of_role.values())
        # One name alone is a weight, whatever it is: there is nothing to tell a role from.
        roles = tuple(name_of_role) if len(names) > 1 else ("weight",)
        layer_shapes = tuple([shapes[name] for name in names])
        layers.append(_new(NameLayer, (path, roles, names, layer_shapes, position)))
    return _with_scales(layers)


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


@lru_cache(maxsize=4096)
def _read_name(name: str) -> tuple[tuple[str, ...], Role, Path]:
    """Return the words of a name that say which layer it belongs to, its role there, "" for none, and their pieces."""
    words, role = _split_role(name)
    return words, "" if name.endswith(_COUNTERS) else role, _pieces_of_words(words)


def _split_role(name: str) -> tuple[tuple[str, ...], Role]:
    words = _words_of_name(name)
    lower = [word.lower() for word in words]
    if not words:
        return (), "weight"
    role = _ROLE_OF_WORD.get(lower[-1])
    if role is not None:
        rest = words[:-1]
        if role in ("mean", "var") and rest and lower[-2] in _BEFORE_STATISTICS:
            rest = rest[:-1]
        return tuple(rest), role
    for i in range(len(words) - 2, -1, -1):
        if lower[i] in _ROLE_ANYWHERE:
            return tuple(words[:i] + words[i + 1 :]), _ROLE_OF_WORD[lower[i]]
    return tuple(words), "weight"


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
    position_of_name = dict(zip([name for name in shapes if not name.endswith(_COUNTERS)], count()))
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
