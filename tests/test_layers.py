"""The normal form of a graph: what is looked through, what owns parameters, and which is in which slot."""

from __future__ import annotations

from typing import Any, Sequence

from networks_of_layers import BN_ROLES, Builder, random_model

from gluon_subgraph.graph import VARIABLE, Entry, Graph, Node
from gluon_subgraph.layers import Layer, differing_settings, read_form, read_layers


def _graph(*nodes: tuple[Any, ...], outputs: Sequence[int] = ()) -> Graph:
    """Return a graph of (op, name, *inputs, attrs if any), inputs being node numbers or (node, output)."""
    made = []
    for op, name, *rest in nodes:
        attrs = rest.pop() if rest and isinstance(rest[-1], dict) else {}
        inputs = tuple(Entry(*i) if isinstance(i, tuple) else Entry(i) for i in rest)
        made.append(Node(op, name, inputs, attrs))
    return Graph(tuple(made), tuple(Entry(o) for o in outputs or [len(made) - 1]))


DATA = (VARIABLE, "data")
W = (VARIABLE, "w")


def test_layers_roles_follow_the_slot_not_the_name() -> None:
    names = ("a_weight", "a_running_mean", "gamma", "b")
    nodes = [DATA, *((VARIABLE, n) for n in names), ("BatchNorm", "bn", 0, 1, 2, 3, 4)]
    (layer,) = read_layers(_graph(*nodes), dict.fromkeys(names, (4,)))
    assert layer.roles == BN_ROLES
    assert layer.parameters == names
    assert layer.shapes == ((4,),) * 4


def test_layers_norm_with_relu_has_the_roles_of_a_norm_and_learns_them() -> None:
    names = ["gamma", "beta", "running_mean", "running_var"]
    inputs = [Node(VARIABLE, name) for name in ["data", *names]]
    node = Node("_contrib_BatchNormWithReLU", "norm", tuple(map(Entry, range(5))))
    (layer,) = read_layers(Graph((*inputs, node), (Entry(5),)), dict.fromkeys(names))
    assert (layer.kind, layer.roles, layer.parameters) == (node.op, tuple(names), tuple(names))
    assert dict(layer.attrs) == {"axis": "1.0", "eps": "0.001", "fix_gamma": "1.0"}


def test_layers_unknown_operator_numbers_its_slots() -> None:
    graph = _graph(DATA, (VARIABLE, "p"), (VARIABLE, "q"), ("my_op", "m", 1, 0, 2, {"k": "3"}))
    assert read_layers(graph, {"p": (1,), "q": None}) == [
        Layer("my_op", ("0", "2"), ("p", "q"), ((1,), None), (("k", "3.0"),), 3)
    ]


def test_layers_variables_without_shape_entry_are_inputs() -> None:
    graph = _graph(DATA, (VARIABLE, "mask"), ("broadcast_mul", "m", 0, 1))
    form = read_form(graph, {})
    assert [step.layer for step in form.steps] == [None, None, None]
    assert (form.steps[2].inputs, form.outputs) == ((0, 1), (2,))


def test_form_looks_through_transparent_operators() -> None:
    graph = _graph(
        DATA,
        ("Cast", "c", 0),
        ("Dropout", "d", 1),
        W,
        ("FullyConnected", "fc", 2, 3),
        ("Reshape", "r", 4),
        ("relu", "a", 5),
    )
    form = read_form(graph, {"w": (2, 2)})
    assert [step.kind.family for step in form.steps] == ["input", "FullyConnected", "relu"]
    assert [step.inputs for step in form.steps] == [(), (0,), (1,)]


def test_form_transparent_output_is_what_it_passes_on() -> None:
    form = read_form(_graph(DATA, W, ("FullyConnected", "fc", 0, 1), ("SoftmaxOutput", "s", 2)), {"w": (2, 2)})
    assert form.outputs == (1,)


def test_layers_cast_weight_belongs_to_the_layer_that_reads_it() -> None:
    graph = _graph(DATA, W, ("amp_cast", "half", 1), ("FullyConnected", "fc", 0, 2))
    (layer,) = read_layers(graph, {"w": (3, 2)})
    assert (layer.kind, layer.roles, layer.parameters) == ("FullyConnected", ("weight",), ("w",))


def test_layers_reshaped_weight_keeps_its_own_shape() -> None:
    graph = _graph(DATA, (VARIABLE, "g"), ("Reshape", "r", 1, {"shape": "(1, -1, 1, 1)"}), ("broadcast_mul", "m", 0, 2))
    (layer,) = read_layers(graph, {"g": (4,)})
    assert (layer.kind, layer.roles, layer.shapes) == ("multiply", ("1",), ((4,),))


def test_layers_joined_weights_are_all_in_the_slot_of_the_join() -> None:
    names = ("l0_i2h", "l0_h2h", "l1_i2h")
    graph = _graph(DATA, *((VARIABLE, n) for n in names), ("Concat", "all", 1, 2, 3), ("RNN", "rnn", 0, 4))
    (layer,) = read_layers(graph, {n: (k,) for k, n in enumerate(names, 1)})
    assert (layer.kind, layer.roles) == ("RNN", ("1", "1", "1"))
    assert (layer.parameters, layer.shapes) == (names, ((1,), (2,), (3,)))


def test_layers_output_that_is_a_parameter_is_left_out() -> None:
    graph = _graph(DATA, W, ("FullyConnected", "fc", 0, 1), outputs=(1, 2))
    assert read_form(graph, {"w": (2, 2)}).outputs == (1,)


def test_layers_tied_parameter_is_in_every_layer_that_reads_it() -> None:
    graph = _graph(DATA, W, ("FullyConnected", "a", 0, 1), ("FullyConnected", "b", 2, 1))
    assert [(layer.node, layer.parameters) for layer in read_layers(graph, {"w": (2, 2)})] == [(2, ("w",)), (3, ("w",))]


def test_form_further_outputs_are_steps_of_their_own() -> None:
    graph = _graph(DATA, ("SliceChannel", "s", 0), ("elemwise_sub", "d", (1, 1), (1, 0)), ("relu", "r", (1, 1)))
    form = read_form(graph, {})
    assert [(step.kind.family, step.inputs, step.output) for step in form.steps] == [
        ("input", (), 0), ("split", (0,), 0), ("split", (1,), 1), ("subtract", (2, 1), 0), ("relu", (2,), 0)
    ]  # fmt: skip


def test_form_is_in_topological_order_and_has_every_parameter() -> None:
    for seed in range(20):
        model = random_model(seed, 12)
        form = read_form(model.graph, model.shapes)
        assert all(i < n for n, step in enumerate(form.steps) for i in step.inputs)
        layers = [step.layer for step in form.steps if step.layer is not None]
        assert {name for layer in layers for name in layer.parameters} == set(model.shapes)


def test_form_ten_thousand_operators_need_no_recursion() -> None:
    b = Builder()
    at = 0
    for _ in range(10_000):
        at = b.relu(at)
    assert len(read_form(b.model(at).graph, {}).steps) == 10_001


def _conv(**attrs: str) -> Layer:
    b = Builder()
    (layer,) = read_layers(b.model(b.conv(0, 4, **attrs)).graph, b.shapes)
    return layer


def test_differing_settings_names_each_with_both_values() -> None:
    assert differing_settings(_conv(stride="(2, 2)", num_group="2"), _conv()) == [
        ("num_group", "2.0", "1.0"), ("stride", "2.0", "1.0")
    ]  # fmt: skip
    assert differing_settings(_conv(), _conv(stride="(1, 1)")) == []


def test_differing_settings_leaves_out_what_is_told_where_values_are_loaded() -> None:
    b = Builder()
    one, other = read_layers(b.model(b.norm(b.norm(0), fix_gamma="True", eps="1e-05")).graph, b.shapes)
    assert one.attrs != other.attrs
    assert differing_settings(one, other) == []
