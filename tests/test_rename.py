"""New names for the nodes of a graph: what prefixes, globs, dicts and functions mean, and how each is undone."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Callable

import gluon_subgraph as gs

# isort: split
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import NAMES, node_of, pure_graphs

from gluon_subgraph.graph import Graph
from gluon_subgraph.naming_rules import Names
from gluon_subgraph.rename import inverse_names, names_of, new_keys, new_names, renamed_graph

NEW = ["a", "b", "a-0", "b-0", "a_output", "a-0-0", "c", "c-0", "x*", "p_a", "p_"]


def _title(value: object) -> str:
    return getattr(value, "__name__", str(value))  # the text of a function has its address


def names(*all_names: str, prefix: str = "", kept: Any = ()) -> Names:
    nothing: frozenset[str] = frozenset()
    return Names(dict.fromkeys(all_names, nothing), prefix, frozenset(kept))


def changed(given_names: Any, *all_names: str, **options: Any) -> dict[str, str]:
    """Return what changes among names that stand for themselves."""
    found = new_names(names(*all_names, **options), given_names)
    assert list(found) == list(all_names)
    return {old: new for old, new in found.items() if new != old}


def node_json(op: str, name: str, inputs: Any = (), bodies: Any = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"op": op, "name": name, "inputs": [[i, 0, 0] for i in inputs]}
    return {**found, "subgraphs": list(bodies)} if bodies else found


@st.composite
def graphs_with_bodies(draw: Callable[..., Any]) -> Graph:
    """Return a graph of which some operators hold bodies, whose variables may be called after what they stand for."""
    graph = draw(pure_graphs(names=NAMES))
    nodes = list(graph.nodes)
    outside = [node.name for node in nodes if node.is_variable]
    for i, node in enumerate(nodes):
        if node.inputs and draw(st.booleans()):
            near = [nodes[e.node].name + end for e in node.inputs for end in ("-0", "_output", "_")]
            first, second, third = (draw(st.sampled_from([*near, *outside, *NEW])) for _ in range(3))
            inner = {"nodes": [node_json("null", first + "-0"), node_json("relu", second, [0])], "heads": [[1, 0, 0]]}
            loop = node_json("_foreach", third, [0], [inner] * draw(st.integers(0, 2)))
            nodes[i] = node._replace(bodies=({"nodes": [node_json("null", first), loop], "heads": [[1, 0, 0]]},))
    return Graph(tuple(nodes), graph.outputs, graph.attrs)


def check_there_and_back(graph: Graph, given_names: Any, prefix: str = "") -> dict[str, str] | None:
    """Check that the inverse gives the graph back, and return the names; None where they are refused."""
    known = Names(names_of(graph), prefix)
    try:
        new_of = new_names(known, given_names)
    except gs.NameConflictError:
        return None
    renamed = renamed_graph(graph, new_of)
    back = new_names(Names(names_of(renamed), prefix), inverse_names(known, new_of))
    assert renamed_graph(renamed, back) == graph
    assert list(names_of(renamed)) == list(new_of.values())
    return new_of


@given(graphs_with_bodies(), st.data())
def test_inverse_of_any_map_gives_the_graph_back(graph: Graph, data: st.DataObject) -> None:
    old = list(names_of(graph))
    some = data.draw(st.lists(st.sampled_from(old), unique=True, min_size=1))
    new = data.draw(st.lists(st.sampled_from([*NEW, *old]), unique=True, min_size=len(some), max_size=len(some)))
    check_there_and_back(graph, dict(zip(some, new)), data.draw(st.sampled_from(["", "p_", "a"])))


@given(graphs_with_bodies(), st.randoms(use_true_random=False))
def test_inverse_of_any_permutation_gives_the_graph_back(graph: Graph, random: Any) -> None:
    old = list(names_of(graph))
    new = random.sample(old, len(old))
    assert check_there_and_back(graph, dict(zip(old, new))) == dict(zip(old, new))


RULES = [
    "new_",
    "*_old",
    {"*": "*", "*a*": "*A*"},
    {"*a*": "*A*", "*": "*"},
    {"?": "?!", "*": "*_"},
    lambda n: f"f({n})",
]


@pytest.mark.parametrize("rule", RULES, ids=_title)
@given(graph=graphs_with_bodies(), prefix=st.sampled_from(["", "p_", "a"]))
@settings(max_examples=40)
def test_inverse_of_any_rule_gives_the_graph_back(rule: Any, graph: Graph, prefix: str) -> None:
    if isinstance(rule, dict):  # a glob has to match something
        rule = {key: new for key, new in rule.items() if any(fnmatchcase(name, key) for name in names_of(graph))}
    check_there_and_back(graph, rule, prefix)


@given(graphs_with_bodies())
def test_function_is_called_once_with_each_name_and_nothing_else_changes(graph: Graph) -> None:
    asked: list[str] = []

    def function(name: str) -> str:
        asked.append(name)
        return f"<{name}>"

    new_of = check_there_and_back(graph, function)
    assert new_of == {name: f"<{name}>" for name in names_of(graph)}
    assert asked == list(new_of)
    renamed = renamed_graph(graph, new_of)
    for old, new in zip(graph.nodes, renamed.nodes):
        assert new._replace(name=old.name, outputs=old.outputs, bodies=old.bodies) == old
        assert new.outputs == tuple(new.name + output[len(old.name) :] for output in old.outputs)


def test_node_without_a_name_has_none_to_change() -> None:
    graph = Graph((node_of("null", "data"), node_of("relu", "", [0])), ())
    assert list(names_of(graph)) == ["data"]
    assert check_there_and_back(graph, lambda name: f"new_{name}") == {"data": "new_data"}


def test_variable_of_a_body_follows_what_it_stands_for() -> None:
    inner = {"nodes": [node_json("null", "fc-0-0"), node_json("null", "w")], "heads": [[0, 0, 0]]}
    body = {
        "nodes": [node_json("null", "fc-0"), node_json("null", "w"), node_json("_foreach", "in", [0, 1], [inner])],
        "heads": [[2, 0, 0]],
    }
    loop = node_of("_foreach", "loop", [0, 1])._replace(bodies=(body,))
    graph = Graph((node_of("null", "w"), node_of("relu", "fc", [0]), loop._replace(inputs=loop.inputs)), ())
    assert check_there_and_back(graph, {"fc": "x", "w": "v"}) == {
        "w": "v",
        "fc": "x",
        "loop": "loop",
        "fc-0": "x-0",
        "in": "in",
        "fc-0-0": "x-0-0",
    }
    assert check_there_and_back(graph, {"fc": "x", "fc-0": "own"})["fc-0-0"] == "own-0"  # type: ignore[index]


def test_variable_of_a_body_that_would_follow_on_the_way_back_is_held() -> None:
    body = {"nodes": [node_json("null", "b-0")], "heads": [[0, 0, 0]]}
    graph = Graph((node_of("relu", "a"), node_of("_foreach", "loop", [0])._replace(bodies=(body,))), ())
    known = Names(names_of(graph))
    assert inverse_names(known, new_names(known, {"a": "b"})) == {"b": "a", "b-0": "b-0"}
    check_there_and_back(graph, {"a": "b"})


def test_prefix_takes_the_place_of_the_old_one_and_goes_before_the_rest() -> None:
    given_names = ("data", "n_a", "b", "n_in")
    assert changed("m_", *given_names, prefix="n_", kept=["data", "n_in"]) == {
        "n_a": "m_a",
        "b": "m_b",
        "n_in": "m_in",
    }
    assert changed("m_", "data", "a", kept=["data"]) == {"a": "m_a"}
    assert changed("", "data", "n_a", "b", prefix="n_") == {"n_a": "a"}
    assert changed("n_", "n_a", prefix="n_") == {}


def test_prefix_tells_variables_of_a_body_from_parameters() -> None:
    body = {"nodes": [node_json("null", "data-0"), node_json("null", "late"), node_json("relu", "in")], "heads": []}
    loop = node_of("_foreach", "loop", [0])._replace(bodies=(body,))
    graph = Graph((node_of("null", "data"), loop, node_of("null", "late")), ())
    known = Names(names_of(graph), "", frozenset(["data"]))
    assert new_names(known, "m_") == {
        "data": "data",
        "loop": "m_loop",
        "data-0": "data-0",
        "late": "m_late",
        "in": "m_in",
    }


@pytest.mark.parametrize(
    ("glob", "new", "old_name", "new_name"),
    [
        ("conv*_w", "conv*_weight", "conv12_w", "conv12_weight"),
        ("*_*", "*.*", "a_b_c", "a.b_c"),
        ("?*", "*", "abc", "bc"),
        ("?-*-?", "*?", "a-bc-d", "bca"),
        ("*", "*", "as it is", "as it is"),
        ("*.w", "*w", "a+(b).w", "a+(b)w"),
        ("a*", "lost", "ab\nc", "lost"),
    ],
)
def test_wildcards_stand_for_what_they_matched(glob: str, new: str, old_name: str, new_name: str) -> None:
    assert new_names(names(old_name), {glob: new}) == {old_name: new_name}


def test_exact_names_come_before_globs_and_the_first_glob_that_matches_counts() -> None:
    rule = {"conv*": "c*", "*1": "*one", "conv2": "special"}
    assert changed(rule, "conv1", "conv2", "fc1", "fc2") == {"conv1": "c1", "conv2": "special", "fc1": "fcone"}
    assert changed({"fc1": "x"}, "fc1", "fc1_weight") == {"fc1": "x"}
    assert changed({"a*": "x"}, "a*", "ab") == {"a*": "x"}  # a name that has a wildcard in it


def test_key_may_leave_out_the_prefix_and_the_new_name_gets_it() -> None:
    assert changed({"a": "x"}, "n_a", prefix="n_") == {"n_a": "n_x"}
    assert changed({"a": "n_x"}, "n_a", prefix="n_") == {"n_a": "n_x"}
    assert changed({"a": "x"}, "a", "n_a", prefix="n_") == {"a": "x"}
    assert changed({"a*": "x*"}, "n_ab", "data", prefix="n_") == {"n_ab": "n_xb"}


@pytest.mark.parametrize(
    ("given_names", "kind", "message"),
    [
        ({"a": "b"}, gs.NameConflictError, r"(?s)'a' and 'b' would both be called 'b'.*'b' keeps its name.*changed"),
        ({"a": "x", "b": "x"}, gs.NameConflictError, r"(?s)'a' and 'b' would both be called 'x'.*Both get"),
        (lambda name: "x", gs.NameConflictError, r"(?s)'a' and 'b' would both.*; 1 more names collide"),
        ({"a": "x", "n_a": "y"}, gs.NameConflictError, r"(?s)'n_a' would have two new.*'n_x'.*'y'"),
        ({"aa": "x"}, gs.UnknownNodeError, r"(?s)a key matches none of the 3 names of 'network': 'aa'.*Nearest: 'a'"),
        ({"z*": "x", "y": "x"}, gs.UnknownNodeError, r"2 keys match none of the 3 names of 'network': 'z\*', 'y'"),
        ({"a*": "*x*"}, gs.SubgraphError, r"(?s)the new name '\*x\*' has more '\*' than the old one, 'a\*'"),
        ({"[ab]*": "x*"}, gs.SubgraphError, r"(?s)the glob '\[ab\]\*' has a '\['.*entry for each case"),
        ({"a": ""}, gs.SubgraphError, r"(?s)'a' would be called ''.*nothing was changed"),
        ({"a": "x\0"}, gs.SubgraphError, r"'a' would be called 'x\\x00'"),
        ({"a": "\ud800"}, gs.SubgraphError, r"'a' would be called '\\ud800'"),
        ({"a": None}, gs.SubgraphError, r"names hold None \(NoneType\), which is no name"),
        ({3: "a"}, gs.SubgraphError, r"names hold 3 \(int\), which is no name"),
        (lambda name: None, gs.SubgraphError, r"the function returns a NoneType for 'a'"),
        (3, gs.SubgraphError, r"(?s)names is a int.*new prefix, a glob"),
        (["a"], gs.SubgraphError, r"names is a list"),
        ("*?", gs.SubgraphError, r"the new name '\*\?' has more '\?'"),
        ("**", gs.SubgraphError, r"has more '\*' than the old one, '\*'"),
    ],
    ids=_title,
)
def test_names_that_cannot_be_are_refused(given_names: Any, kind: type[Exception], message: str) -> None:
    known = names("a", "b", "n_a", prefix="n_")
    if given_names == {"a": "x", "n_a": "y"}:
        known = names("b", "n_a", prefix="n_")
    with pytest.raises(kind, match=message):
        new_names(known, given_names)


def test_keys_of_a_checkpoint_keep_their_mark() -> None:
    assert new_keys(["arg:w", "aux:w", "arg:", "w", "other"], {"w": "v"}) == {
        "arg:w": "arg:v",
        "aux:w": "aux:v",
        "arg:": "arg:",
        "w": "v",
        "other": "other",
    }
    assert new_keys(["arg:w"], {"arg:w": "v", "w": "x"}) == {"arg:w": "v"}
    with pytest.raises(gs.NameConflictError, match="'w' and 'v' would both be called 'v'"):
        new_keys(["w", "v"], {"w": "v"})


@pytest.mark.parametrize("shape", ["chain", "nested"])
def test_ten_thousand_nodes_are_renamed(shape: str) -> None:
    nodes = [node_of("null", "n0")] + [node_of("relu", f"n{i}", [i - 1]) for i in range(1, 10_000)]
    if shape == "nested":
        body: dict[str, Any] = {"nodes": [node_json("null", "b")], "heads": []}
        for i in range(10_000):
            body = {"nodes": [node_json("null", "b"), node_json("_foreach", f"f{i}", [0], [body])], "heads": []}
        nodes = [node_of("null", "n0"), node_of("_foreach", "f", [0])._replace(bodies=(body,))]
    graph = Graph(tuple(nodes), ())
    known = Names(names_of(graph), "n")
    new_of = new_names(known, {"*0": "*zero", "n*": "m*"})
    renamed = renamed_graph(graph, new_of)
    back = renamed_graph(renamed, new_names(Names(names_of(renamed)), inverse_names(known, new_of)))
    assert list(names_of(back)) == list(known.reads_of_name)
    assert [node.name for node in back.nodes] == [node.name for node in graph.nodes]
