"""The switch from batch to running statistics, on graphs as plain data."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gluon_subgraph.batch_norm import NOTE, fixed, norms_of_graph, put_back, with_settings_of_norms
from gluon_subgraph.graph import Entry, Graph, Node
from gluon_subgraph.interface import Interface, interface_of, with_interface

SETTINGS = st.fixed_dictionaries({}, optional={"use_global_stats": st.sampled_from(["True", "False", "0", "1"])})


def _graph(settings: list[dict[str, str]], *, in_body: bool = False) -> Graph:
    """Return BatchNorms in a row, each with variables of its own; or a loop whose body they are."""
    nodes = [Node("null", "data", outputs=("data",))]
    for i, attrs in enumerate(settings):
        before = Entry(len(nodes) - 1)
        names = [f"n{i}_{slot}" for slot in ("gamma", "beta", "mean", "var")]
        own = [Entry(len(nodes) + k) for k in range(4)]
        nodes += [Node("null", name, outputs=(name,)) for name in names]
        nodes.append(Node("BatchNorm", f"n{i}", (before, *own), attrs, (), (f"n{i}_output",), 2))
    if not in_body:
        return Graph(tuple(nodes), (Entry(len(nodes) - 1),))
    raw = [{"op": n.op, "name": n.name, "attrs": n.attrs, "inputs": [[*e, 0] for e in n.inputs]} for n in nodes]
    variables = [n for n in nodes if n.is_variable]
    inputs = tuple(Entry(i) for i in range(len(variables)))
    loop = Node("_foreach", "loop", inputs, {}, ({"nodes": raw, "heads": [[len(raw) - 1, 0, 0]]},), ("loop_output",))
    return Graph((*variables, loop), (Entry(len(variables)),))


@given(st.lists(SETTINGS, min_size=1, max_size=4), st.sets(st.integers(0, 3)), st.booleans())
def test_put_back_undoes_fixed_and_only_what_is_chosen_changes(
    settings: list[dict[str, str]], chosen: set[int], in_body: bool
) -> None:
    graph = _graph(settings, in_body=in_body)
    names = {f"n{i}_var" for i in chosen}
    frozen = with_settings_of_norms(graph, names, fixed)
    for i, (before, after) in enumerate(zip(norms_of_graph(graph), norms_of_graph(frozen))):
        assert after.is_fixed == (before.is_fixed or i in chosen)
        assert after.is_noted == (i in chosen and not before.is_fixed)
        assert after[:3] == before[:3]
    assert with_settings_of_norms(frozen, names, put_back) == graph
    assert with_settings_of_norms(frozen, names, fixed) == frozen
    assert NOTE not in str(graph.nodes)


@given(st.permutations(["a", "b", "c"]), st.sampled_from([0, [0], [0, 0], [[0], 0]]))
def test_interface_is_read_as_it_was_noted(names: list[str], out_format: object) -> None:
    count = str(out_format).count("0")
    nodes = tuple(Node("null", name, outputs=(name,)) for name in "abc")
    graph = Graph(nodes, tuple(Entry(i) for i in range(count)))
    interface = Interface(tuple(names), out_format)
    assert interface_of(graph) is None
    assert interface_of(with_interface(graph, interface)) == interface


def test_interface_that_cannot_be_is_not_read() -> None:
    def noted(*attrs: dict[str, str]) -> Graph:
        nodes = tuple(Node("null", f"v{i}", attrs=a, outputs=(f"v{i}",)) for i, a in enumerate(attrs))
        return Graph(nodes, (Entry(0),))

    one = {"__input_position__": "0", "__returns__": "0"}
    assert interface_of(noted(one)) == Interface(("v0",), 0)
    for wrong in (
        {"__returns__": "[0, 0]"},
        {"__returns__": "[true]"},
        {"__returns__": "[" * 9999},
        {"__returns__": ""},
    ):
        assert interface_of(noted({**one, **wrong})) is None
    assert interface_of(noted(one, one)) is None
    assert interface_of(noted(one, {"__input_position__": "2"})) is None
