"""The quick route and the full route give the same piece, or the quick one declines."""

import random
from functools import partial

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision

import gluon_subgraph as gs
from gluon_subgraph.boundary import find_boundary
from gluon_subgraph.codec import graph_of_symbol, json_of_symbol
from gluon_subgraph.extraction import _block_between, _quick_block
from gluon_subgraph.network import Network
from gluon_subgraph.quick import _Names, text_from


def full_block(net, inputs, outputs):
    network = Network.of(net)
    start, end = find_boundary(network, inputs, "inputs"), find_boundary(network, outputs, "outputs")
    return _block_between(network, start, end, "error")


def full_result(net, inputs, outputs):
    """Return the piece of the full route as plain values, or the error's class."""
    try:
        block = full_block(net, inputs, outputs)
    except gs.SubgraphError as error:
        return type(error)
    return described(block)


def described(block):
    graph = graph_of_symbol(block.symbol)
    parameters = {name: id(p) for name, p in block.params.items()}
    return graph, block.input_names, block.output_names, parameters, block._out_format


def random_cuts(net, seed, count):
    """Return pairs of names: data inputs and operators, in any order, some not cuts at all."""
    names = [node.name for node in gs.list_nodes(net)]
    rng = random.Random(seed)
    for _ in range(count):
        first, second = sorted(rng.sample(range(len(names)), 2))
        yield names[first], names[second]
        yield "data", names[second]


@pytest.mark.parametrize("name", ["resnet18_v1", "squeezenet1_0", "mobilenet_v2_0_25", "densenet121"])
def test_quick_route_random_cuts_gives_the_full_route(name):
    net = getattr(vision, name)(prefix="net_")
    taken = 0
    for inputs, outputs in random_cuts(net, seed=3, count=25):
        quick = _quick_block(Network.of(net), inputs, outputs)
        if quick is not None:
            taken += 1
            assert described(quick) == full_result(net, inputs, outputs)
    assert taken >= 20


def test_quick_route_several_inputs_and_outputs_gives_the_full_route():
    net = vision.resnet18_v1(prefix="net_")
    inputs = ["stage1_batchnorm0_fwd", "net_pool0_fwd_output"]
    outputs = ["stage1_activation0", "stage2_conv0_fwd"]
    quick = _quick_block(Network.of(net), inputs, outputs)
    assert described(quick) == full_result(net, inputs, outputs)


def test_quick_route_graph_equals_that_of_the_full_route_paths_included():
    net = vision.resnet18_v1(prefix="net_")
    for inputs, outputs in [("data", "pool0_fwd"), ("pool0_fwd", "stage2_activation1")]:
        quick, full = _quick_block(Network.of(net), inputs, outputs), full_block(net, inputs, outputs)
        assert quick.graph == full.graph
        assert {node.path for node in quick.graph.nodes} > {""}


class Odd(nn.HybridBlock):
    """Several outputs, names that begin like others, a name shared by a variable and operators."""

    def hybrid_forward(self, F, x):
        a = F.BatchNorm(x, name="a", output_mean_var=False)
        parts = F.split(a, num_outputs=2, name="s")
        b = F.relu(parts[0], name="a_b") + F.relu(parts[1], name="r")
        c = F.relu(b, name="r")
        return F.BatchNorm(c, name="s_output0") * F.relu(c, name="w")


def test_quick_route_odd_names_declines_or_agrees():
    net, taken = Odd(prefix=""), 0
    names = ["data", "a", "a_output", "s", "s_output0", "s_output1", "a_b", "r", "r_output", "_plus0", "w", "_mul0"]
    with mx.AttrScope(unrelated="1"):
        for inputs in names:
            for outputs in names:
                quick = _quick_block(Network.of(net), inputs, outputs)
                if quick is not None:
                    taken += 1
                    assert described(quick) == full_result(net, inputs, outputs)
    assert taken >= 1


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"x": "pool0_fwd"}, "stage1_activation0"),
        (("pool0_fwd", 0), "stage1_activation0"),
        ("features.3", "stage1_activation0"),
        ("stage1_batchnorm0_fwd", "stage2_conv0_fwd"),
        ("pool0_fwd", "no_such_node"),
        (["pool0_fwd", "pool0_fwd"], "stage1_activation0"),
        ([], "stage1_activation0"),
    ],
)
def test_quick_route_anything_unusual_declines(inputs, outputs):
    net = vision.resnet18_v1(prefix="net_")
    assert _quick_block(Network.of(net), inputs, outputs) is None


def test_quick_route_front_piece_shares_the_nodes_of_the_network():
    network = Network.of(vision.resnet18_v1(prefix="net_"))
    piece = _quick_block(network, "data", "pool0_fwd")
    piece.symbol.get_internals()["net_conv0_fwd_output"]._set_attr(__mark__="seen")
    assert network.symbol.get_internals()["net_conv0_fwd_output"].attr("__mark__") == "seen"


def test_quick_route_piece_computes_what_the_network_computes():
    net = vision.resnet18_v1(prefix="net_")
    net.initialize(mx.init.Xavier())
    x = mx.nd.array(np.random.RandomState(0).rand(2, 3, 32, 32))
    front, rest = gs.extract(net, "data", "pool0_fwd"), gs.extract(net, "pool0_fwd", "dense0_fwd")
    assert np.array_equal(rest(front(x)).asnumpy(), net(x).asnumpy())


class Crashing(nn.HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.weight = self.params.get("weight", shape=(2, 2, 1, 1))

    def hybrid_forward(self, F, x, weight):
        y = F.relu(x, name="A")
        y = F.Convolution(y, weight, num_filter=2, kernel=(1, 1), num_group=0, no_bias=True, name="B")
        return F.relu(y, name="C")


@pytest.mark.parametrize("inputs", ["data", "A"])
def test_piece_with_an_attribute_that_crashes_mxnet_is_refused_before_it_runs(inputs):
    net = Crashing(prefix="n_")
    net.initialize()
    with pytest.raises(gs.SubgraphError, match="has num_group='0', at which MXNet crashes"):
        gs.extract(net, {"x": inputs}, "C")
    piece = gs.extract(net, inputs, "C")
    for call in (piece, piece.summary, piece.infer_shape, partial(piece.optimize_for, backend="MKLDNN")):
        with pytest.raises(gs.SubgraphError, match="has num_group='0', at which MXNet crashes"):
            call(mx.nd.ones((1, 2, 4, 4)))
    parent = nn.HybridSequential()
    parent.add(piece)
    parent.hybridize()
    with pytest.raises(gs.SubgraphError, match="has num_group='0', at which MXNet crashes"):
        parent(mx.nd.ones((1, 2, 4, 4)))


class Mask(nn.HybridBlock):
    """A data input whose name, seven characters shorter, is that of an operator."""

    def hybrid_forward(self, F, x, y):
        a = F.relu(x, name="dat")
        b = F.relu(a, name="b")
        return F.broadcast_add(b, y, name="c")


def test_quick_route_data_and_inner_inputs_together_decline():
    net = Mask(prefix="")
    for inputs in (["b", "data1"], ["data1", "b"], ["b"], ["data0", "data1"], ["dat", "data1"]):
        quick = _quick_block(Network.of(net), inputs, "c")
        assert (quick is None) == (inputs != ["data0", "data1"])


def test_text_from_a_start_in_doubt_is_none():
    x = mx.sym.relu(mx.sym.SliceChannel(mx.sym.var("data"), num_outputs=2, name="s")[1], name="r")
    text = json_of_symbol(mx.sym.relu(x, name="t"))
    assert text_from(text, ["r_output"]) is not None
    assert text_from(text, ["s_output"]) is None  # its other output is read
    assert text_from(text, ["data_output"]) is None  # a variable
    assert text_from(text, ["q_output"]) is None


def test_quick_route_list_that_the_caller_changes_afterwards_does_not_change_the_graph():
    inputs, outputs = ["pool0_fwd"], ["stage1_activation0"]
    piece = gs.extract(vision.resnet18_v1(prefix="net_"), inputs, outputs)
    inputs[0] = outputs[0] = "no_such_node"
    assert piece.graph.nodes[0].name == "net_pool0_fwd_output"


class _Listed(list):
    """Names that count how often somebody goes through all of them."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()

    def count(self, name):
        self.passes += 1
        return super().count(name)

    def index(self, *args):
        self.passes += 1
        return super().index(*args)


@pytest.mark.parametrize("number", [1, 40])
def test_names_are_gone_through_as_often_for_one_as_for_many(number):
    network = Network.of(chain_of(40))
    listed = _Listed(network.symbol.get_internals().list_outputs())
    where = _Names(network, listed)
    found = [where.find(f"q_dense{i}_fwd") for i in range(number)]
    assert (found, listed.passes) == ([f"q_dense{i}_fwd_output" for i in range(number)], 2)


def chain_of(count):
    net = nn.HybridSequential(prefix="q_")
    with net.name_scope():
        net.add(*[nn.Dense(2, in_units=2) for _ in range(count)])
    return net
