"""A fused RNN of several layers or both directions as one RNN per layer and direction.

mx.onnx translates two layers as though the first read as many features as it returns, both directions of one layer of
LSTM only, and no third layer. One layer in one direction it translates rightly.
"""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple, Sequence

from .graph import Entry

__all__ = ["is_stacked", "write_stacked"]

Add = Callable[[str, Sequence[Entry], Mapping[str, str]], Entry]

_GATES = {"lstm": 4, "gru": 3}
_OFF = ("False", "None", "0")


def is_stacked(attrs: Mapping[str, str], shape: Sequence[int]) -> bool:
    """Return whether an RNN that reads `shape` has several layers or directions, and nothing else that is special."""
    is_special = any(attrs.get(name, "None") not in _OFF for name in ("projection_size", "use_sequence_length"))
    count = int(attrs.get("num_layers", "1")) * _directions(attrs)
    return len(shape) == 3 and count > 1 and not is_special


def write_stacked(add: Add, inputs: Sequence[Entry], attrs: Mapping[str, str], features: int) -> list[Entry]:
    """Add an RNN per layer and direction; return the entries of the sequence and of each state.

    Parameters
    ----------
    add : callable
        Adds a node of an operator, its inputs and its attributes; returns the entry of its first output.
    inputs : sequence of Entry
        The sequence (length, batch, features), the parameters in one array, the state and, of LSTM, the cell state.
    attrs : mapping of str to str
        Of the fused RNN.
    features : int
        How many features the sequence has.
    """
    data, parameters, *states = inputs
    directions = _directions(attrs)
    alone = {**attrs, "num_layers": "1", "bidirectional": "False", "state_outputs": "True"}
    final: list[list[Entry]] = [[] for _ in states]
    made: list[Entry] = []
    for number, place in enumerate(_places(attrs, features)):
        is_backward = number % directions == 1
        parts = [_sliced(add, parameters, place.weights), _sliced(add, parameters, place.biases)]
        own = [add("Concat", parts, {"dim": "0", "num_args": "2"})]
        own += [_sliced(add, state, (number, number + 1)) for state in states]
        read = add("reverse", [data], {"axis": "0"}) if is_backward else data
        layer = add("RNN", [read, *own], alone)
        for index, ends in enumerate(final):
            ends.append(Entry(layer.node, index + 1))
        made.append(add("reverse", [layer], {"axis": "0"}) if is_backward else layer)
        if len(made) == directions:
            data = add("Concat", made, {"dim": "2", "num_args": "2"}) if directions == 2 else made[0]
            made = []
    return [data, *(add("Concat", ends, {"dim": "0", "num_args": str(len(ends))}) for ends in final)]


class _Place(NamedTuple):
    """Where the weights and the biases of one layer in one direction begin and end."""

    weights: tuple[int, int]
    biases: tuple[int, int]


def _places(attrs: Mapping[str, str], features: int) -> list[_Place]:
    """Return the place of each layer and direction: MXNet lays all weights before all biases."""
    size, directions = int(attrs["state_size"]), _directions(attrs)
    rows = _GATES.get(attrs.get("mode", ""), 1) * size
    read = [features] * directions + [directions * size] * (directions * (int(attrs.get("num_layers", "1")) - 1))
    bounds = [0]
    for columns in read:
        bounds.append(bounds[-1] + rows * (columns + size))
    ends = [bounds[-1] + 2 * rows * number for number in range(len(read) + 1)]
    return [_Place(*pair) for pair in zip(zip(bounds, bounds[1:]), zip(ends, ends[1:]))]


def _directions(attrs: Mapping[str, str]) -> int:
    return 2 if attrs.get("bidirectional", "False") in ("True", "1") else 1


def _sliced(add: Add, entry: Entry, place: tuple[int, int]) -> Entry:
    return add("slice_axis", [entry], {"axis": "0", "begin": str(place[0]), "end": str(place[1])})
