"""What a user calls a tensor, and which entry of the graph that is.

A tensor has several names: the node's (``conv0_fwd``), the output's (``conv0_fwd_output``), either without the
network's prefix, the path of the block that returns it (``features.5``). Real graphs repeat them, so every name
is looked up in all its meanings at once, and more than one entry is an error that lists the candidates.
``name#2`` is the second of several things of that name.
"""

from __future__ import annotations

import operator
import os
import re
from collections import defaultdict
from typing import Any, Collection, Iterable, Sequence

from .errors import UnknownNodeError, kind_of, nearest_names, shorten
from .graph import CONTROL_FLOW, Call, Entry, Graph, owner_of_body_node

__all__ = ["NameIndex", "common_prefix"]

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SUFFIX = "_output"


class NameIndex:
    """Finds entries by name, and names entries so that the name finds them again.

    Parameters
    ----------
    graph : Graph
        The graph the names belong to.
    prefix : str
        Prefix of the network, which a name may leave out.
    calls : iterable of Call
        The calls of the network's blocks, in the order they happened.
    title : str
        What messages call the network.
    """

    def __init__(self, graph: Graph, prefix: str = "", calls: Iterable[Call] = (), title: str = "network") -> None:
        self.graph = graph
        self.prefix = prefix
        self.title = title
        self._nodes_of_name: dict[str, list[int]] = defaultdict(list)
        self._entries_of_output: dict[str, list[Entry]] = defaultdict(list)
        for i, node in enumerate(graph.nodes):
            self._nodes_of_name[node.name].append(i)
            for j in range(node.output_count):
                entry = Entry(i, j)
                self._entries_of_output[self._output_name(entry)].append(entry)
        self._calls_of_path: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            self._calls_of_path[call.path].append(call)
        self._meanings_of_name: dict[str, _Meanings] = {}

    def find(self, reference: str | tuple[str, int]) -> Entry:
        """Return the entry that `reference` names.

        Raises
        ------
        UnknownNodeError
            Nothing has that name, or several things have, or the index is out of range.
        """
        if isinstance(reference, tuple):
            return self._find_output(*self._checked_pair(reference))
        if not isinstance(reference, str):
            raise self._not_a_name(reference)
        for name in self._spellings(reference):
            entries = sorted({e for meant in self._meanings(name).first for e in meant})
            if len(entries) == 1:
                return entries[0]
            if entries:
                raise self._ambiguous(repr(reference), entries)
        raise self._unknown(reference)

    def name_of(self, entry: Entry) -> str:
        """Return the shortest name of `entry` that `find` takes for it and nothing else."""
        node = self.graph.nodes[entry.node]
        options = [self._output_name(entry)]
        if len(node.outputs) == 1 and entry.index == 0:
            options.insert(0, node.name)
        for option in options:
            if self._meanings(option).first == [(entry,)]:
                return option
        return self._numbered(options[0], (entry,))

    def output_name(self, entry: Entry) -> str:
        """Return the output name of `entry`, with ``#k`` where it alone says too little."""
        return self._numbered(self._output_name(entry), (entry,))

    def node_name(self, index: int) -> str:
        """Return the name of a node, with ``#k`` where other things have it too."""
        node = self.graph.nodes[index]
        return self._numbered(node.name, tuple([Entry(index, j) for j in range(len(node.outputs))]))

    def variable_name(self, entry: Entry) -> str:
        """Return the name of the variable that takes the place of `entry` when a cut goes through it."""
        node = self.graph.nodes[entry.node]
        return node.name if node.is_variable else self.output_name(entry)

    def _output_name(self, entry: Entry) -> str:
        """Return the name the graph gives an output; a hidden one has none, so it is numbered."""
        node = self.graph.nodes[entry.node]
        return node.outputs[entry.index] if entry.index < len(node.outputs) else f"{node.name}_output{entry.index}"

    def _numbered(self, name: str, entries: tuple[Entry, ...]) -> str:
        """Return `name`, followed by as many ``#k`` as it takes to mean `entries` and nothing else."""
        while self._meanings(name).first != [entries]:
            name = f"{name}#{self._meanings(name).number_of[entries]}"
        return name

    def find_in_calls(self, calls: Sequence[Call], index: Any = None, *, what: str) -> Entry:
        """Return the entry that a block returns; `index` chooses among several outputs.

        Raises
        ------
        UnknownNodeError
            The block was called several times, returns several values, or `index` is out of range.
        """
        entries = list(dict.fromkeys(call.outputs for call in calls))
        if len(entries) > 1:
            values = [self.name_of(e) for e in dict.fromkeys(e for outputs in entries for e in outputs)]
            msg = (
                f"{what} is called {len(calls)} times, with {len(entries)} different results.\n"
                f"  They are {shorten(values, 6)}.\n"
                "  Name the one you mean; nothing was changed."
            )
            raise UnknownNodeError(msg, tuple(values))
        outputs = entries[0]
        if index is None and len(set(outputs)) == 1:
            return outputs[0]
        if index is None:
            msg = (
                f"{what} returns {len(outputs)} values.\n"
                f"  They are {shorten([self.name_of(e) for e in dict.fromkeys(outputs)], 6)}.\n"
                "  Name one of them, or give (block, index); nothing was changed."
            )
            raise UnknownNodeError(msg)
        if not 0 <= index < len(outputs):
            raise self._out_of_range(what, index, len(outputs))
        return outputs[index]

    def _spellings(self, name: str) -> Iterable[str]:
        """Yield `name` as it may stand in the graph, the most literal first."""
        yield name
        if self.prefix:
            yield self.prefix + name
        base, hash_sign, k = name.rpartition("#")
        if not (hash_sign and _NUMBER.fullmatch(k)):
            base, hash_sign, k = name, "", ""
        stem = base[: -len(_SUFFIX)] if base.endswith(_SUFFIX) else base + _SUFFIX
        if stem:
            yield stem + hash_sign + k
            yield self.prefix + stem + hash_sign + k

    def _meanings(self, name: str) -> _Meanings:
        """Return what `name` may mean exactly as it is spelled.

        ``x#2`` is the second meaning of ``x``, besides whatever is literally called ``x#2``; the number of an only
        meaning may be there and says nothing.
        """
        known = self._meanings_of_name
        if name not in known:
            spelled = ""
            for position, part in enumerate(name.split("#")):
                before = known.get(spelled) if position else None
                spelled = f"{spelled}#{part}" if position else part
                if spelled not in known:
                    named = self._nodes_and_blocks(spelled)
                    found = dict(named)
                    found.update(((e,), None) for e in self._entries_of_output.get(spelled, ()) if (e,) not in named)
                    if before and (len(before.in_order) > 1 or not found) and _NUMBER.fullmatch(part):
                        found = {**before.numbered(int(part)), **found}
                    known[spelled] = _Meanings(found, named if spelled in self._nodes_of_name else found)
        return known[name]

    def _nodes_and_blocks(self, name: str) -> dict[tuple[Entry, ...], int | None]:
        found: dict[tuple[Entry, ...], int | None] = {c.outputs: None for c in self._calls_of_path.get(name, ())}
        for i in self._nodes_of_name.get(name, ()):
            found[tuple([Entry(i, j) for j in range(len(self.graph.nodes[i].outputs))])] = i
        return found

    def _find_output(self, name: str, index: int) -> Entry:
        """Return output `index` of the node, or of the block, called `name`; hidden outputs of a node count."""
        for spelling in self._spellings(name):
            meanings = self._meanings(spelling)
            counts = []
            found = set()
            for entries in meanings.first:
                node = meanings.node_of[entries]
                first = entries[0]
                if (
                    node is None
                    and len(entries) == 1
                    and first.index == 0
                    and len(self.graph.nodes[first.node].outputs) == 1
                ):
                    node = first.node  # the one output of a node stands for the node
                counts.append(len(entries) if node is None else self.graph.nodes[node].output_count)
                if 0 <= index < counts[-1]:
                    found.add(entries[index] if node is None else Entry(node, index))
            if len(found) == 1:
                return found.pop()
            if found:
                raise self._ambiguous(repr((name, index)), sorted(found))
            if counts:
                raise self._out_of_range(repr(name), index, max(counts))
        raise self._unknown(name)

    def _checked_pair(self, reference: tuple[Any, ...]) -> tuple[str, int]:
        if len(reference) == 2 and isinstance(reference[0], str) and not isinstance(reference[1], bool):
            try:
                return reference[0], operator.index(reference[1])
            except TypeError:
                pass
        raise self._not_a_name(reference)

    def _not_a_name(self, reference: Any) -> UnknownNodeError:
        return UnknownNodeError(
            f"{reference!r} ({kind_of(reference)}) does not name a tensor.\n"
            "  A tensor is named by a string, a (name, output index) pair, or a block of the network.\n"
            "  list_nodes(net) prints every name; nothing was changed."
        )

    def _out_of_range(self, what: str, index: int, count: int) -> UnknownNodeError:
        outputs = "1 output, index 0" if count == 1 else f"{count} outputs, indices 0 to {count - 1}"
        return UnknownNodeError(
            f"{what} has no output {index}.\n  It has {outputs}.\n"
            "  Give one of these, or a name as list_nodes(net) prints it; nothing was changed."
        )

    def _ambiguous(self, reference: str, entries: Sequence[Entry]) -> UnknownNodeError:
        options = [f"{self.name_of(e)!r} ({self._description(e)})" for e in entries[:8]]
        if len(entries) > 8:
            options.append(f"and {len(entries) - 8} more")
        return UnknownNodeError(
            f"{reference} may mean {len(entries)} tensors of {self.title!r}.\n"
            f"  They are {', '.join(options)}.\n"
            "  Use one of these names; nothing was changed.",
            tuple(self.name_of(e) for e in entries),
        )

    def _description(self, entry: Entry) -> str:
        node = self.graph.nodes[entry.node]
        what = "variable" if node.is_variable else node.op
        return f"{what} in {node.path}" if node.path else what

    def _unknown(self, name: str) -> UnknownNodeError:
        stem = name[: -len(_SUFFIX)] if name.endswith(_SUFFIX) else name
        owner = owner_of_body_node(self.graph, {n for s in (name, stem) for n in (s, self.prefix + s)})
        if owner is not None:
            return self._in_body(name, owner)
        pool = [n.name for n in self.graph.nodes if not n.is_variable]
        pool += [n.name for n in self.graph.nodes if n.is_variable]
        found = nearest_names(name, [*(p for p in self._calls_of_path if p), *pool])
        nearest = f"  Nearest: {shorten(found)}.\n" if found else ""
        return UnknownNodeError(
            f"no node {name!r} among the {len(self.graph)} nodes of {self.title!r}.\n{nearest}"
            "  list_nodes(net) prints every name; nothing was changed."
        )

    def _in_body(self, name: str, owner: int) -> UnknownNodeError:
        whole = self.node_name(owner)
        if self.graph.nodes[owner].op in CONTROL_FLOW:
            body = f"the body of the control-flow operator {whole!r}.\n  A body travels whole"
            way = f"Cut at what the operator takes or returns, such as {whole!r}"
        else:
            body = f"the fused operator {whole!r}, made by a backend.\n  Its layers are one operator now"
            way = "Name it in the network as it was before hybridize(backend=...) or optimize_for"
        return UnknownNodeError(f"{name!r} is inside {body}: no cut can go through it.\n  {way}; nothing was changed.")


class _Meanings:
    """What a name may stand for, in topological order: the entries each meaning covers, and the node if it is one.

    `first` are those it does stand for. Nodes and blocks literally called so come before outputs: a piece cut through
    one output of an operator that it keeps has an input of that output's name.
    """

    def __init__(self, node_of: dict[tuple[Entry, ...], int | None], first: Collection[tuple[Entry, ...]]) -> None:
        self.node_of = node_of
        self.in_order = sorted(node_of)
        self.number_of = {entries: k for k, entries in enumerate(self.in_order, 1)}
        self.first = sorted(first)

    def numbered(self, number: int) -> dict[tuple[Entry, ...], int | None]:
        """Return the meaning of that number alone, counted from 1; nothing where there are fewer."""
        return {entries: self.node_of[entries] for entries in self.in_order[number - 1 : number]}


def common_prefix(graph: Graph) -> str:
    """Return what the names of all operators begin with, up to an underscore.

    That is the prefix of a network that comes from a file and does not say its own.
    """
    shared = os.path.commonprefix([node.name for node in graph.nodes if not node.is_variable])
    return shared[: shared.rfind("_") + 1]
