"""Loss heads: with a label they stay and train, without one they are what they compute at inference."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from random_graphs import node_of, stock_block
from snapshots import unchanged

from gluon_subgraph.graph import Entry, Graph
from gluon_subgraph.losses import inference_form, is_loss_head

BATCH, CLASSES = 3, 4

# Operator, its attributes, shape of what enters it, shape of the label.
HEADS = [
    ("SoftmaxOutput", {}, (BATCH, CLASSES), (BATCH,)),
    ("Softmax", {}, (BATCH, CLASSES), (BATCH,)),
    ("SoftmaxOutput", {"multi_output": True}, (BATCH, CLASSES, 2, 5), (BATCH, 2, 5)),
    ("SoftmaxOutput", {"multi_output": "1"}, (BATCH, CLASSES, 6), (BATCH, 6)),
    ("SoftmaxOutput", {"preserve_shape": True}, (BATCH, CLASSES), (BATCH,)),
    ("SoftmaxOutput", {"multi_output": True, "use_ignore": True, "ignore_label": -1}, (BATCH, CLASSES, 6), (BATCH, 6)),
    ("SoftmaxOutput", {"grad_scale": 3.0, "smooth_alpha": 0.1}, (BATCH, CLASSES), (BATCH,)),
    ("SoftmaxOutput", {"out_grad": True}, (BATCH, CLASSES), (BATCH,)),
    ("LogisticRegressionOutput", {}, (BATCH, CLASSES), (BATCH, CLASSES)),
    ("LinearRegressionOutput", {"grad_scale": 0.5}, (BATCH, CLASSES), (BATCH, CLASSES)),
    ("MAERegressionOutput", {}, (BATCH, CLASSES), (BATCH, CLASSES)),
    ("SVMOutput", {"margin": 0.3}, (BATCH, CLASSES), (BATCH,)),
]
# MXNet computes these with another kernel than its softmax; the last bits may differ.
OTHER_KERNEL = [
    ("SoftmaxOutput", {"multi_output": True}, (BATCH, CLASSES), (BATCH,)),
    ("SoftmaxOutput", {"preserve_shape": True}, (BATCH, 2, CLASSES), (BATCH, 2)),
    ("SoftmaxOutput", {}, (BATCH, 2, CLASSES), (BATCH, 2)),
    ("SoftmaxOutput", {}, (BATCH, 2, 3, 1, CLASSES), (BATCH, 2, 3, 1)),
]
TITLES = [f"{op}-{'-'.join(attrs) or 'plain'}-{len(shape)}d" for op, attrs, shape, _ in HEADS]


def headed(op: str, attrs: dict[str, Any], shape: Any, label: Any = None) -> mx.sym.Symbol:
    """Return data -> layer A -> layer B -> loss head 'out'; B is no matrix product unless the data is a matrix."""
    x = mx.sym.var("data")
    if len(shape) == 2:
        x = mx.sym.FullyConnected(x, num_hidden=8, name="A")
        x = mx.sym.FullyConnected(x, num_hidden=shape[1], name="B")
    else:
        weight = mx.sym.var("B_weight", shape=(1, *shape[1:]))
        x = mx.sym.broadcast_mul(mx.sym.tanh(x, name="A"), weight, name="B")
    return getattr(mx.sym, op)(x, mx.sym.var("out_label") if label is None else label, name="out", **attrs)


def values_for(symbol: mx.sym.Symbol, shape: Any, label_shape: Any) -> tuple[dict[str, Any], Any, Any]:
    """Return parameters, data and label for a headed network."""
    random = np.random.RandomState(0)
    label_name = next(n for n in symbol.list_arguments() if n.endswith("label"))
    shapes, _, _ = symbol.infer_shape(data=shape, **{label_name: label_shape})
    values = {n: mx.nd.array(random.uniform(-1, 1, s)) for n, s in zip(symbol.list_arguments(), shapes)}
    values.pop(label_name)
    return values, values.pop("data"), mx.nd.array(random.randint(0, 2, label_shape))


def infer_whole(symbol: mx.sym.Symbol, values: dict[str, Any], data: Any, label: Any) -> np.ndarray:
    """Return what the whole network gives at inference."""
    label_name = next(n for n in symbol.list_arguments() if n.endswith("label"))
    return stock_block(symbol, ["data", label_name], values)(data, label).asnumpy()


def train_whole(symbol: mx.sym.Symbol, values: dict[str, Any], data: Any, label: Any) -> tuple[Any, dict[str, Any]]:
    """Return what the whole network gives in training, and the gradients of its parameters."""
    label_name = next(n for n in symbol.list_arguments() if n.endswith("label"))
    block = stock_block(symbol, ["data", label_name], values)
    with mx.autograd.record():
        result = block(data, label)
    result.backward()
    return result.asnumpy(), {n: p.grad().asnumpy() for n, p in block.collect_params().items()}


@pytest.mark.parametrize(("op", "attrs", "shape", "label_shape"), HEADS, ids=TITLES)
def test_extract_without_label_gives_the_inference_output(op: str, attrs: Any, shape: Any, label_shape: Any) -> None:
    symbol = headed(op, attrs, shape)
    values, data, label = values_for(symbol, shape, label_shape)
    whole = infer_whole(symbol, values, data, label)
    net = (symbol, values, {})
    with unchanged(net):
        front, piece, all_of_it = (
            gs.extract(net, "data", "A"),
            gs.extract(net, "A", "out"),
            gs.extract(net, "data", "out"),
        )

    assert piece.input_names == ("A_output",)
    assert piece.output_names == ("out_output",)
    assert np.array_equal(piece(front(data)).asnumpy(), whole)
    assert np.array_equal(all_of_it(data).asnumpy(), whole)


@pytest.mark.parametrize(("op", "attrs", "shape", "label_shape"), OTHER_KERNEL)
def test_extract_without_label_other_kernel_differs_in_the_last_bits_at_most(
    op: str, attrs: Any, shape: Any, label_shape: Any
) -> None:
    symbol = headed(op, attrs, shape)
    values, data, label = values_for(symbol, shape, label_shape)
    piece = gs.extract((symbol, values, {}), "data", "out")
    np.testing.assert_array_max_ulp(piece(data).asnumpy(), infer_whole(symbol, values, data, label), maxulp=4)


def test_extract_without_label_four_axes_normalise_over_all_but_the_first() -> None:
    # Training does so; MXNet's own inference takes the last axis alone where oneDNN computes it.
    symbol = headed("SoftmaxOutput", {}, (BATCH, 2, 3, CLASSES))
    values, data, _ = values_for(symbol, (BATCH, 2, 3, CLASSES), (BATCH, 2, 3))
    result = gs.extract((symbol, values, {}), "data", "out")(data)
    np.testing.assert_array_max_ulp(
        result.asnumpy().reshape(BATCH, -1).sum(axis=1), np.ones(BATCH, "float32"), maxulp=4
    )


@pytest.mark.parametrize(("op", "attrs", "shape", "label_shape"), HEADS + OTHER_KERNEL)
def test_extract_with_label_keeps_the_head_and_its_gradient(op: str, attrs: Any, shape: Any, label_shape: Any) -> None:
    symbol = headed(op, attrs, shape)
    values, data, label = values_for(symbol, shape, label_shape)
    whole, gradients = train_whole(symbol, values, data, label)
    net = (symbol, values, {})
    hidden = gs.extract(net, "data", "A")(data)
    piece = gs.extract(net, ["A", "out_label"], "out")
    hidden.attach_grad()
    with mx.autograd.record():
        result = piece(hidden, label)
    result.backward()

    assert np.array_equal(result.asnumpy(), whole)
    for name, parameter in piece.collect_params().items():
        assert np.array_equal(parameter.grad().asnumpy(), gradients[name])
        assert parameter.grad().asnumpy().any()


def test_extract_label_computed_by_operators_is_left_out_with_them() -> None:
    label = mx.sym.Reshape(mx.sym.var("my_label") * 1, shape=(-1,), name="flat_label")
    symbol = headed("SoftmaxOutput", {}, (BATCH, CLASSES), label)
    values, data, label = values_for(symbol, (BATCH, CLASSES), (BATCH, 1))
    net = (symbol, values, {})
    whole = infer_whole(symbol, values, data, label)
    piece = gs.extract(net, "data", "out")
    assert np.array_equal(piece(data).asnumpy(), whole)
    assert "flat_label" not in [n.name for n in piece.graph.nodes]


@pytest.mark.parametrize("label_input", ["my_label", "flat_label"])
def test_extract_label_given_before_or_after_its_operators_keeps_the_head(label_input: str) -> None:
    label = mx.sym.Reshape(mx.sym.var("my_label"), shape=(-1,), name="flat_label")
    symbol = headed("SoftmaxOutput", {}, (BATCH, CLASSES), label)
    values, data, label = values_for(symbol, (BATCH, CLASSES), (BATCH, 1))
    piece = gs.extract((symbol, values, {}), ["data", label_input], "out")
    assert piece.graph.nodes[-1].op == "SoftmaxOutput"
    given = label if label_input == "my_label" else label.reshape((-1,))
    whole = infer_whole(symbol, values, data, label)
    assert np.array_equal(piece(data, given).asnumpy(), whole)


def test_extract_symbol_block_whose_label_became_a_parameter_needs_no_label() -> None:
    symbol = headed("SoftmaxOutput", {}, (BATCH, CLASSES))
    values, data, label = values_for(symbol, (BATCH, CLASSES), (BATCH,))
    block = mx.gluon.SymbolBlock(symbol, mx.sym.var("data"))
    for name, value in values.items():
        block.params[name]._load_init(value, mx.cpu())
    assert "out_label" in block.collect_params()
    with unchanged(block):
        piece = gs.extract(block, "data", "out")
    whole = infer_whole(symbol, values, data, label)
    assert np.array_equal(piece(data).asnumpy(), whole)
    assert list(piece.collect_params()) == ["A_weight", "A_bias", "B_weight", "B_bias"]
    assert gs.extract(block, ["data", "out_label"], "out").input_names == ("data", "out_label")


def test_extract_symbol_block_label_parameter_behind_operators_needs_no_label() -> None:
    label = mx.sym.Reshape(mx.sym.var("my_label"), shape=(-1,))
    symbol = headed("SoftmaxOutput", {}, (BATCH, CLASSES), label)
    values, data, label = values_for(symbol, (BATCH, CLASSES), (BATCH, 1))
    block = mx.gluon.SymbolBlock(symbol, mx.sym.var("data"))
    for name, value in values.items():
        block.params[name]._load_init(value, mx.cpu())
    piece = gs.extract(block, "data", "out")
    assert np.array_equal(piece(data).asnumpy(), infer_whole(symbol, values, data, label))


def test_extract_symbol_without_label_gives_the_inference_form() -> None:
    symbol = headed("SoftmaxOutput", {}, (BATCH, CLASSES))
    piece = gs.extract_symbol(symbol, "A", "out")
    assert piece.list_arguments() == ["A_output", "B_weight", "B_bias"]
    assert piece.list_outputs() == ["out_output"]
    kept = gs.extract_symbol(symbol, ["A", "out_label"], "out")
    assert sorted(kept.list_arguments()) == ["A_output", "B_bias", "B_weight", "out_label"]


def test_extract_below_the_head_drops_the_label() -> None:
    symbol = headed("SoftmaxOutput", {}, (BATCH, CLASSES))
    values, data, _ = values_for(symbol, (BATCH, CLASSES), (BATCH,))
    piece = gs.extract((symbol, values, {}), "data", "B")
    assert piece.input_names == ("data",)
    assert piece(data).shape == (BATCH, CLASSES)


def test_extract_two_heads_one_label_given_closes_only_its_head() -> None:
    x = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=CLASSES, name="A")
    one = mx.sym.SoftmaxOutput(x, mx.sym.var("one_label"), name="one")
    two = mx.sym.LinearRegressionOutput(x, mx.sym.var("two_label"), name="two")
    values = {"A_weight": mx.nd.ones((CLASSES, 5)), "A_bias": mx.nd.zeros(CLASSES)}
    piece = gs.extract((mx.sym.Group([one, two]), values, {}), ["data", "two_label"], ["one", "two"])
    assert [n.op for n in piece.graph.nodes if n.name in ("one", "two")] == ["softmax", "LinearRegressionOutput"]


def test_extract_make_loss_stays_and_trains() -> None:
    weighted = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="A")
    symbol = mx.sym.MakeLoss(mx.sym.square(weighted, name="B"), grad_scale=2.0, name="loss")
    random = np.random.RandomState(0)
    values = {"A_weight": mx.nd.array(random.rand(2, 3)), "A_bias": mx.nd.array(random.rand(2))}
    data = mx.nd.array(random.rand(4, 3))
    piece = gs.extract((symbol, values, {}), "data", "loss")
    with mx.autograd.record():
        loss = piece(data)
    loss.backward()
    whole = stock_block(symbol, ["data"], values)
    with mx.autograd.record():
        expected = whole(data)
    expected.backward()
    assert np.array_equal(loss.asnumpy(), expected.asnumpy())
    for name, parameter in piece.collect_params().items():
        assert np.array_equal(parameter.grad().asnumpy(), whole.collect_params()[name].grad().asnumpy())
        assert parameter.grad().asnumpy().any()


def test_is_loss_head_operator_without_label_is_none() -> None:
    assert not is_loss_head(node_of("SoftmaxOutput", "s", [0]))
    assert not is_loss_head(node_of("MakeLoss", "s", [0, 1]))
    assert is_loss_head(node_of("SVMOutput", "s", [0, 1]))


def test_inference_form_keeps_user_attributes_name_and_path() -> None:
    graph = Graph((node_of("null", "x"), node_of("null", "y"), node_of("Flatten", "f", [0])), ())
    head = node_of("SoftmaxOutput", "out", [2, 1], __ctx_group__="g", grad_scale="2")._replace(path="a.b")
    assert inference_form(graph.nodes, head, 3) == [
        node_of("softmax", "out", [2], __ctx_group__="g", axis="-1")._replace(path="a.b")
    ]
    general = inference_form(graph.nodes, head._replace(inputs=(Entry(0), Entry(1))), 7)
    assert [n.op for n in general] == ["Flatten", "softmax", "reshape_like"]
    assert [n.inputs for n in general] == [(Entry(0),), (Entry(7),), (Entry(8), Entry(0))]
    assert (general[-1].name, general[-1].path) == ("out", "a.b")
