"""Which tensors a user means by `inputs` and `outputs`: a name, a list, a dict, a block or a slice of layers."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from mxnet import gluon

from .errors import NameConflictError, SubgraphError, UnknownNodeError
from .graph import Entry, is_usable_name
from .network import Network

__all__ = ["Boundary", "find_boundary", "boundaries_of_piece"]


class Boundary(NamedTuple):
    """The tensors on one side of a cut, as the user gave them."""

    entries: list[Entry]
    names: list[str | None]  # new names, where a dict gives them
    is_single: bool


def find_boundary(network: Network, references: Any, side: str) -> Boundary:
    """Return the entries that `references` name."""
    if isinstance(references, Mapping):
        for name in references:
            if not is_usable_name(name):
                msg = f"{side}: {name!r} is no new name.\n  Give {{'name in the piece': tensor}}; nothing was changed."
                raise SubgraphError(msg)
        found = Boundary([network.find(r) for r in references.values()], list(references), is_single=False)
    elif _is_one_reference(references):
        found = Boundary([network.find(references)], [None], is_single=True)
    else:
        entries = [network.find(r) for r in references]
        found = Boundary(entries, [None] * len(entries), is_single=False)
    if not found.entries:
        msg = f"{side} is empty.\n  Name at least one tensor; list_nodes(net) prints them. Nothing was changed."
        raise SubgraphError(msg)
    if side == "inputs":
        _check_distinct(network, found.entries)
    return found


def _is_one_reference(references: Any) -> bool:
    if isinstance(references, tuple):
        return len(references) == 2 and not isinstance(references[1], (str, tuple, gluon.Block))
    return not isinstance(references, list)


def _check_distinct(network: Network, entries: Sequence[Entry]) -> None:
    repeated = [e for i, e in enumerate(entries) if e in entries[:i]] if len(set(entries)) < len(entries) else []
    if repeated:
        msg = (
            f"input {network.names.name_of(repeated[0])!r} is given twice.\n"
            "  An input is one argument of the piece; name each tensor once. Nothing was changed."
        )
        raise NameConflictError(msg)


def boundaries_of_piece(network: Network, piece: Any) -> tuple[Boundary, Boundary]:
    """Return the tensors entering and leaving a block, or a slice of layers, of the network."""
    if not isinstance(piece, gluon.Block):
        msg = (
            f"outputs are missing; inputs alone ({piece!r}) say where the piece starts.\n"
            "  Name the outputs too, or give a block of the network, such as net.features[4:7], as the piece;"
            " nothing was changed."
        )
        raise SubgraphError(msg)
    layers = network.calls_of(piece)
    repeated = [calls for calls in layers if len(calls) > 1]
    if repeated:
        msg = (
            f"block {repeated[0][0].path!r} is called {len(repeated[0])} times, so that it is no single piece.\n"
            "  Name inputs and outputs; nothing was changed."
        )
        raise UnknownNodeError(msg)
    from_data = _nodes_from_data(network)
    entering = [e for e in dict.fromkeys(layers[0][0].inputs) if e.node in from_data]
    if not entering:
        msg = (
            f"block {layers[0][0].path!r} takes nothing that depends on an input of the network.\n"
            "  Name inputs and outputs; nothing was changed."
        )
        raise SubgraphError(msg)
    leaving = list(layers[-1][0].outputs)
    return (
        Boundary(entering, [None] * len(entering), len(entering) == 1),
        Boundary(leaving, [None] * len(leaving), len(leaving) == 1),
    )


def _nodes_from_data(network: Network) -> set[int]:
    """Return the nodes that depend on an input of the network; the zero state of a recurrent layer does not."""
    found = set(network.data)
    for i, node in enumerate(network.graph.nodes):
        if any(e.node in found for e in node.inputs):
            found.add(i)
    return found
