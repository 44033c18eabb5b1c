"""list_nodes: the table, the glob, the shapes, and what is refused."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from small_networks import Chain, Split, Twice, an_input, filled, sequence
from snapshots import unchanged

from gluon_subgraph.errors import SubgraphError, UnknownNodeError


def test_list_nodes_prints_a_table() -> None:
    net = sequence(1)
    assert repr(gs.list_nodes(net, shapes={"data": (2, 4)})) == (
        "name                 operator        shape   block    parameters  reads\n"
        "data                 input           (2, 4)\n"
        "n_f_dense0_fwd       FullyConnected  (2, 4)  0.0               2  data\n"
        "n_f_dense0_relu_fwd  Activation      (2, 4)  0.0.act              n_f_dense0_fwd\n"
        "n_dense0_fwd         FullyConnected  (2, 2)  1                 2  n_f_dense0_relu_fwd"
    )


def test_list_nodes_is_a_sequence_of_named_tuples() -> None:
    nodes = gs.list_nodes(Chain(prefix="n_"))
    assert isinstance(nodes, gs.NodeList)
    assert [n.name for n in nodes] == ["data", *(f"n_{c}_fwd" for c in "ABCDE")]
    assert nodes[1] == gs.NodeInfo(
        "n_A_fwd", "FullyConnected", ("data",), ("n_A_fwd_output",), ("n_A_weight", "n_A_bias"), "A", None
    )
    assert nodes == list(nodes)
    assert nodes == tuple(nodes)
    assert nodes[1:3] == [nodes[1], nodes[2]]
    assert isinstance(nodes[1:3], gs.NodeList)
    assert hash(nodes) == hash(gs.list_nodes(Chain(prefix="n_")))
    assert nodes != 3


@pytest.mark.parametrize(
    ("match", "names"),
    [
        ("*", ["data", "n_A_fwd", "n_B_fwd", "n_C_fwd", "n_D_fwd", "n_E_fwd"]),
        ("*_[AB]_*", ["n_A_fwd", "n_B_fwd"]),
        ("C", ["n_C_fwd"]),
        ("c", []),
        ("data", ["data"]),
        ("n_A", []),
        ("[AB]_*", ["n_A_fwd", "n_B_fwd"]),
        ("C_fwd", ["n_C_fwd"]),
        ("*fwd_output", []),
    ],
)
def test_list_nodes_match_is_a_glob_on_name_or_path(match: str, names: list[str]) -> None:
    assert [n.name for n in gs.list_nodes(Chain(prefix="n_"), match=match)] == names


def test_list_nodes_no_match_says_so() -> None:
    nodes = gs.list_nodes(Chain(prefix="n_"), match="zzz")
    assert (len(nodes), repr(nodes)) == (
        0,
        "no node of 'n_' matches 'zzz'.\n"
        "  A glob matches the whole name. Use match='*zzz*' to match anywhere.\n"
        "  list_nodes(net) prints every name.",
    )


def test_list_nodes_every_name_and_output_it_prints_is_found_again() -> None:
    for net in (Chain(prefix="n_"), Split(prefix="s_"), Twice(prefix="t_"), sequence(3)):
        filled(net)
        for node in gs.list_nodes(net)[1:]:
            for name in (*node.outputs, (node.name, 0)):
                assert gs.extract(net, "data", name).graph.nodes[-1].name in node.name


def test_list_nodes_repeated_names_are_numbered_and_resolve() -> None:
    net = filled(Twice(prefix="t_"))
    assert [(n.name, n.inputs, n.outputs, n.path) for n in gs.list_nodes(net)[1:]] == [
        ("t_layer_fwd#1", ("data",), ("t_layer_fwd_output#1",), "layer"),
        ("t_layer_fwd#2", ("t_layer_fwd#1",), ("t_layer_fwd_output#2",), "layer"),
        ("t_last_fwd", ("t_layer_fwd#2",), ("t_last_fwd_output",), "last"),
    ]


def test_list_nodes_several_outputs_show_their_names_and_shapes() -> None:
    nodes = gs.list_nodes(Split(prefix="s_"), shapes={"data": (3, 4)})
    assert nodes[1].outputs == ("s_halves_parts_output0", "s_halves_parts_output1")
    assert nodes[1].shape == ((3, 2), (3, 2))
    assert nodes[3].inputs == ("s_halves_parts_output1",)


def test_list_nodes_uninitialised_network_takes_unknown_sizes() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Conv2D(4, 3), nn.GlobalAvgPool2D(), nn.Dense(2))
    with unchanged(net):
        shapes = [n.shape for n in gs.list_nodes(net, shapes={"data": (0, 3, 8, 8)})]
    assert shapes[:2] == [(0, 3, 8, 8), (0, 4, 6, 6)]
    assert [n.shape for n in gs.list_nodes(net, shapes={"data": (5, 3, 8, 8)})][-1] == (5, 2)
    assert [n.shape for n in gs.list_nodes(net)] == [None] * 4


def test_list_nodes_shapes_of_a_parameter_and_of_numpy_integers() -> None:
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    found = gs.list_nodes(symbol, shapes={"fc_weight": np.array([3, 7]), "data": [np.int64(2), 7]})
    assert [n.shape for n in found] == [(2, 7), (2, 3)]


@pytest.mark.parametrize(
    "shape", [(-1, 4), (2.5, 4), "24", 3, None, ("2", 4), (2**31, 4), (2**70, 1), [[2], 4], {"a": 1}]
)
def test_list_nodes_bad_shape_is_refused(shape: Any) -> None:
    net = Chain(prefix="n_")
    with unchanged(net), pytest.raises(SubgraphError, match="(?s)the shape of 'data' is .*A shape is a tuple of sizes"):
        gs.list_nodes(net, shapes={"data": shape})


def test_list_nodes_unknown_shape_name_suggests_the_inputs() -> None:
    with pytest.raises(
        UnknownNodeError, match="(?s)shapes names 'date', which is no variable.*Nearest: 'data'.*inputs are 'data'"
    ):
        gs.list_nodes(Chain(prefix="n_"), shapes={"date": (2, 4)})
    with pytest.raises(UnknownNodeError, match="shapes names 'n_A_fwd', which is no variable"):
        gs.list_nodes(Chain(prefix="n_"), shapes={"n_A_fwd": (2, 4)})


def test_list_nodes_shapes_that_do_not_fit_quote_mxnet() -> None:
    net = filled(Chain(prefix="n_"))
    with unchanged(net), pytest.raises(
        SubgraphError, match="(?s)shapes given do not fit the network.*n_A_fwd.*inconsistent"
    ):
        gs.list_nodes(net, shapes={"data": (2, 5)})


def test_list_nodes_variable_names_that_are_keywords_of_mxnet_are_harmless() -> None:
    symbol = mx.sym.elemwise_add(mx.sym.var("self"), mx.sym.var("partial"), name="sum")
    found = gs.list_nodes(symbol, shapes={"self": (2, 3), "partial": (2, 3)})
    assert [n.name for n in found] == ["self", "partial", "sum"]


def test_list_nodes_damaged_attribute_is_refused_before_mxnet_crashes() -> None:
    x = mx.sym.Convolution(mx.sym.var("data"), kernel=(1, 1), num_filter=2, num_group=0, name="conv")
    text = r"Convolution 'conv' has num_group='0', at which MXNet crashes"
    with pytest.raises(SubgraphError, match=text):
        gs.list_nodes(x, shapes={"data": (1, 2, 3, 3)})
    values = {"conv_weight": mx.nd.ones((2, 2, 1, 1)), "conv_bias": mx.nd.ones(2)}
    net = (mx.sym.relu(x, name="r"), values, {})
    with pytest.raises(SubgraphError, match=text):
        gs.extract(net, "data", "r")
    assert gs.extract(net, "conv", "r")(mx.nd.ones(2)).shape == (2,)


def test_list_nodes_symbol_shared_names_list_each_variable_once() -> None:
    tower = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc")
    towers = mx.sym.Group([mx.sym.load_json(tower.tojson()) for _ in range(2)])
    found = gs.list_nodes(towers, shapes={"data": (2, 3)})
    assert [(n.name, n.shape) for n in found] == [("data", (2, 3)), ("fc#1", (2, 4)), ("fc#2", (2, 4))]


def test_list_nodes_leaves_a_network_that_has_run_alone() -> None:
    net = filled(Chain(prefix="n_"))
    net.hybridize()
    net(an_input())
    with unchanged(net):
        gs.list_nodes(net, match="*A*", shapes={"data": (2, 4)})


def test_list_nodes_three_thousand_nodes_of_one_name_are_quick() -> None:
    x = mx.sym.var("data")
    for _ in range(3000):
        x = mx.sym.relu(x, name="r")
    assert gs.list_nodes(x)[-1].name == "r#3000"
