"""What moves although nothing learns: running statistics, as far as the graph of a network shows them."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from mxnet import gluon

from .batch_norm import norms_of_graph
from .block_tree import Owned, owned_parameters
from .errors import SubgraphError, shorten
from .network import Network
from .norms import norms_below
from .settings import is_constant

__all__ = ["check_statistics_rest", "never_learning"]

_STATISTICS = ("running_mean", "running_var", "moving_mean", "moving_var")  # all that is known where there is no graph


class _Mover(NamedTuple):
    """An operator that changes variables whenever it runs in training mode, and these variables."""

    title: str
    names: tuple[str, ...]


def check_statistics_rest(net: gluon.Block, chosen: Sequence[Owned]) -> None:
    """Refuse a network in which statistics that were to be frozen would still move.

    Raises
    ------
    SubgraphError
        A block calls the operator itself, past any layer that could be told to rest.
    """
    name_of = {id(one.parameter): one.name for one in chosen}
    seen = {id(p) for norm in norms_below(net) for p in norm.statistics}
    for network in _traced_parts(net):
        parameters = network.parameters
        seen.update(id(parameters.get(n.name)) for _, n in network.graph.variables() if n.name in parameters)
        for mover in _movers(network):
            if any(id(parameters.get(name)) in name_of for name in mover.names if name in parameters):
                what = f"{mover.title}, which its block calls itself,"
                raise _would_move(what, mover.names)
    unseen = [name for key, name in name_of.items() if key not in seen and name.endswith(_STATISTICS)]
    if unseen:
        what = "what a block computes that cannot be traced"
        raise _would_move(what, unseen)


def _movers(network: Network) -> Iterator[_Mover]:
    """Yield what moves variables of a network: BatchNorm that is not fixed, and other operators with such states."""
    graph = network.graph
    norms = norms_of_graph(graph)
    for norm in norms:
        if not norm.is_fixed:
            yield _Mover(f"BatchNorm {norm.name!r} in block {norm.path or network.title!r}", norm.statistics)
    others = {*network.symbol.list_auxiliary_states()} - {name for norm in norms for name in norm.statistics}
    for node in graph.nodes:
        names = tuple([graph.nodes[e.node].name for e in node.inputs if graph.nodes[e.node].name in others])
        if names:
            yield _Mover(f"{node.op} {node.name!r} in block {node.path or network.title!r}", names)


def _would_move(what: str, names: Sequence[str]) -> SubgraphError:
    return SubgraphError(
        f"{what} cannot be frozen.\n"
        f"  It would still move {shorten(names)}.\n"
        "  Use gluon.nn.BatchNorm there, or freeze a piece: gs.freeze(gs.extract(net, inputs, outputs)), or"
        " pass batch_norm='unchanged'; nothing was changed."
    )


def _traced_parts(net: gluon.Block) -> list[Network]:
    """Return the network, or the largest parts of it that can be traced."""
    parts, waiting, seen = [], [net], set()
    while waiting:
        block = waiting.pop()
        if id(block) in seen:
            continue
        seen.add(id(block))
        try:
            network = Network.of(block)
            _ = network.graph
            parts.append(network)
        except Exception:  # whatever a block raises that is called with symbols: its children may do better
            waiting.extend(block._children.values())
    return parts


def never_learning(net: gluon.Block) -> set[int]:
    """Return the Parameters that are auxiliary states or constants of a graph, whatever Gluon holds them for."""
    never: set[int] = set()
    seen: set[int] = set()
    for network in _traced_parts(net):
        statistics = {n for node in norms_of_graph(network.graph) for n in node.statistics}  # in loops, too
        statistics.update(network.symbol.list_auxiliary_states())
        for _, node in network.graph.variables():
            if node.name in network.parameters:
                seen.add(id(network.parameters.get(node.name)))
                if node.name in statistics or is_constant(node.attrs):
                    never.add(id(network.parameters.get(node.name)))
    unseen = (one for one in owned_parameters(net) if id(one.parameter) not in seen)
    never.update(id(one.parameter) for one in unseen if one.name.endswith(_STATISTICS))  # all that is known of them
    return never
