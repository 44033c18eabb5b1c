"""Copies of a block, by pickle and deepcopy: equal in everything, and independent of the original."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from mxnet import autograd, gluon
from samples import CUTS, Fork, Offset, Scale, convolutional, initialised, layers, normal, same, values

nn = gluon.nn
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda block: pickle.loads(pickle.dumps(block)),
    "deepcopy": copy.deepcopy,
}
copies = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)


def _settings(block: gluon.Block) -> dict[str, Any]:
    return {
        n: (
            type(p),
            p.shape,
            str(p.dtype),
            p.grad_req,
            p.lr_mult,
            p.wd_mult,
            p._grad_stype,
            p._differentiable,
            p.list_ctx(),
        )
        for n, p in block.collect_params().items()
    }


def _step(block: gluon.Block, x: Any) -> None:
    trainer = gluon.Trainer(block.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = block(x).sum()
    loss.backward()
    trainer.step(1)


@copies
def test_copy_is_equal_and_independent(make_copy: Any) -> None:
    piece, x = gs.extract(convolutional(), *CUTS), normal(2, 4, 8, 8)
    copied = make_copy(piece)
    assert (type(copied), copied.input_names, copied.graph) == (type(piece), piece.input_names, piece.graph)
    assert (values(copied), _settings(copied)) == (values(piece), _settings(piece))
    assert same(copied(x), piece(x))
    before = values(piece)
    _step(copied, x)
    assert values(piece) == before
    assert values(copied) != before


@copies
def test_copy_of_a_stock_symbol_block_cannot_train(make_copy: Any) -> None:
    piece = gs.extract(convolutional(), *CUTS)
    stock = gluon.SymbolBlock(piece.symbol, mx.sym.var(piece.input_names[0]), piece.collect_params())
    with pytest.raises(mx.MXNetError, match="Cannot differentiate node"):
        _step(make_copy(stock), normal(2, 4, 8, 8))


@copies
def test_copy_keeps_settings_and_constants(make_copy: Any) -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Embedding(6, 3, sparse_grad=True), Offset())
    initialised(net)
    net[1].dense.weight.lr_mult, net[1].dense.weight.wd_mult, net[1].dense.bias.grad_req = 0.5, 0.0, "add"
    piece = gs.extract(net, "data", net)
    copied = make_copy(piece)
    assert _settings(copied) == _settings(piece)
    assert copied.params["n_offset0_offset"].value.asnumpy().tolist() == [1, 2, 3]
    copied.collect_params().reset_ctx(mx.cpu(1))
    assert piece.params["n_offset0_offset"].list_ctx() == [mx.cpu(0)]


@copies
def test_copy_keeps_half_precision_of_constants(make_copy: Any) -> None:
    net = initialised(Offset(prefix="o_"))
    piece = gs.extract(net, "relu", "broadcast_add0")
    piece.cast("float16")
    copied = make_copy(piece)
    assert _settings(copied) == _settings(piece)
    assert same(copied(mx.nd.ones((1, 3), dtype="float16")), piece(mx.nd.ones((1, 3), dtype="float16")))


@copies
def test_copy_keeps_hybridize_flags_and_output_structure(make_copy: Any) -> None:
    net = initialised(Fork(prefix="f_"))
    piece = gs.extract(net, "data", [("split", 1), ("split", 0)])
    piece.hybridize(static_alloc=True, static_shape=True)
    piece(normal(2, 3))
    copied = make_copy(piece)
    assert (copied._active, copied._flags) == (True, piece._flags)
    assert copied._flags is not piece._flags
    assert same(copied(normal(5, 3)), piece(normal(5, 3)))


@copies
def test_copy_of_a_deferred_block_finds_its_shapes(make_copy: Any) -> None:
    net = convolutional(deferred=True)
    copied = make_copy(gs.extract(net, "data", CUTS[0]))
    mx.random.seed(3)
    result = copied(normal(2, 3, 8, 8))
    assert net[0].weight.shape == (4, 0, 3, 3)
    assert copied.params["c_conv0_weight"].shape == (4, 3, 3, 3)
    assert result.shape == (2, 4, 8, 8)


@copies
def test_copy_keeps_several_contexts(make_copy: Any) -> None:
    piece = gs.extract(layers(2), "dense0_fwd", "dense1_fwd")
    piece.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    copied = make_copy(piece)
    assert _settings(copied) == _settings(piece)
    assert same(copied(normal(1, 4, ctx=mx.cpu(1))), piece(normal(1, 4, ctx=mx.cpu(1))))


@copies
def test_copy_of_a_parent_keeps_what_its_pieces_share(make_copy: Any) -> None:
    net = layers()
    parent = nn.HybridSequential(prefix="p_")
    parent.add(gs.extract(net, "dense0_fwd", "dense2_fwd"), gs.extract(net, "dense1_fwd", "dense3_fwd"))
    copied = make_copy(parent)
    assert copied[0].params["n_dense2_weight"] is copied[1].params["n_dense2_weight"]
    assert copied[0].params["n_dense2_weight"] is not net[2].weight
    assert values(copied) == values(parent)
    _step(copied, normal(2, 4))
    assert values(copied) != values(parent)


def test_deepcopy_of_a_parent_keeps_what_pieces_share_with_other_blocks() -> None:
    net = layers(3)
    for children in ([net[1], gs.extract(net, "dense0_fwd", "dense1_fwd")], [gs.extract(net, net[1]), net[1]]):
        parent = nn.HybridSequential(prefix="p_")
        parent.add(*children)
        copied = copy.deepcopy(parent)
        shared = [child.collect_params()["n_dense1_weight"] for child in (copied[0], copied[1])]
        assert shared[0] is shared[1]
        _step(copied, normal(2, 4))
        assert values(copied) != values(parent)


def test_copy_that_is_shallow_shares_the_parameters() -> None:
    piece = gs.extract(layers(2), "dense0_fwd", "dense1_fwd")
    copied = copy.copy(piece)
    assert copied is not piece
    assert copied.params["n_dense1_weight"] is piece.params["n_dense1_weight"]


@copies
def test_copy_after_training_leaves_the_trainer_behind(make_copy: Any) -> None:
    piece = gs.extract(layers(2), "dense0_fwd", "dense1_fwd")
    _step(piece, normal(2, 4))
    copied = make_copy(piece)
    assert [p._trainer for p in copied.params.values()] == [None, None]
    assert values(copied) == values(piece)


def test_pickle_of_a_subclass_keeps_its_class() -> None:
    symbol = initialised(Scale(2, prefix="s_"))(mx.sym.var("data"))
    block = Doubling(symbol, mx.sym.var("data"))
    block.initialize(mx.init.One())
    for parameter in block.params.values():
        parameter.shape = (2,)
        parameter.initialize(mx.init.One(), force_reinit=True)
    copied = COPIES["pickle"](block)
    assert copied(mx.nd.ones((1, 2))).asnumpy().tolist() == [[2, 2]]


class Doubling(gs.SubgraphBlock):
    """A block somebody derived."""

    def forward(self, *inputs: Any) -> Any:
        return super().forward(*inputs) * 2


@copies
def test_copy_of_a_numpy_style_block_runs(make_copy: Any) -> None:
    with mx.util.np_shape(True), mx.util.np_array(True):
        net = nn.HybridSequential(prefix="n_")
        with net.name_scope():
            net.add(nn.Dense(4, in_units=3), nn.Dense(2, in_units=4))
        initialised(net)
        piece = gs.extract(net, "dense0_fwd", "dense1_fwd")
        copied = make_copy(piece)
        x = mx.np.ones((2, 4))
        assert type(copied(x)) is mx.np.ndarray
        assert same(copied(x), piece(x))
