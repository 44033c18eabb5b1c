"""Graphs that real files hold: casts, quantisation, fusion, NumPy, odd types."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from typing import Any, Iterator

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from random_graphs import stock_block
from small_networks import an_input, filled
from snapshots import run_alone, unchanged

from gluon_subgraph.errors import SubgraphError


def bits(array: Any) -> Any:
    return [bits(a) for a in array] if isinstance(array, (list, tuple)) else (array.shape, array.asnumpy().tobytes())


def test_extract_amp_casts_survive() -> None:
    printed = run_alone(
        """
        from mxnet.contrib import amp
        amp.init(target_dtype="bfloat16")
        net = mx.gluon.nn.HybridSequential(prefix="n_")
        with net.name_scope():
            net.add(mx.gluon.nn.Dense(4, in_units=4), mx.gluon.nn.Activation("relu"), mx.gluon.nn.Dense(2, in_units=4))
        net.initialize(mx.init.Xavier())
        piece = gs.extract(net, net[1], net[2])
        net.hybridize()
        x = mx.nd.random.uniform(shape=(3, 4))
        front = gs.extract(net, "data", net[1])
        print([n.op for n in piece.graph.nodes if not n.is_variable])
        print((piece(front(x)).astype("float32") == net(x).astype("float32")).asnumpy().all())
        """
    )
    operators, equal = printed.splitlines()
    assert operators.count("amp_cast") >= 2
    assert equal == "True"


def test_extract_quantised_network_is_cut_through_quantised_tensors() -> None:
    random = np.random.RandomState(0)
    x = mx.sym.Convolution(mx.sym.var("data"), kernel=(3, 3), num_filter=4, name="one")
    x = mx.sym.Convolution(mx.sym.relu(x, name="relu"), kernel=(3, 3), num_filter=4, name="two")
    shapes, _, _ = x.infer_shape(data=(1, 3, 8, 8))
    values = {n: mx.nd.array(random.uniform(-1, 1, s)) for n, s in zip(x.list_arguments(), shapes) if n != "data"}
    quantised, arg_params, aux_params = mx.contrib.quantization.quantize_model(
        x, values, {}, calib_mode="none", quantized_dtype="uint8", ctx=mx.cpu()
    )
    net = (quantised, arg_params, aux_params)
    data = mx.nd.array(random.uniform(0, 1, (2, 3, 8, 8)))
    whole = gs.extract(net, "data", gs.list_nodes(net)[-1].name)
    nodes = gs.list_nodes(net)
    middle = next(
        n for n in nodes if n.op in ("_contrib_quantized_conv", "_contrib_quantize_v2") and len(n.outputs) == 3
    )
    with unchanged(net):
        front = gs.extract(net, "data", list(middle.outputs))
        rest = gs.extract(net, list(middle.outputs), nodes[-1].name)
    hidden = front(data)
    assert hidden[0].dtype in (np.int8, np.uint8, np.int32)
    assert bits(rest(*hidden)) == bits(whole(data))
    assert {p.grad_req for p in rest.collect_params().values() if p.dtype == np.int8} <= {"null"}


def test_extract_partitioned_symbol_block_is_refused_and_hybrid_block_is_not() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(
            nn.Conv2D(4, 3, in_channels=3),
            nn.BatchNorm(in_channels=4),
            nn.Activation("relu"),
            nn.Conv2D(2, 3, in_channels=4),
        )
    filled(net)
    x = mx.nd.array(np.random.RandomState(0).rand(1, 3, 8, 8))
    plain = gs.extract(net, net[0], net[3])
    net.hybridize(backend="MKLDNN")
    net(x)
    assert any("sg_mkldnn" in name for name in net._cached_graph[1].get_internals().list_outputs())
    with unchanged(net):
        piece = gs.extract(net, net[0], net[3])
    assert piece.graph == plain.graph
    block = mx.gluon.SymbolBlock(net(mx.sym.var("data")), mx.sym.var("data"), params=net.collect_params())
    block.hybridize(backend="MKLDNN")
    block(x)
    with unchanged(block), pytest.raises(SubgraphError, match="(?s)fused by a backend.*as it was before hybridize"):
        gs.extract(block, "data", gs.list_nodes(block)[-1].name)


@pytest.fixture
def numpy_mode() -> Iterator[None]:
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


class NumpyNet(nn.HybridBlock):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.one = nn.Dense(4, in_units=4)
            self.two = nn.Dense(2, in_units=4)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.two(F.np.maximum(F.npx.relu(self.one(x)), F.np.sin(x))).sum(axis=-1)


@pytest.mark.usefixtures("numpy_mode")
def test_extract_numpy_network_in_and_out_of_numpy_mode() -> None:
    net = NumpyNet(prefix="n_")
    net.initialize(mx.init.Uniform(1))
    net.hybridize()
    x = mx.np.array(np.random.RandomState(0).uniform(-1, 1, (3, 4)), dtype="float32")
    expected = net(x)
    cut, end = next(n for n in gs.list_nodes(net) if "maximum" in n.op).name, gs.list_nodes(net)[-1].name
    with unchanged(net):
        inside = gs.extract(net, cut, end)
    middle = gs.extract(net, "data", cut)(x)
    assert isinstance(middle, mx.np.ndarray)
    assert bits(inside(middle)) == bits(expected)
    mx.npx.reset_np()
    with unchanged(net):
        outside = gs.extract(net, cut, end)
    mx.npx.set_np()
    assert bits(outside(middle)) == bits(expected)
    assert [n.name for n in outside.graph.nodes] == [n.name for n in inside.graph.nodes]


@pytest.mark.parametrize("states", [False, True])
def test_extract_lstm_without_begin_state_has_zeros_of_unknown_batch_size(*, states: bool) -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(
            nn.Dense(5, in_units=4, flatten=False),
            mx.gluon.rnn.LSTM(3, input_size=5),
            nn.Dense(2, in_units=3, flatten=False),
        )
    filled(net)
    rnn = next(n for n in gs.list_nodes(net) if n.op == "RNN")
    outputs = rnn.outputs if states else "2"
    piece = gs.extract(net, "dense0_fwd", list(outputs) if states else outputs)
    for batch in (1, 3):
        x = mx.nd.array(np.random.RandomState(0).rand(6, batch, 4))
        hidden = net[0](x)
        if states:
            zeros = net[1].begin_state(batch)
            expected, last = net[1](hidden, zeros)
            assert bits(piece(hidden)) == bits([expected, *last][: len(rnn.outputs)])
        else:
            assert bits(piece(hidden)) == bits(net(x))


def test_extract_float64_and_half_inside() -> None:
    x = mx.sym.FullyConnected(mx.sym.cast(mx.sym.var("data"), dtype="float64"), num_hidden=3, name="double")
    x = mx.sym.relu(mx.sym.cast(x, dtype="float16", name="half"), name="end")
    values = {"double_weight": mx.nd.ones((3, 4), dtype="float64"), "double_bias": mx.nd.ones(3, dtype="float64")}
    front = gs.extract((x, values, {}), "data", "double")
    rest = gs.extract((x, values, {}), "double", "end")
    hidden = front(an_input())
    assert (hidden.dtype, rest(hidden).dtype) == (np.float64, np.float16)
    assert front.collect_params()["double_weight"].dtype == np.float64
    np.testing.assert_array_equal(rest(hidden).asnumpy(), np.maximum(hidden.asnumpy().astype("float16"), 0))


def test_extract_bfloat16_inside_keeps_the_casts() -> None:
    x = mx.sym.amp_cast(mx.sym.relu(mx.sym.var("data"), name="start"), dtype="float16", name="to")
    x = mx.sym.amp_cast(mx.sym.relu(x, name="half"), dtype="float32", name="back")
    symbol = mx.sym.load_json(x.tojson(remove_amp_cast=False).replace("float16", "bfloat16"))
    piece = gs.extract((symbol, {}, {}), "start", "back")
    assert [n.attrs.get("dtype") for n in piece.graph.nodes[1:]] == ["bfloat16", None, "float32"]
    assert piece(mx.nd.array([1.0, 0.1])).asnumpy().tolist() == [1.0, 0.10009765625]


def test_extract_five_hundred_inputs() -> None:
    count = 500
    scaled = [mx.sym.relu(mx.sym.var(f"x{i}"), name=f"r{i}") for i in range(count)]
    symbol = mx.sym.add_n(*scaled, name="sum")
    net = (symbol, {}, {})
    piece = gs.extract(net, [f"r{i}" for i in reversed(range(count))], "sum")
    assert piece(*(mx.nd.array([i]) for i in range(count))).asscalar() == sum(range(count))
    with pytest.raises(gs.OpenCutError, match="and 495 more") as caught:
        gs.extract(net, "r0", "sum")
    assert len(caught.value.repair) == count - 1
    added = gs.extract(net, "r0", "sum", open_cut="add")
    assert len(added.input_names) == count


def test_extract_towers_loaded_twice_share_one_parameter() -> None:
    tower = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc", no_bias=True)
    one, two = (mx.sym.load_json(tower.tojson()) for _ in range(2))
    net = (mx.sym.elemwise_mul(one, mx.sym.relu(two, name="r"), name="end"), {"fc_weight": mx.nd.ones((4, 4))}, {})
    piece = gs.extract(net, "data", "end")
    assert list(piece.collect_params()) == ["fc_weight"]
    whole = stock_block(net[0], ["data"], net[1])
    for block in (piece, whole):
        with mx.autograd.record():
            block(an_input()).backward()
    assert bits(piece.collect_params()["fc_weight"].grad()) == bits(whole.collect_params()["fc_weight"].grad())


def test_extract_tied_parameters_stay_one_parameter() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4))
        net.add(nn.Dense(4, in_units=4, params=net[0].params), nn.Dense(4, in_units=4, params=net[0].params))
    filled(net)
    piece = gs.extract(net, net[0], net[2])
    assert {id(p) for p in piece.collect_params().values()} == {id(net[0].weight), id(net[0].bias)}
    assert bits(piece(net[0](an_input()))) == bits(net(an_input()))


def test_extract_topk_both_and_argmax_of_the_last_axis() -> None:
    values, places = mx.sym.topk(mx.sym.relu(mx.sym.var("data"), name="r"), k=2, ret_typ="both", name="top")
    net = (mx.sym.Group([values, mx.sym.argmax(places, axis=-1, name="arg")]), {}, {})
    x = mx.nd.array([[3, 1, 2], [5, 9, 7]])
    assert [a.asnumpy().tolist() for a in gs.extract(net, "r", [("top", 0), ("top", 1)])(x)] == [
        [[3, 2], [9, 7]],
        [[0, 2], [1, 2]],
    ]
    assert gs.extract(net, "top_output1", "arg")(x).asnumpy().tolist() == [0, 1]


def test_extract_hidden_output_of_batch_norm() -> None:
    net = (mx.sym.BatchNorm(mx.sym.relu(mx.sym.var("data"), name="r"), fix_gamma=False, name="bn"), {}, {})
    values = {f"bn_{n}": mx.nd.array([1, 2, 3, 4]) for n in ("gamma", "beta", "moving_mean", "moving_var")}
    piece = gs.extract((net[0], values, {}), "r", ["bn", ("bn", 1)])
    with mx.autograd.train_mode():
        _, mean = piece(an_input())
    np.testing.assert_array_max_ulp(mean.asnumpy(), an_input().asnumpy().mean(axis=0), maxulp=8)
