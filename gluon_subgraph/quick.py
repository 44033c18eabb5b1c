"""The common cut, on MXNet's own text: no Graph is built unless somebody asks for it.

Most pieces need none of what a Graph is for: their names are unmistakable, the cut is closed, nothing is renamed.
Each function here returns such a piece, or None wherever anything at all is unusual; the full route then decides,
and explains. A test holds the two routes together.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple, Sequence

import mxnet as mx

from .codec import json_of_symbol
from .graph import VARIABLE
from .losses import LOSS_HEADS
from .network import Network

__all__ = ["QuickPiece", "quick_piece", "text_from"]

_SUFFIX = "_output"
_MOST_STARTS = 8  # each is searched for in the whole text
_NODE, _NODE_END = '\n    {\n      "op": "', "\n    }"  # as MXNet indents them; attributes stand further in


class QuickPiece(NamedTuple):
    """A piece as a Symbol, and the names of its inputs."""

    symbol: mx.sym.Symbol
    input_names: list[str]


def quick_piece(network: Network, inputs: Any, outputs: Any) -> QuickPiece | None:
    """Return the piece between tensors that are named plainly, or None for the full route.

    Parameters
    ----------
    network : Network
        A network traced from blocks that make operators: what came from a file or a backend gets every check.
    inputs, outputs : str or list of str
        Names of operators with one output, or of the network's data inputs.
    """
    starts = [inputs] if isinstance(inputs, str) else inputs
    ends = [outputs] if isinstance(outputs, str) else outputs
    for names in (starts, ends):
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            return None
    if not network.is_plain or network.is_np:
        return None
    internals = network.symbol.get_internals()
    listed = internals.list_outputs()
    where = _Names(network, listed)
    found_starts, found_ends = [where.find(n) for n in starts], [where.find(n) for n in ends]
    if None in found_starts or None in found_ends or set(found_starts) & set(found_ends):
        return None
    if len(set(found_starts)) < len(found_starts):
        return None
    ending = [internals[where.position_of[n]] for n in found_ends if n is not None]
    symbol = ending[0] if len(ending) == 1 else mx.sym.Group(ending, type(ending[0]))
    started = [n for n in found_starts if n is not None]
    inner = [n for n in started if n.endswith(_SUFFIX)]
    if inner and len(inner) < len(started):
        return None
    return (_from_within if inner else _from_the_front)(network, symbol, started)


class _Names:
    """Finds the one output that a plain name can mean."""

    def __init__(self, network: Network, listed: Sequence[str]) -> None:
        self.network = network
        self.listed = listed
        self.position_of = {name: i for i, name in enumerate(listed)}
        self.count_of = Counter(listed)
        self.paths = network.paths

    def find(self, name: str) -> str | None:
        """Return the listed output `name` means; None where there is none, or room for doubt."""
        stem = name[: -len(_SUFFIX)] if name.endswith(_SUFFIX) else name
        spellings = [n for n in dict.fromkeys((stem, self.network.prefix + stem)) for n in (n, n + _SUFFIX)]
        found = [n for n in spellings if n in self.position_of]
        if len(found) != 1 or self.count_of[found[0]] != 1 or not self.paths.isdisjoint(spellings):
            return None
        output = found[0]
        own = (output[: -len(_SUFFIX)] if output.endswith(_SUFFIX) else output) + "_"
        # The list does not say which node owns an output. A node's outputs stand side by side and begin with its
        # name, so that a neighbour which begins alike may be a second output of the same node.
        position = self.position_of[output]
        beside = [*self.listed[max(0, position - 1) : position], *self.listed[position + 1 : position + 2]]
        return None if any(n.startswith(own) for n in beside) else output


def _from_the_front(network: Network, symbol: mx.sym.Symbol, starts: list[str]) -> QuickPiece | None:
    """Return a piece that begins at the network's own inputs: it shares the network's nodes."""
    needed = symbol.list_inputs()
    if len(set(needed)) < len(needed):
        return None
    data = [n for n in needed if n not in network.parameters]
    return QuickPiece(symbol, starts) if sorted(data) == sorted(starts) else None


def _from_within(network: Network, symbol: mx.sym.Symbol, starts: list[str]) -> QuickPiece | None:
    """Return a piece that begins at inner tensors, cut out of the text of `symbol`."""
    text = json_of_symbol(symbol)
    if len(starts) > _MOST_STARTS or '"subgraphs"' in text or any(f'"op": "{op}"' in text for op in LOSS_HEADS):
        return None
    cut_text = text_from(text, starts)
    if cut_text is None:
        return None
    piece = mx.sym.load_json(cut_text)
    needed = piece.list_inputs()
    given = set(starts)
    if len(set(needed)) < len(needed) or not given.issubset(needed):
        return None
    if not all(n in given or n in network.parameters for n in needed):
        return None  # a path leads around the starts, to a data input or to what was left out
    return QuickPiece(piece, starts)


def text_from(text: str, starts: Sequence[str]) -> str | None:
    """Return Symbol JSON in which the operators that compute `starts` are variables; None where one is in doubt.

    MXNet writes one node after the other, each behind those it reads, and drops what nothing reads when it loads
    them. So the nodes that are not wanted need only be replaced by something short: no number has to change.
    """
    spans = []
    for start in starts:
        name = f'\n      "name": {json.dumps(start[: -len(_SUFFIX)], ensure_ascii=False)}, \n'
        position = text.find(name)
        if position < 0 or text.find(name, position + 1) >= 0:
            return None
        begin, end = text.rfind(_NODE, 0, position + 1), text.find(_NODE_END, position)
        index = text.count(_NODE, 0, begin)
        reads_other_outputs = text.count(f"[{index}, ") != text.count(f"[{index}, 0, ")  # or a list looks like it
        if reads_other_outputs or text.startswith(VARIABLE, begin + len(_NODE)):
            return None
        spans.append((begin, end + len(_NODE_END), index, _variable_text(start)))
    spans.sort()
    parts = [text[: text.index(_NODE)], (_variable_text("") + ",") * spans[0][2]]
    following = [*(begin for begin, *_ in spans[1:]), len(text)]
    for (_, end, _, variable), begin in zip(spans, following):
        parts += [variable, text[end:begin]]
    return "".join(parts)


def _variable_text(name: str) -> str:
    return f'{{"op": "{VARIABLE}", "name": {json.dumps(name, ensure_ascii=False)}, "inputs": []}}'
