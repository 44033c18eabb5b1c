"""Pieces of random networks, and pieces of those, compute what the whole network computes."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from random_graphs import RandomNetwork, random_network, values_of_entries
from snapshots import unchanged

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.graph import Entry, Graph
from gluon_subgraph.names import NameIndex
from gluon_subgraph.repair import ancestors


def values_by_entry(network: RandomNetwork) -> tuple[Graph, dict[Entry, mx.nd.NDArray]]:
    graph, values = graph_of_symbol(network.symbol), values_of_entries(network)
    entries = [Entry(i, j) for i, node in enumerate(graph.nodes) for j in range(len(node.outputs))]
    assert len(entries) == len(values)
    return graph, {e: mx.nd.array(v, dtype=v.dtype) for e, v in zip(entries, values)}


def network_of(piece: gs.SubgraphBlock, given: list[mx.nd.NDArray]) -> RandomNetwork:
    """Return a piece, fed with `given`, as a network to be cut again."""
    auxiliary = set(piece.symbol.list_auxiliary_states())
    values = {name: parameter.data() for name, parameter in piece.collect_params().items()}
    return RandomNetwork(
        piece.symbol,
        {n: v for n, v in values.items() if n not in auxiliary},
        {n: v for n, v in values.items() if n in auxiliary},
        dict(zip(piece.input_names, given)),
    )


def random_piece(net: Any, network: RandomNetwork, random: np.random.RandomState) -> Any:
    """Return a random piece of `net`, checked against the values of the whole, and the arrays it was fed with."""
    graph, value_of = values_by_entry(network)
    names = NameIndex(graph)
    inner = [e for e in value_of if not graph.nodes[e.node].is_variable]
    for _ in range(30):
        ends = [inner[i] for i in random.choice(len(inner), min(len(inner), 1 + random.randint(2)), replace=False)]
        start = sorted(value_of)[random.randint(len(value_of))]
        if start in ends or start not in ancestors(graph, ends):
            continue
        with unchanged(net):
            piece = gs.extract(net, names.name_of(start), [names.name_of(e) for e in ends], open_cut="add")
        given = [value_of[names.find(name)] for name in piece.input_names]
        assert [a.asnumpy().tobytes() for a in piece(*given)] == [value_of[e].asnumpy().tobytes() for e in ends]
        return piece, given
    return None


@pytest.mark.parametrize("repeat_names", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_extract_random_piece_of_a_piece_computes_the_same(seed: int, *, repeat_names: bool) -> None:
    random = np.random.RandomState(seed)
    network = random_network(seed, 16, repeat_names=repeat_names)
    made = random_piece((network.symbol, network.arg_params, network.aux_params), network, random)
    assert made is not None
    for _ in range(3):
        if made is not None:
            piece, given = made
            made = random_piece(piece, network_of(piece, given), random)


@pytest.mark.parametrize("seed", range(10))
def test_extract_random_pieces_of_pieces_are_the_pieces_cut_directly(seed: int) -> None:
    network = random_network(seed, 20)
    net = (network.symbol, network.arg_params, network.aux_params)
    names = [output for n in gs.list_nodes(net) if n.op != "input" for output in n.outputs]
    outer = gs.extract(net, names[2], names[-1], open_cut="add")
    inside = [output for n in gs.list_nodes(outer) if n.op != "input" for output in n.outputs]
    for start in (name for name in inside[:-1] if "#" not in name):  # that output is now an input
        inner = gs.extract(outer, start, names[-1], open_cut="add")
        direct = gs.extract(net, list(inner.input_names), names[-1])
        assert inner.graph == direct.graph
        assert inner.symbol.tojson() == direct.symbol.tojson()


@pytest.mark.parametrize("seed", range(10))
def test_extract_symbol_random_piece_is_the_symbol_of_extract(seed: int) -> None:
    network = random_network(seed)
    net = (network.symbol, network.arg_params, network.aux_params)
    names = [output for n in gs.list_nodes(net) if n.op != "input" for output in n.outputs]
    for name in names[:-1]:
        try:
            piece = gs.extract(net, name, names[-1])
        except gs.OpenCutError:
            continue  # a bare Symbol does not tell data from parameters
        except gs.SubgraphError as error:
            with unchanged(network.symbol), pytest.raises(type(error), match="othing was changed"):
                gs.extract_symbol(network.symbol, name, names[-1])
        else:
            symbol = gs.extract_symbol(network.symbol, name, names[-1])
            assert graph_of_symbol(symbol) == graph_of_symbol(piece.symbol)
