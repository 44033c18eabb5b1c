"""Half precision, integers and quantised networks: a piece computes in the types of its network."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from samples import Scale, initialised, normal, same, triple

nn = gluon.nn


def test_cast_to_half_keeps_normalisation_by_operator_whatever_its_names() -> None:
    data, names = mx.sym.var("data"), ("one", "two", "three", "four")
    symbol = mx.sym.BatchNorm(mx.sym.relu(data, name="relu"), *map(mx.sym.var, names), fix_gamma=False, name="odd")
    arrays = {n: np.arange(1, 4, dtype="float32") for n in names}
    symbol = mx.sym.broadcast_mul(symbol, mx.sym.var("scale"), name="end")
    source = (symbol, {**arrays, "scale": np.ones(3, "float32")}, {})
    piece, x = gs.extract(source, "relu", "end"), normal(2, 3).astype("float16")
    piece.cast("float16")
    assert {n: np.dtype(p.dtype).name for n, p in piece.params.items()} == {
        **dict.fromkeys(names, "float32"),
        "scale": "float16",
    }
    assert piece(x).dtype == np.float16
    stock = gluon.SymbolBlock(symbol, data, gs.extract(source, "data", "end").collect_params())
    stock.cast("float16")
    with pytest.raises(mx.MXNetError, match="dtype|type"):
        stock(x).wait_to_read()


def test_cast_of_the_piece_casts_the_net_and_back() -> None:
    net = nn.HybridSequential(prefix="h_")
    net.add(
        nn.Activation("relu", prefix="h_r_"), Scale(4, prefix="h_scale_"), nn.BatchNorm(in_channels=4, prefix="h_bn_")
    )
    initialised(net)
    piece, x = gs.extract(net, "r_fwd", net), normal(2, 4)
    net.hybridize()
    expected = net(x)
    piece.cast("float16")
    assert (net[1].weight.dtype, net[2].gamma.dtype) == ("float16", "float32")
    assert same(piece(x.relu().astype("float16")), net(x.astype("float16")))
    piece.cast("float32")
    assert same(net(x), expected)


def test_half_precision_source_runs_without_a_typed_input() -> None:
    net = nn.HybridSequential(prefix="h_")
    net.add(nn.Activation("relu", prefix="h_r_"), Scale(4, prefix="h_scale_"))
    initialised(net).cast("float16")
    piece, x = gs.extract(net, "r_fwd", net), normal(2, 4).astype("float16")
    assert same(piece(x.relu()), net(x))
    with pytest.raises(AssertionError, match="desired attribute does not match .* 'dtype'"):
        gluon.SymbolBlock(piece.symbol, mx.sym.var(piece.input_names[0]), net.collect_params())


def test_integer_parameters_of_a_triple_have_no_gradient() -> None:
    symbol = mx.sym.broadcast_add(mx.sym.relu(mx.sym.var("data"), name="relu"), mx.sym.var("table"), name="sum")
    piece = gs.extract((symbol, {"table": np.array([1, -2], "int8")}, {}), "relu", "sum")
    assert (piece.params["table"].grad_req, np.dtype(piece.params["table"].dtype)) == ("null", np.dtype("int8"))
    assert piece(mx.nd.array([5, 6], dtype="int8")).asnumpy().tolist() == [6, 4]


def _quantised() -> Any:
    """Return the triple of an int8 convolution; its input must not be negative."""
    from mxnet.contrib.quantization import quantize_model

    net = nn.HybridSequential(prefix="q_")
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, in_channels=3))
    symbol, arguments, auxiliary = triple(initialised(net))
    options = {"data_names": ["data"], "label_names": None, "calib_mode": "none", "quantized_dtype": "uint8"}
    return quantize_model(symbol, arguments, auxiliary, ctx=mx.cpu(), **options)


def test_quantised_network_is_cut_through_its_integers() -> None:
    source, x = _quantised(), normal(2, 3, 6, 6).abs()
    end = source[0].list_outputs()[0]
    crossing = [("requantize_q_conv0_fwd", i) for i in range(3)]
    whole = gs.extract(source, "data", end)
    front, tail = gs.extract(source, "data", crossing), gs.extract(source, crossing, end)
    between = front(x)
    assert [np.dtype(part.dtype).name for part in between] == ["uint8", "float32", "float32"]
    assert same(tail(*between), whole(x))
    assert whole(x).asnumpy().any()
    learning = {n: (np.dtype(p.dtype).name, p.grad_req) for n, p in whole.params.items() if n.endswith("_quantize")}
    assert learning["q_conv0_weight_quantize"] == ("int8", "null")
