"""Both twins of the normal form: equal on networks, on odd graphs, and from a symbol's text as from its graph."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest
from disturbances import Model, with_exchanged_inputs, with_opaque_names
from hypothesis import given, settings
from hypothesis import strategies as st
from networks_of_layers import random_model
from random_graphs import node_of, pure_graphs, random_network

from gluon_subgraph import _forms_py
from gluon_subgraph.codec import dump_json, graph_of_symbol, json_of_symbol
from gluon_subgraph.exact_codes import ExactCodes, equal_layers
from gluon_subgraph.graph import VARIABLE, Entry, Graph
from gluon_subgraph.layers import read_form, read_form_of_text
from gluon_subgraph.outline import input_names

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(3, 18)
FEW = settings(max_examples=60, deadline=None)


def _compiled() -> ModuleType:
    return pytest.importorskip("gluon_subgraph._forms", reason="the extension is not built: make build")


@pytest.fixture(params=["python", "cython"])
def forms(request: pytest.FixtureRequest) -> ModuleType:
    """Return either twin."""
    return _forms_py if request.param == "python" else _compiled()


def _assert_twins_agree(graph: Graph, shapes: Any) -> None:
    forms = [twin.read_form_of_nodes(graph.nodes, graph.outputs, shapes) for twin in (_forms_py, _compiled())]
    assert forms[0] == forms[1]
    assert _classes(forms[0]) == _classes(forms[1])


def _classes(form: Any) -> list[Any]:
    """Return of what class everything is: a named tuple equals a plain one."""
    return [
        type(form),
        *(type(step) for step in form.steps),
        *(type(value) for step in form.steps for value in step),
        *(type(value) for step in form.steps if step.layer is not None for value in step.layer),
    ]


@FEW
@given(SEEDS, SIZES, st.booleans())
def test_form_twins_agree_on_networks(seed: int, size: int, ties: bool) -> None:
    model = random_model(seed, size, ties=ties)
    _assert_twins_agree(model.graph, model.shapes)


@settings(max_examples=200, deadline=None)
@given(pure_graphs(), st.sets(st.integers(0, 9)), st.sampled_from(["Concat", "elemwise_add", "Cast", "FullyConnected"]))
def test_form_twins_agree_on_odd_graphs(graph: Graph, parameters: set[int], op: str) -> None:
    """Any variable may be a parameter, so that anything may be computed from such, and read at any of its outputs."""
    nodes = tuple(node if node.op == VARIABLE else node._replace(op=op) for node in graph.nodes)
    shapes = {f"n{i}": (i, i) for i in parameters}
    _assert_twins_agree(Graph(nodes, graph.outputs), shapes)


@pytest.mark.parametrize("places", [range(1, 3), range(60, 70), range(1, 200), [0, 63, 64, 65, 128]])
def test_form_very_many_inputs(forms: ModuleType, places: Any) -> None:
    names = [f"p{i}" for i in range(200)]
    nodes = [*(node_of(VARIABLE, name) for name in names), node_of("my_op", "m", range(200))]
    form = forms.read_form_of_nodes(nodes, [Entry(200)], {names[i]: (i,) for i in places})
    layer = form.steps[-1].layer
    assert layer.parameters == tuple(names[i] for i in places)
    assert layer.roles == tuple(str(i) for i in places)
    assert layer.shapes == tuple((i,) for i in places)
    assert len(form.steps[-1].inputs) == 200 - len(places)


@pytest.mark.parametrize("entry", [Entry(7), Entry(2**31 - 1)])
def test_form_of_a_node_that_is_not_there_is_refused(forms: ModuleType, entry: Entry) -> None:
    nodes = [node_of(VARIABLE, "data"), node_of("relu", "r", [entry])]
    with pytest.raises(IndexError):
        forms.read_form_of_nodes(nodes, [Entry(1)], {})


def test_form_attributes_need_not_stay(forms: ModuleType) -> None:
    """Each node's own attributes, freed as soon as it is read, never stand for another's."""
    nodes = (
        ("null", "data", (), {}) if i == 0 else ("Activation", f"a{i}", ((i - 1, 0),), {"act_type": f"f{i}"})
        for i in range(500)
    )
    form = forms.read_form_of_nodes(nodes, [(499, 0)], {})
    assert [step.kind.family for step in form.steps[1:]] == [f"f{i}" for i in range(1, 500)]


@FEW
@given(seed=SEEDS)
def test_form_of_text_is_that_of_the_graph(seed: int) -> None:
    network = random_network(seed)
    shapes = {name: array.shape for name, array in {**network.arg_params, **network.aux_params}.items()}
    form = read_form(graph_of_symbol(network.symbol), shapes)
    text = json_of_symbol(network.symbol)
    assert read_form_of_text(text, shapes) == form
    read = pytest.importorskip("gluon_subgraph._symbol_text").read_symbol_text(text)
    assert [twin.read_form_of_text(read, shapes) for twin in (_forms_py, _compiled())] == [form, form]


def test_form_of_text_variables_alone(forms: ModuleType) -> None:
    text = dump_json({"nodes": [{"op": "null", "name": "x", "inputs": []}], "heads": [[0, 0, 0]]})
    assert [step.kind.settings for step in read_form_of_text(text, {}).steps] == [(("name", "x"),)]
    assert read_form_of_text(text, {"x": (1,)}) == ([], ())


def _layers_in_pairs(first: Model, second: Model) -> Any:
    forms = (read_form(first.graph, first.shapes), read_form(second.graph, second.shapes))
    names = input_names(*forms)
    return equal_layers(forms, names), ExactCodes(forms, names).isomorphism()


@FEW
@given(SEEDS, SIZES, st.booleans())
def test_equal_layers_of_a_renamed_network_are_those_of_its_isomorphism(seed: int, size: int, ties: bool) -> None:
    model = random_model(seed, size, ties=ties)
    equal, isomorphic = _layers_in_pairs(model, with_opaque_names(model, random.Random(seed)))
    assert equal is not None
    assert sorted(equal) == sorted(isomorphic)
    assert [t.node for t, _ in equal] == sorted(t.node for t, _ in equal)


@FEW
@given(SEEDS, SIZES, st.booleans(), SEEDS)
def test_equal_layers_are_never_others_than_those_of_the_isomorphism(
    seed: int, size: int, ties: bool, other_seed: int
) -> None:
    model = random_model(seed, size, ties=ties)
    written_otherwise = with_exchanged_inputs(model, random.Random(other_seed))
    for other in (written_otherwise, random_model(seed, size, ties=not ties), random_model(other_seed, size)):
        equal, isomorphic = _layers_in_pairs(model, other)
        assert equal is None or sorted(equal) == sorted(isomorphic)


def test_equal_layers_tied_otherwise_are_none() -> None:
    one, other = (
        Graph((*(node_of(VARIABLE, name) for name in ("data", "v", "w")), *layers), (Entry(4),))
        for layers in (
            (node_of("FullyConnected", "a", [0, 1]), node_of("FullyConnected", "b", [3, 1])),
            (node_of("FullyConnected", "a", [0, 1]), node_of("FullyConnected", "b", [3, 2])),
        )
    )
    shapes = {"v": (2, 2), "w": (2, 2)}
    assert _layers_in_pairs(Model(one, shapes, {}), Model(other, shapes, {})) == (None, None)
    assert _layers_in_pairs(Model(other, shapes, {}), Model(one, shapes, {})) == (None, None)


def test_twins_have_the_same_names() -> None:
    assert set(_compiled().__all__) <= set(_forms_py.__all__)
