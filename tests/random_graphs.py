"""Random graphs: pure ones with an evaluator that needs no MXNet, and Symbols that MXNet can run."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np
from hypothesis import strategies as st

from gluon_subgraph.graph import VARIABLE, Entry, Graph, Node

BATCH, WIDTH = 2, 4
NAMES = ["a", "b", "a_output", "a#1", "a#2", "a_output#1", "a_output1", "b_output0", "p_a", "0", "a#2#1"]


def node_of(op: str, name: str, inputs: Sequence[Any] = (), *, visible: int = 1, hidden: int = 0, **attrs: str) -> Node:
    """Return a node with the output names MXNet would give it."""
    if op == VARIABLE:
        outputs: tuple[str, ...] = (name,)
    elif visible == 1:
        outputs = (f"{name}_output",)
    else:
        outputs = tuple(f"{name}_output{i}" for i in range(visible))
    entries = tuple(e if isinstance(e, Entry) else Entry(e) for e in inputs)
    return Node(op, name, entries, dict(attrs), (), outputs, hidden)


def entries_of(graph: Graph, *, hidden: bool = False) -> list[Entry]:
    """Return every entry of a graph, in order."""
    counts = [node.output_count if hidden else len(node.outputs) for node in graph.nodes]
    return [Entry(i, j) for i, count in enumerate(counts) for j in range(count)]


@st.composite
def pure_graphs(draw: Callable[..., Any], max_nodes: int = 9, names: Sequence[str] | None = None) -> Graph:
    """Return a graph of variables and operators with one to three outputs, some of them hidden.

    Names are unique unless `names` gives the pool to draw from; two variables never share one.
    """
    count = draw(st.integers(2, max_nodes))
    nodes: list[Node] = []
    taken: set[str] = set()
    for i in range(count):
        name = draw(st.sampled_from(names)) if names else f"n{i}"
        is_variable = i == 0 or draw(st.integers(0, 3)) == 0
        if is_variable and name not in taken:
            taken.add(name)
            nodes.append(node_of(VARIABLE, name))
        elif nodes:
            graph = Graph(tuple(nodes), ())
            inputs = draw(st.lists(st.sampled_from(entries_of(graph, hidden=True)), min_size=1, max_size=3))
            visible, hidden = draw(st.sampled_from([(1, 0), (1, 0), (1, 2), (2, 0), (3, 1)]))
            nodes.append(node_of(f"op{i}", name, inputs, visible=visible, hidden=hidden))
    graph = Graph(tuple(nodes), ())
    outputs = draw(st.lists(st.sampled_from(entries_of(graph)), min_size=1, max_size=2))
    return Graph(graph.nodes, tuple(outputs))


def evaluate(graph: Graph, numbers: dict[Any, int], known: Mapping[str, int] | None = None) -> dict[Entry, int]:
    """Return a number for the value of each entry: equal numbers, equal computations.

    `numbers` keeps them and is shared between the graphs to be compared; `known` gives those of variables that stand
    for a value of another graph.
    """
    found: dict[Entry, int] = {}
    for i, node in enumerate(graph.nodes):
        for j in range(node.output_count):
            if node.op == VARIABLE and node.name in (known or {}):
                found[Entry(i, j)] = known[node.name]  # type: ignore[index]
            else:
                term = (node.op, tuple(found[e] for e in node.inputs) or node.name, j)
                found[Entry(i, j)] = numbers.setdefault(term, len(numbers))
    return found


class RandomNetwork(NamedTuple):
    """A Symbol, its parameters, the value of its inputs, and of the labels of its loss heads."""

    symbol: mx.sym.Symbol
    arg_params: dict[str, mx.nd.NDArray]
    aux_params: dict[str, mx.nd.NDArray]
    inputs: dict[str, mx.nd.NDArray]
    labels: dict[str, mx.nd.NDArray] = {}  # noqa: RUF012 - a NamedTuple default, replaced and never edited

    @property
    def triple(self) -> tuple[Any, Any, Any]:
        """The network as `load_checkpoint` returns it."""
        return self.symbol, self.arg_params, self.aux_params

    @property
    def values(self) -> dict[str, mx.nd.NDArray]:
        """The value of every parameter."""
        return {**self.arg_params, **self.aux_params}


def random_network(seed: int, size: int = 12, *, repeat_names: bool = False) -> RandomNetwork:
    """Return a network of `size` operators with branches, splits, shared weights and, if asked, repeated names."""
    random = np.random.RandomState(seed)
    data = [mx.sym.var(f"data{i}") for i in range(1 + random.randint(2))]
    shared = mx.sym.var("shared_weight")
    pool = list(data)

    def name(i: int) -> str:
        return f"twin{random.randint(3)}" if repeat_names else f"op{i}"

    for i in range(size):
        one, other = (pool[-1 - random.randint(min(len(pool), 5))] for _ in range(2))
        kind = random.randint(6)
        if kind == 0:
            pool.append(mx.sym.elemwise_add(one, other, name=name(i)))
        elif kind == 1:
            pool.append(mx.sym.Activation(one, act_type=random.choice(["relu", "tanh"]), name=name(i)))
        elif kind == 2:
            weight = shared if random.randint(2) else mx.sym.var(f"op{i}_weight")
            pool.append(mx.sym.FullyConnected(one, weight, num_hidden=WIDTH, no_bias=True, name=name(i)))
        elif kind == 3:
            first, second = mx.sym.SliceChannel(one, num_outputs=2, name=name(i))
            pool.append(mx.sym.concat(second, first, dim=1, name=name(i) + "_join"))
        elif kind == 4:
            statistics = [mx.sym.var(f"op{i}_{s}") for s in ("gamma", "beta", "moving_mean", "moving_var")]
            pool.append(mx.sym.BatchNorm(one, *statistics, fix_gamma=False, name=name(i)))
        else:
            pool.append(mx.sym.elemwise_mul(one, other, name=name(i)))
    outputs = [pool[-1], pool[-2]][: 1 + random.randint(2)]
    symbol = mx.sym.Group(outputs) if len(outputs) > 1 else outputs[0]
    return _with_values(symbol, random)


def _with_values(symbol: mx.sym.Symbol, random: np.random.RandomState) -> RandomNetwork:
    data = {n: (BATCH, WIDTH) for n in symbol.list_arguments() if n.startswith("data")}
    arguments, _, auxiliary = symbol.infer_shape(**data)

    def values(names: Sequence[str], shapes: Sequence[Any]) -> dict[str, mx.nd.NDArray]:
        return {n: mx.nd.array(random.uniform(0.1, 1, s), dtype="float32") for n, s in zip(names, shapes)}

    arg_values = values(symbol.list_arguments(), arguments)
    inputs = {n: arg_values.pop(n) for n in data}
    return RandomNetwork(symbol, arg_values, values(symbol.list_auxiliary_states(), auxiliary), inputs)


def stock_block(symbol: mx.sym.Symbol, inputs: Sequence[str], values: Mapping[str, Any]) -> mx.gluon.SymbolBlock:
    """Return MXNet's own SymbolBlock of a whole network: what pieces are compared with."""
    block = mx.gluon.SymbolBlock(symbol, [mx.sym.var(n) for n in inputs])
    for name, parameter in block.collect_params().items():
        if name in values:
            parameter.shape = values[name].shape
            parameter.cast(values[name].dtype)
            parameter._load_init(values[name], mx.cpu())
    return block


def values_of_entries(network: RandomNetwork) -> list[np.ndarray]:
    """Return the value of every visible entry of the network, in the order of its internals."""
    fed = {**network.inputs, **network.labels}
    found = stock_block(network.symbol.get_internals(), list(fed), network.values)(*fed.values())
    return [array.asnumpy() for array in (found if isinstance(found, list) else [found])]
