"""What every law under fuzz needs: how many examples it is tried on, a network in each form, and its right values."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import functools
import tempfile
from contextlib import contextmanager
from typing import Any, Callable, Iterator, NamedTuple, Sequence

import mxnet as mx
from fuzz_networks import Plan, PlanBlock, network_of, plans
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_graphs import RandomNetwork, stock_block, values_of_entries
from samples import bits

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.graph import Entry, Graph
from gluon_subgraph.names import NameIndex
from gluon_subgraph.network import Network
from gluon_subgraph.repair import ancestors

# The default profile gives a law 25 examples, "fuzz" as many as conftest.py says.
EXAMPLES = max(1, settings.default.max_examples // 4)
TALLY = {"examples": 0, "damaged files": 0}  # of this process, for the report of `make fuzz`
LONG = EXAMPLES > 25
FORMS = ("triple", "block", "stock block", "files")


def law(*strategies: Any) -> Callable[..., Any]:
    """Return a decorator: the check holds for whatever the strategies draw; tried on as many as the profile says."""

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=not LONG,  # `make test` says the same each time
            suppress_health_check=list(HealthCheck),
            phases=[phase for phase in Phase if phase is not Phase.explain],
        )
        @given(*strategies)
        @functools.wraps(check)
        def test(*args: Any, **drawn: Any) -> None:
            check(*args, **drawn)
            TALLY["examples"] += 1

        return test

    return decorate


class Case(NamedTuple):
    """A network in one of its forms, and the right value of every visible entry."""

    net: Any
    network: RandomNetwork
    graph: Graph
    names: NameIndex
    value_of: dict[Entry, mx.nd.NDArray]

    @property
    def inner(self) -> list[Entry]:
        """The entries that operators compute."""
        return [e for e in self.value_of if not self.graph.nodes[e.node].is_variable]

    @property
    def starts(self) -> list[Entry]:
        """The entries a piece may start at: any but parameters and labels."""
        nodes, inputs = self.graph.nodes, self.network.inputs
        return [e for e in self.value_of if not nodes[e.node].is_variable or nodes[e.node].name in inputs]

    @property
    def outputs(self) -> list[str]:
        """The names of what the network returns, each once."""
        return self.named(list(dict.fromkeys(self.graph.outputs)))

    def inputs_of(self, ends: Sequence[Entry]) -> list[str]:
        """Return the inputs that some entries depend on, labels not among them."""
        above = ancestors(self.graph, ends)
        return self.named([e for e in self.starts if self.graph.nodes[e.node].is_variable and e in above])

    def named(self, entries: Sequence[Entry]) -> list[str]:
        """Return the name of each entry, with a number where several things have it."""
        return [self.names.name_of(entry) for entry in entries]

    def given(self, names: Sequence[str]) -> list[mx.nd.NDArray]:
        """Return the right value of each named tensor."""
        return [self.value_of[self.names.find(name)] for name in names]

    def right(self, names: Sequence[str]) -> list[Any]:
        """Return the right values of named tensors as something to compare with what a piece returns."""
        return [bits(array) for array in self.given(names)]


@contextmanager
def case_of(plan: Plan, form: str) -> Iterator[Case]:
    """Give the network of a plan in a form; that of files lasts as long as the block of code."""
    network = network_of(plan)
    with tempfile.TemporaryDirectory() as folder:
        net = _in_form(network, plan, form, folder)
        whole = Network.of(net)
        graph = whole.graph
        assert outline(graph) == outline(graph_of_symbol(network.symbol))
        entries = [Entry(i, j) for i, node in enumerate(graph.nodes) for j in range(len(node.outputs))]
        values = values_of_entries(network)
        of_merged = _first_of_each(network.symbol, values)
        assert len(entries) == len(of_merged)
        value_of = {e: mx.nd.array(value, dtype=value.dtype) for e, value in zip(entries, of_merged)}
        yield Case(net, network, graph, whole.names, value_of)


def _first_of_each(symbol: mx.sym.Symbol, values: Sequence[Any]) -> list[Any]:
    """Return the values without those of further variables of one name, which are one node of a Graph."""
    internals = symbol.get_internals()
    seen: set[str] = set()
    found = []
    for i, (value, name) in enumerate(zip(values, internals.list_outputs())):
        is_variable = internals[i].get_children() is None
        if not (is_variable and name in seen):
            found.append(value)
        if is_variable:
            seen.add(name)
    return found


def outline(graph: Graph) -> Any:
    """Return what a graph computes, without what its variables note and the paths of blocks."""
    nodes = [(n.op, n.name, n.inputs, {} if n.is_variable else n.attrs, n.outputs, n.hidden) for n in graph.nodes]
    return nodes, graph.outputs


def _in_form(network: RandomNetwork, plan: Plan, form: str, folder: str) -> Any:
    if form == "block":
        return PlanBlock(plan, network)
    if form == "stock block":
        return stock_block(network.symbol, [*network.inputs, *network.labels], network.values)
    if form == "files":
        pair = f"{folder}/net-symbol.json", f"{folder}/net-0000.params"
        network.symbol.save(pair[0])
        mx.nd.save(pair[1], {**{f"arg:{n}": v for n, v in network.arg_params.items()}, **network.aux_params})
        return pair
    return network.triple


def listed(returned: Any) -> list[Any]:
    """Return the whole value of what a block returned, output by output."""
    return [bits(array) for array in (returned if isinstance(returned, list) else [returned])]


@st.composite
def cases(draw: Any, forms: Sequence[str] = FORMS, **fixed: Any) -> tuple[Plan, str]:
    """Return a plan and a form of it; a block has no loss head, because its labels would be data."""
    form = draw(st.sampled_from(forms))
    return draw(plans(**({**fixed, "head": ""} if form == "block" else fixed))), form
