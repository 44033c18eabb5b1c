"""What a picture of a network shows: every operator once, the edges of the graph, cuts, leaks, frozen layers."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon
from mxnet.gluon.model_zoo import vision
from samples import convolutional, initialised, layers, triple
from snapshots import unchanged

from gluon_subgraph.drawing import Drawing
from gluon_subgraph.graph import Entry
from gluon_subgraph.network import Network
from gluon_subgraph.plot_cut import CutView, view_of_cut
from gluon_subgraph.plot_network import draw_network

nn = gluon.nn
ZOO = ["resnet18_v1", "resnet50_v1", "densenet121", "inceptionv3", "mobilenetv2_1.0", "squeezenet1.0", "vgg11"]


def drawn(net: Any, cut: Any = None, expand: tuple[str, ...] = ()) -> tuple[Network, Drawing]:
    network = Network.of(net)
    view = None if cut is None else view_of_cut(network, cut)
    return network, draw_network(network, view, expand, {})


def check_quotient(network: Network, drawing: Drawing) -> None:
    """Check that boxes hold each operator and data variable once, and that edges are those of the graph."""
    nodes = network.graph.nodes
    in_boxes = sorted(node for box in drawing.boxes for node in box.nodes)
    assert in_boxes == [i for i, node in enumerate(nodes) if not node.is_variable or i in network.data]
    box_of_node = {node: i for i, box in enumerate(drawing.boxes) for node in box.nodes}
    from_data = set(network.data)
    expected = set()
    for i, node in enumerate(nodes):
        for entry in node.inputs:
            if entry.node in from_data:
                from_data.add(i)
                expected.add((box_of_node[entry.node], box_of_node[i]))
    edges = [(edge.start, edge.end) for edge in drawing.edges]
    assert set(edges) == expected
    assert len(set(drawing.edges)) == len(drawing.edges)


def random_network(choices: list[tuple[int, int, int]]) -> mx.sym.Symbol:
    values = [mx.sym.var("data")]
    for i, (kind, a, b) in enumerate(choices):
        one, other = values[-1 - a % len(values)], values[-1 - b % len(values)]
        if kind == 0:
            values.append(mx.sym.FullyConnected(one, num_hidden=4, name=f"s{i // 7}_fc{i}"))
        elif kind == 1:
            values.append(mx.sym.Activation(one, act_type="relu", name=f"s{i // 7}_relu{i}"))
        else:
            values.append(mx.sym.elemwise_add(one, other, name=f"s{i // 7}_add{i}"))
    return mx.sym.Group(values[-2:])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=160))
def test_any_graph_is_drawn_as_its_quotient(choices: list[tuple[int, int, int]]) -> None:
    check_quotient(*drawn(random_network(choices)))


@pytest.mark.parametrize("name", ZOO)
def test_zoo_is_drawn_as_its_quotient_and_can_be_read(name: str) -> None:
    net = vision.get_model(name, prefix="z_")
    with unchanged(net):
        network, drawing = drawn(net)
    check_quotient(network, drawing)
    assert len(drawing.boxes) <= 90
    longest = [1] * len(drawing.boxes)
    for edge in sorted(drawing.edges, key=lambda edge: edge.end):
        if edge.start < edge.end:
            longest[edge.end] = max(longest[edge.end], longest[edge.start] + 1)
    assert max(longest) <= 44


def test_repeated_blocks_of_resnet50_are_one_box() -> None:
    _, drawing = drawn(vision.resnet50_v1(prefix="r_"))
    repeats = [box.title for box in drawing.boxes if box.kind == "repeat"]
    assert repeats == [
        f"features.{stage}.1 … features.{stage}.{last}" for stage, last in [(4, 2), (5, 3), (6, 5), (7, 2)]
    ]


def test_repeated_blocks_are_found_by_structure_where_no_block_is_known() -> None:
    net = initialised(vision.resnet50_v1(prefix="r_"))
    net(mx.nd.zeros((1, 3, 32, 32))).wait_to_read()
    drawing = drawn(triple(net))[1]
    assert [box.title for box in drawing.boxes if box.kind == "repeat"] == [f"{k} × 10 operators" for k in (2, 3, 5, 2)]
    assert {box.group[:1] for box in drawing.boxes} == {(), ("stage1",), ("stage2",), ("stage3",), ("stage4",)}


def test_expand_shows_a_block_in_full() -> None:
    net = vision.resnet50_v1(prefix="r_")
    network, drawing = drawn(net, expand=("features.5",))
    check_quotient(network, drawing)
    inside = [box for box in drawing.boxes if box.group[:2] == ("features", "5")]
    assert {box.kind for box in inside} == {"layer", "operator"}
    convolutions = [box for box in inside if box.title.startswith("Convolution")]
    assert len(convolutions) == 13
    assert all(box.kind != "repeat" for box in drawn(net, expand=("",))[1].boxes)


def test_a_chain_of_equal_layers_is_one_box_and_the_output() -> None:
    x = mx.sym.var("data")
    for i in range(3000):
        x = mx.sym.FullyConnected(x, num_hidden=4, name=f"fc{i}")
    _, drawing = drawn(x)
    assert [box.title for box in drawing.boxes] == ["data", "2999 × FullyConnected, 4", "FullyConnected, 4"]


def test_many_branches_keep_to_the_page() -> None:
    data = mx.sym.var("data")
    branches = [mx.sym.FullyConnected(data, num_hidden=4, name=f"w{i}") for i in range(300)]
    network, drawing = drawn(mx.sym.add_n(*branches, name="sum"))
    check_quotient(network, drawing)
    assert len(drawing.boxes) <= 10


CUTS = [
    ("pool0_fwd", "stage2_activation1"),
    (["pool0_fwd"], ["stage1_activation1", "stage2_activation1"]),
    ("data", "pool0_fwd"),
]


@pytest.mark.parametrize("cut", CUTS)
def test_cut_colours_exactly_what_is_extracted(cut: Any) -> None:
    net = vision.resnet18_v1(prefix="r_")
    piece = gs.extract(net, *cut)
    network, drawing = drawn(net, cut)
    check_quotient(network, drawing)
    kept = {network.graph.nodes[i].name for box in drawing.boxes if box.part == "kept" for i in box.nodes}
    assert kept == {node.name for node in piece.graph.nodes if not node.is_variable}
    assert drawn(net, piece)[1] == drawing
    outputs = cut[1] if isinstance(cut[1], list) else [cut[1]]
    assert [tensor.title for tensor in drawing.tensors if tensor.side == "output"] == outputs


def test_cut_by_a_slice_of_layers_and_by_new_names_is_the_same() -> None:
    net = layers(4)
    by_names = drawn(net, ("dense0_tanh_fwd", "dense2_tanh_fwd"))[1]
    assert drawn(net, net[1:3])[1] == by_names
    assert drawn(net, gs.extract(net, {"new": "dense0_tanh_fwd"}, {"last": "dense2_tanh_fwd"}))[1] == by_names


def test_open_cut_is_drawn_with_its_leak_and_its_repair_in_red() -> None:
    net = vision.resnet18_v1(prefix="r_")
    cut = ("stage2_relu1_fwd", "stage3_activation1")
    with pytest.raises(gs.OpenCutError, match="does not close the cut") as refused:
        gs.extract(net, *cut)
    network, drawing = drawn(net, cut)
    check_quotient(network, drawing)
    assert [f"r_{t.title}" for t in drawing.tensors if t.side == "repair"] == list(refused.value.repair)
    red = {network.graph.nodes[i].name for box in drawing.boxes if box.part == "leak" for i in box.nodes}
    assert set(refused.value.leaks) <= red
    repair = Entry(next(i for i, n in enumerate(network.graph.nodes) if n.name == refused.value.repair[0]))
    assert network.graph.nodes[repair.node].name in red
    assert any(edge.is_leak for edge in drawing.edges)
    kept = {network.graph.nodes[i].name for box in drawing.boxes if box.part == "kept" for i in box.nodes}
    closed = gs.extract(net, *cut, open_cut="add")
    assert kept == {node.name for node in closed.graph.nodes if not node.is_variable}


def test_every_leak_of_several_is_red() -> None:
    data = [mx.sym.var(name) for name in "abc"]
    symbol = mx.sym.add_n(*[mx.sym.relu(x, name=f"{x.name}_relu") for x in data], name="sum")
    network = Network.of((symbol, {}, {}))
    view = view_of_cut(network, ("a_relu", "sum"))
    assert isinstance(view, CutView)
    leaks = {network.graph.nodes[i].name for i, part in view.part_of_node.items() if part == "leak"}
    assert {"b", "c"} <= leaks
    assert "a" not in leaks


def test_frozen_boxes_are_hatched_exactly_where_nothing_learns() -> None:
    net = initialised(vision.resnet18_v1(prefix="r_"))
    assert not any(box.is_frozen for box in drawn(net)[1].boxes)
    gs.freeze(net, upto="stage2_activation0")
    network, drawing = drawn(net)
    frozen = {n for n, p in net.collect_params().items() if p.grad_req == "null"}
    for box in drawing.boxes:
        read = {network.graph.nodes[e.node].name for i in box.nodes for e in network.graph.nodes[i].inputs}
        own = read & set(net.collect_params().keys())
        assert box.is_frozen == (bool(own) and own <= frozen)
    assert gs.plot(net).source.count("style=striped") == sum(box.is_frozen for box in drawing.boxes) > 0
    gs.unfreeze(net)
    assert "striped" not in gs.plot(net).source


def test_batch_norm_that_still_moves_is_not_frozen() -> None:
    net = convolutional()
    for parameter in net.collect_params().values():
        parameter.grad_req = "null"
    titles = {box.title: box.is_frozen for box in drawn(net)[1].boxes if box.kind == "layer"}
    assert titles
    moving = [box for box in drawn(net)[1].boxes if "BatchNorm" in (box.title, *box.lines)]
    assert not any(box.is_frozen for box in moving)


def test_shapes_are_written_on_boxes() -> None:
    net = initialised(vision.resnet18_v1(prefix="r_"))
    source = gs.plot(net, cut=("pool0_fwd", "stage1_activation0"), shapes={"data": (1, 3, 224, 224)}).source
    assert 'pool0_fwd<br/><font point-size="9" color="#444444">(1, 64, 56, 56)' in source
    assert source.count("(1, 64, 112, 112)") == 1


def test_parameter_of_the_name_of_its_layer_keeps_its_shape() -> None:
    weight = mx.sym.var("fc", shape=(3, 4))
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), weight, num_hidden=3, no_bias=True, name="fc")
    for shapes in (None, {"data": (5, 4)}):
        picture = gs.plot((symbol, {"fc": mx.nd.ones((3, 4))}, {}), shapes=shapes)
        assert picture.title.endswith("12 parameter values")
        assert "(3, 4)" in picture.source


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cut": ("nothing", "dense1_fwd")}, r"no node 'nothing'"),
        ({"cut": ("dense1_fwd", "dense0_fwd")}, r"lies upstream"),
        ({"cut": "dense0_fwd"}, r"(?s)cut is 'dense0_fwd'.*\(inputs, outputs\).*nothing was drawn"),
        ({"expand": "features.9"}, r"(?s)expand names 'features.9'.*nothing was drawn"),
        ({"expand": [3]}, r"expand holds 3"),
        ({"expand": 3}, r"expand is 3"),
        ({"shapes": {"dta": (1, 2)}}, r"shapes names 'dta'"),
        ({"binding": {}}, r"binding is a dict, no Binding"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(gs.SubgraphError, match=message):
        gs.plot(layers(3), **options)


def test_piece_of_another_network_is_refused() -> None:
    with pytest.raises(gs.UnknownNodeError, match=r"the piece was not cut from"):
        gs.plot(layers(3), cut=gs.extract(convolutional(), "data", "relu0_fwd"))
