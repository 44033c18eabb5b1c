"""Which Parameters of a network a user means: by name, glob, block, block path, node, or what a tensor depends on."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Iterable, Iterator, Mapping, Sequence

from mxnet import gluon

from .block_tree import Owned, block_at, blocks_below, dotted_by_every_path, owned_parameters
from .errors import SubgraphError, UnknownNodeError, kind_of, nearest_names, shorten
from .network import Network
from .norms import graph_of_block
from .repair import ancestors

__all__ = ["selected_parameters", "checked_block"]

_WILD = frozenset("*?[")


def checked_block(net: Any, verb: str) -> gluon.Block:
    """Return `net` if it is a Gluon block.

    Raises
    ------
    SubgraphError
        It is something else, which has no Parameters that could be set.
    """
    if isinstance(net, gluon.Block):
        return net
    is_network = isinstance(net, (tuple, list)) and len(net) in (2, 3)
    way = (
        "Make a block of it first: piece = gs.extract(net, inputs, outputs). A Module takes fixed_param_names instead"
        if is_network
        else "Give a Gluon block: a HybridBlock, a SymbolBlock, a SubgraphBlock, or a plain Block"
    )
    msg = f"{verb}: net is a {kind_of(net)}, which has no Parameters with a grad_req.\n  {way}; nothing was changed."
    raise SubgraphError(msg)


def selected_parameters(net: gluon.Block, select: Any, upto: Any, verb: str) -> list[Owned]:
    """Return the Parameters of `net` that are meant, in the order in which Gluon collects them.

    Raises
    ------
    SubgraphError
        `select` matches nothing, or is no selection; both `select` and `upto` are given; `upto` needs a graph that
        cannot be had.
    UnknownNodeError
        `upto` names no tensor, or several.
    """
    owned = owned_parameters(net)
    if not owned:
        msg = (
            f"{verb}: {net.name or type(net).__name__!r} has no parameters.\n"
            "  There is nothing that could learn.\n  Give the network that owns them; nothing was changed."
        )
        raise SubgraphError(msg)
    if upto is not None:
        if select is not None:
            msg = (
                f"{verb}(select={select!r}, upto={upto!r}) says twice what is meant.\n"
                "  Call it once with select and once with upto; nothing was changed."
            )
            raise SubgraphError(msg)
        return _upto(net, owned, upto, verb)
    if select is None:
        return owned
    given = select.values() if isinstance(select, (Mapping, gluon.ParameterDict)) else select
    is_one = isinstance(given, (str, gluon.Block, gluon.Parameter))
    items = [given] if is_one else list(given) if isinstance(given, Iterable) else []
    if not items:
        msg = (
            f"{verb}(select={select!r}) is no selection.\n"
            "  Give a name, a glob such as '*conv*', a block, a block path such as 'features.0', or a list of these;"
            " None is everything. Nothing was changed."
        )
        raise SubgraphError(msg)
    finder = _Finder(net, owned)
    chosen = {key for item in items for key in finder.find(item, verb)}
    return [one for one in owned if id(one.parameter) in chosen]


def _upto(net: gluon.Block, owned: list[Owned], upto: Any, verb: str) -> list[Owned]:
    try:
        network = Network.of(net)
        _ = network.graph
    except SubgraphError as error:
        first = str(error).strip().replace("\n", "\n  ")
        msg = (
            f"{verb}(upto={upto!r}) needs the graph of the network, which cannot be had.\n  {first}\n"
            f"  Use {verb}(net, select=...) with names, globs, blocks or block paths; nothing was changed."
        )
        raise SubgraphError(msg) from None
    entry = network.find(upto)
    nodes = network.graph.nodes
    needed = {e.node for e in ancestors(network.graph, [entry])}
    names = {nodes[i].name for i in needed if nodes[i].is_variable}
    found = {id(network.parameters.get(name)) for name in names if name in network.parameters}
    chosen = [one for one in owned if id(one.parameter) in found]
    if not chosen:
        msg = (
            f"{verb}(upto={upto!r}) depends on none of the {len(owned)} parameters.\n"
            "  Name a tensor behind a layer, as list_nodes(net) prints it; nothing was changed."
        )
        raise SubgraphError(msg)
    return chosen


class _Finder:
    """Finds Parameters by what a user gives; the indices are made when they are first needed."""

    def __init__(self, net: gluon.Block, owned: list[Owned]) -> None:
        self.net = net
        self.owned = owned
        self._known = {id(one.parameter) for one in owned}
        self._paths: dict[str, set[int]] | None = None
        self._network: Network | SubgraphError | None = None
        prefix = getattr(net, "name_prefix", None) or net.prefix
        self._names: list[dict[str, list[Owned]]] = [{}, {}, {}]  # in full, dotted, without the network's prefix
        for one in owned:
            for named, own in zip(self._names, ([one.name], one.dotted, _without(one.name, prefix))):
                for name in own:
                    named.setdefault(name, []).append(one)

    def find(self, item: Any, verb: str) -> set[int]:
        """Return the identities of the Parameters that one item of a selection means, at least one."""
        if isinstance(item, gluon.Parameter):
            found = {id(item)} & self._known
        elif isinstance(item, gluon.Block):
            found = {id(one.parameter) for one in owned_parameters(item)} & self._known
        elif isinstance(item, str):
            found = self._named(item, verb)
        else:
            msg = (
                f"{verb}: {item!r} ({kind_of(item)}) selects no parameter.\n"
                "  Give a name, a glob, a block of the network or a block path; nothing was changed."
            )
            raise SubgraphError(msg)
        if not found:
            raise self._nothing(item, verb)
        return found

    def _named(self, name: str, verb: str) -> set[int]:
        for named in self._names:
            found = named.get(name, ())
            if len(found) > 1:
                raise _ambiguous(name, found, verb)
            if found:
                return {id(found[0].parameter)}
        if _WILD & set(name):
            return self._matching(name)
        block = block_at(self.net, name)
        if block is not None:
            return {id(one.parameter) for one in owned_parameters(block)}
        above, _, attribute = name.rpartition(".")
        owner = block_at(self.net, above) if above else None
        if owner is not None and attribute in owner._reg_params:  # by another path than the one it is listed under
            return {id(owner._reg_params[attribute])} & self._known
        return self._inner_paths().get(name) or self._of_node(name)

    def _matching(self, glob: str) -> set[int]:
        """Return the Parameters that have a name which matches, or that a block reads whose path does."""
        matches = re.compile(fnmatch.translate(glob)).match
        found = {
            id(one.parameter) for named in self._names for name, own in named.items() if matches(name) for one in own
        }
        found.update(key for name, key in dotted_by_every_path(self.net) if matches(name))
        paths = self._inner_paths().items()
        found.update(key for path, keys in paths if matches(path) or matches(path + ".") for key in keys)
        return found & self._known

    def _inner_paths(self) -> dict[str, set[int]]:
        """Return the Parameters of the blocks that are known by the path they had before their network was cut."""
        if self._paths is None:
            self._paths = {}
            for block, outer in blocks_below(self.net).values():
                for inner, name in _read_below(block) if isinstance(block, gluon.SymbolBlock) else ():
                    if name in block._params._params:
                        for start in outer:
                            whole = f"{start}.{inner}" if start else inner
                            self._paths.setdefault(whole, set()).add(id(block._params._params[name]))
        return self._paths

    def _of_node(self, name: str) -> set[int]:
        """Return the Parameters that the node called `name` reads."""
        if self._network is None:
            try:
                self._network = Network.of(self.net)
                _ = self._network.graph
            except SubgraphError as error:
                self._network = error
        if isinstance(self._network, SubgraphError):
            return set()
        nodes, parameters = self._network.graph.nodes, self._network.parameters
        try:
            node = nodes[self._network.find(name).node]
        except UnknownNodeError as error:
            if error.candidates:  # several nodes are called so
                raise
            return set()
        read = [nodes[e.node].name for e in node.inputs]
        return {id(parameters.get(n)) for n in read if n in parameters} & self._known

    def _nothing(self, item: Any, verb: str) -> SubgraphError:
        if not isinstance(item, str):
            what = f"{item.name!r} ({type(item).__name__})"
            msg = (
                f"{verb}: {what} holds none of the {len(self.owned)} parameters of the network.\n"
                "  Give a block of this very network, such as net.features; nothing was changed."
            )
            return SubgraphError(msg)
        names = [name for named in self._names for name in named]
        nearest = nearest_names(item.strip("*?"), [*names, *_block_paths(self.net)])
        hint = f"  Nearest: {shorten(nearest)}.\n" if nearest else ""
        if isinstance(self._network, SubgraphError):
            hint += f"  Nodes cannot be named: {str(self._network).splitlines()[0]}\n"
        msg = (
            f"{verb}(select={item!r}) matches none of {len(self.owned)} parameters.\n{hint}"
            "  A glob matches the whole name: '*...*' matches anywhere. print(trainable(net)) shows the names;"
            " nothing was changed."
        )
        return SubgraphError(msg)


def _ambiguous(name: str, found: Sequence[Owned], verb: str) -> SubgraphError:
    dotted = [one.dotted[0] for one in found if one.dotted]
    return SubgraphError(
        f"{verb}(select={name!r}) may mean {len(found)} parameters.\n"
        f"  They are {shorten(dotted, 6) or 'all called so'}.\n"
        "  Use one of these names, or give the Parameter itself; nothing was changed."
    )


def _without(name: str, prefix: str) -> Iterable[str]:
    return [name[len(prefix) :]] if prefix and name.startswith(prefix) and name != prefix else []


def _block_paths(net: gluon.Block) -> list[str]:
    return [path for _, paths in blocks_below(net).values() for path in paths if path]


def _read_below(block: gluon.SymbolBlock) -> Iterator[tuple[str, str]]:
    """Yield (block path, variable) for each variable that a node below that path reads."""
    graph = graph_of_block(block)
    for node in graph.nodes:
        parts = node.path.split(".") if node.path else []
        read = [graph.nodes[e.node] for e in node.inputs]
        for variable in read:
            if variable.is_variable:
                for end in range(1, len(parts) + 1):
                    yield ".".join(parts[:end]), variable.name
