"""Checkpoints in: a symbol file and a parameter file, checked before MXNet sees them."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import mxnet as mx

from .attributes import check_node_attributes
from .codec import dump_json, json_of_symbol
from .errors import SubgraphError, mxnet_reason, shorten
from .graph import VARIABLE
from .lazy_values import check_is_file
from .missing_operators import ATTRIBUTE_KEYS, missing_operators, without_missing
from .value_files import StoredArray, open_values_file, stored_arrays

__all__ = ["load_checkpoint_files", "load_symbol_file", "load_values_file"]

_NO_CUSTOM_OPERATOR = re.compile(r"Cannot find custom operator (.+)")


def load_checkpoint_files(symbol_file: str, params_file: str) -> tuple[mx.sym.Symbol, dict[str, StoredArray]]:
    """Return the Symbol and the arrays of a pair of files, such as `HybridBlock.export` writes.

    Parameters
    ----------
    symbol_file, params_file : str
        Paths of a ``-symbol.json`` and a ``.params``, ``.npz`` or ``.safetensors`` file. Names in the latter may
        carry ``arg:`` and ``aux:``.

    Returns
    -------
    symbol : Symbol
        With variables where MXNet lacks an operator; `missing_operators.missing_in` finds them.
    values : dict of str to StoredArray
        Read from the file when a Parameter is made of them.

    Raises
    ------
    SubgraphError
        A file is missing, is not what it should be, or describes a graph that would crash MXNet.
    """
    symbol = load_symbol_file(symbol_file, in_part=True)
    return symbol, load_values_file(params_file)


def load_symbol_file(path: str, *, in_part: bool = False) -> mx.sym.Symbol:
    """Return the Symbol of a file, checked before MXNet reads it.

    With `in_part`, variables take the place of operators that this MXNet lacks, which are refused otherwise.

    Raises
    ------
    SubgraphError
        The file is missing, is no symbol, or describes a graph that would crash MXNet.
    """
    check_is_file(path)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError:
        raise _not_a_symbol(path, "It is not text (are the two files swapped?).") from None
    return _load_symbol(text, path, in_part)


def load_values_file(path: str) -> dict[str, StoredArray]:
    """Return the arrays of a ``.params``, ``.npz`` or ``.safetensors`` file by name, none of them read.

    Raises
    ------
    SubgraphError
        The file is missing, damaged, of another format, or holds arrays without names.
    """
    return stored_arrays(open_values_file(path))


def _load_symbol(text: str, path: str, in_part: bool) -> mx.sym.Symbol:
    whole = _checked_structure(text, path)
    known = frozenset(mx.operator.get_all_registered_operators())
    absent: set[str] = set()
    while True:  # MXNet names one custom operator that is absent at a time
        missing = missing_operators(whole, known, absent)
        if missing and not in_part:
            raise _is_not_whole(path, whole, missing)
        data = without_missing(whole, missing) if missing else whole
        try:
            _check_outputs_read(data, path)
            return mx.sym.load_json(dump_json(data))  # not the text: of a key that stands twice, MXNet reads both
        except mx.MXNetError as error:
            found = _NO_CUSTOM_OPERATOR.search(str(error))
            if found is None or found.group(1) in absent:
                raise _not_a_symbol(path, mxnet_reason(error)) from None
            absent.add(found.group(1))


def _is_not_whole(path: str, data: dict[str, Any], missing: dict[int, str]) -> SubgraphError:
    named = [f"{data['nodes'][i]['name']} ({op})" for i, op in missing.items()]
    return SubgraphError(
        f"{path!r} has {len(missing)} operators that this MXNet lacks: {shorten(named)}.\n"
        "  A piece that does not need them can be cut: extract((symbol file, params file), inputs, outputs).\n"
        "  Nothing was loaded."
    )


def _not_a_symbol(path: str, reason: str) -> SubgraphError:
    return SubgraphError(
        f"{path!r} is not an MXNet symbol file.\n  {reason}\n  Fetch or save it again. Nothing was loaded."
    )


def _checked_structure(text: str, path: str) -> dict[str, Any]:
    """Return the data of Symbol JSON in which every graph is a list of nodes with inputs that come before them.

    MXNet checks neither node numbers nor output indices: a wrong one ends the process.
    """
    try:
        data = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise _not_a_symbol(path, f"It is not JSON: {error}.") from None
    graphs = [data]
    for graph in graphs:  # grows while it is read
        nodes = graph.get("nodes") if isinstance(graph, dict) else None
        if not isinstance(nodes, list) or not nodes:
            raise _not_a_symbol(path, "It has no list of nodes.")
        for i, node in enumerate(nodes):
            _check_node(node, i, path)
        heads = graph.get("heads")
        if not heads:
            raise _not_a_symbol(path, "It has no 'heads'.")
        _check_entries(heads, len(nodes), "the list of heads", path)
        _check_variables(graph.get("arg_nodes", []), len(nodes), path)
        graphs.extend(body for node in nodes for body in node.get("subgraphs", ()))
    return data


def _check_outputs_read(data: dict[str, Any], path: str) -> None:
    """Refuse, in the graph and in every control-flow body, an output index that the operator does not have."""
    graphs = [data]
    to_count = []
    for graph in graphs:  # grows while it is read
        entries = [*graph["heads"], *(entry for node in graph["nodes"] for entry in node["inputs"])]
        if any(entry[1] for entry in entries):
            to_count.append(graph)
        graphs.extend(body for node in graph["nodes"] for body in node.get("subgraphs", ()))
    for graph in reversed(to_count):  # inner bodies first: the text of an outer graph contains them
        _check_output_indices({"attrs": data.get("attrs", {}), **graph}, path)


def _check_node(node: Any, index: int, path: str) -> None:
    if not (
        isinstance(node, dict) and isinstance(node.get("op"), str) and node["op"] and isinstance(node.get("name"), str)
    ):
        raise _not_a_symbol(path, f"Node {index} has no 'op' or no 'name'.")
    title = f"node {node['name']!r}"
    _check_entries(node.get("inputs"), index, title, path)
    if node["op"] == VARIABLE and node["inputs"]:
        raise _not_a_symbol(path, f"{title} is a variable, and yet has inputs.")
    if not isinstance(node.get("subgraphs", []), list):
        raise _not_a_symbol(path, f"The bodies of {title} are no list.")
    if node.get("control_deps"):
        raise _not_a_symbol(path, f"{title} has 'control_deps', which no Symbol has.")
    for key in ATTRIBUTE_KEYS:
        attrs = node.get(key, {})
        if not (isinstance(attrs, dict) and all(isinstance(value, str) for value in attrs.values())):
            raise _not_a_symbol(path, f"The {key!r} of {title} are no mapping of name to text.")
        check_node_attributes(node["op"], node["name"], attrs, len(node["inputs"]))


def _check_entries(entries: Any, bound: int, where: str, path: str) -> None:
    if not isinstance(entries, list):
        raise _not_a_symbol(path, f"The inputs of {where} are no list.")
    for entry in entries:
        if not (isinstance(entry, list) and 2 <= len(entry) <= 3 and all(type(k) is int for k in entry)):
            raise _not_a_symbol(path, f"{where} reads {entry!r}, which is no [node, output, version].")
        if not 0 <= entry[0] < bound or entry[1] < 0:
            raise _not_a_symbol(
                path, f"{where} reads node {entry[0]}, output {entry[1]}; {bound} nodes come before it."
            )


def _check_variables(numbers: Any, bound: int, path: str) -> None:
    if not isinstance(numbers, list) or not all(type(k) is int and 0 <= k < bound for k in numbers):
        raise _not_a_symbol(path, f"'arg_nodes' names nodes outside 0 to {bound - 1}.")


def _check_output_indices(whole: dict[str, Any], path: str) -> None:
    """Refuse an output index that the operator does not have.

    How many outputs a node has only MXNet knows. It is asked with a harmless twin of the graph, in which
    every index is 0 and every node is returned.
    """
    data = copy.deepcopy(whole)
    wanted: list[tuple[int, int]] = [(n, i) for n, i, *_ in data["heads"]]
    for node in data["nodes"]:
        wanted += [(n, i) for n, i, *_ in node["inputs"]]
        node["inputs"] = [[n, 0, *rest] for n, _, *rest in node["inputs"]]
    data["heads"] = [[n, 0, 0] for n in range(len(data["nodes"]))]
    counted = json.loads(json_of_symbol(mx.sym.load_json(dump_json(data))), strict=False)
    row_ptr = counted["node_row_ptr"]
    counts = {head[0]: row_ptr[head[0] + 1] - row_ptr[head[0]] for head in counted["heads"]}
    count_of_node = [counts[head[0]] for head in counted["heads"]]
    for node, index in wanted:
        if index >= count_of_node[node]:
            name = data["nodes"][node]["name"]
            raise _not_a_symbol(path, f"It reads output {index} of {name!r}, which has {count_of_node[node]}.")
