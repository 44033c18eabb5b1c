"""Symbol JSON as columns, by Python's own reader.

The text to read, the oracle of the tests, and the fallback; `_symbol_text.pyx` has the same function under the same
contract, and the two change together.
"""

from __future__ import annotations

import json
from array import array
from itertools import accumulate
from typing import Any, NamedTuple

__all__ = ["SymbolText", "read_symbol_text"]


class SymbolText(NamedTuple):
    """The nodes of a symbol, by column.

    Attributes
    ----------
    ops, names : list of str
    attrs : list of dict of str to str
        Nodes may share one; nobody edits it.
    sources, numbers : array of int
        What all nodes read, one node after the other: outputs of these nodes, with these numbers.
    begins : array of int
        Where among them the inputs of each node begin; one more item says where those of the last end.
    bodies : dict of int to tuple of dict
        Of nodes with control flow, as they were read.
    rest : dict of str to Any
        All that the text says besides the nodes: ``heads``, ``node_row_ptr``, ``attrs``.
    """

    ops: list[str]
    names: list[str]
    attrs: list[dict[str, str]]
    sources: array[int]
    numbers: array[int]
    begins: array[int]
    bodies: dict[int, tuple[Any, ...]]
    rest: dict[str, Any]


def read_symbol_text(text: str) -> SymbolText:
    """Return the columns of Symbol JSON; control characters in it are taken as they are.

    Raises
    ------
    json.JSONDecodeError
        It is no JSON.
    """
    rest = json.loads(text, strict=False)
    nodes = rest.pop("nodes")
    entries = [entry for node in nodes for entry in node["inputs"]]
    return SymbolText(
        [node["op"] for node in nodes],
        [node["name"] for node in nodes],
        [node.get("attrs", {}) for node in nodes],
        array("i", [entry[0] for entry in entries]),
        array("i", [entry[1] for entry in entries]),
        array("i", accumulate([0, *(len(node["inputs"]) for node in nodes)])),
        {i: tuple(node["subgraphs"]) for i, node in enumerate(nodes) if node.get("subgraphs")},
        rest,
    )
