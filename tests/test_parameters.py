"""A piece's parameters are the network's own: the same objects, the same memory, the same settings."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from samples import CUTS, Fork, Offset, convolutional, initialised, layers, normal, same, symbol_block, triple, values
from snapshots import unchanged

nn = gluon.nn
SOURCES = {"gluon": lambda net: net, "symbol": symbol_block, "triple": triple}
STATM = Path("/proc/self/statm")
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def _piece(net: Any, **kwargs: Any) -> gs.SubgraphBlock:
    return gs.extract(net, f"c_{CUTS[0]}", f"c_{CUTS[1]}", **kwargs)


@pytest.mark.parametrize("make", [convolutional, lambda: symbol_block(convolutional())], ids=["gluon", "symbol"])
def test_extract_of_block_holds_the_same_parameter_objects(make: Any) -> None:
    net = make()
    own, whole = _piece(net).collect_params(), net.collect_params()
    assert [whole[name] is p for name, p in own.items()] == [True] * 6


def test_extract_of_two_pieces_shares_parameters_between_them() -> None:
    net = layers()
    left, right = gs.extract(net, "dense0_fwd", "dense2_fwd"), gs.extract(net, "dense1_fwd", "dense3_fwd")
    assert left.params["n_dense2_weight"] is right.params["n_dense2_weight"]


def test_extract_of_triple_shares_memory_with_its_arrays() -> None:
    symbol, arguments, auxiliary = triple(convolutional())
    piece = _piece((symbol, arguments, auxiliary))
    arguments["c_body_conv0_weight"][:] = 7
    piece.params["c_body_batchnorm0_running_mean"].data()[:] = 3
    assert np.unique(piece.params["c_body_conv0_weight"].data().asnumpy()).tolist() == [7]
    assert np.unique(auxiliary["c_body_batchnorm0_running_mean"].asnumpy()).tolist() == [3]


def test_extract_of_triple_training_moves_the_caller_s_arrays() -> None:
    symbol, arguments, auxiliary = triple(layers())
    before = arguments["n_dense1_weight"].asnumpy()
    piece = gs.extract((symbol, arguments, auxiliary), "n_dense0_fwd", "n_dense1_fwd")
    trainer = gluon.Trainer(piece.collect_params(), "sgd", {"learning_rate": 1.0}, kvstore=None)
    with autograd.record():
        loss = piece(normal(2, 4)).sum()
    loss.backward()
    trainer.step(1)
    after = arguments["n_dense1_weight"].asnumpy()
    assert np.array_equal(after, before - piece.params["n_dense1_weight"].grad().asnumpy())
    assert not np.array_equal(after, before)


def test_extract_of_triple_leaves_the_caller_s_arrays_without_gradient() -> None:
    symbol, arguments, auxiliary = triple(convolutional())
    arguments["c_dense0_weight"].attach_grad("add")
    arguments["c_dense0_weight"].grad[:] = 7
    with unchanged(symbol, arguments, auxiliary):
        gs.extract((symbol, arguments, auxiliary), f"c_{CUTS[1]}", "c_dense0_fwd")(normal(1, 4, 8, 8))
    assert arguments["c_conv1_weight"].grad is None
    assert np.unique(arguments["c_dense0_weight"].grad.asnumpy()).tolist() == [7]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extract_of_numpy_values_copies_them_once(dtype: str) -> None:
    net = layers()
    symbol, arguments, _ = triple(net)
    arrays = {n: np.asfortranarray(a.asnumpy().astype(dtype)) for n, a in arguments.items()}
    piece = gs.extract((symbol, arrays, {}), "data", "n_dense4_fwd")
    expected = gs.extract(net, "data", "dense4_fwd")
    expected.cast(dtype)
    x = normal(2, 4).astype(dtype)
    assert same(piece(x), expected(x))
    arrays["n_dense0_weight"][:] = 0
    assert same(piece(x), expected(x))


def test_extract_of_parameter_values_uses_them_as_they_are() -> None:
    net = layers()
    piece = gs.extract((net(mx.sym.var("data")), net.collect_params(), {}), "n_dense0_fwd", "n_dense1_fwd")
    assert piece.params["n_dense1_bias"] is net[1].bias


@pytest.mark.parametrize("value", ["text", None, {"a": 1}, [object()]], ids=["str", "None", "dict", "objects"])
def test_extract_of_value_that_is_no_array_is_refused(value: Any) -> None:
    symbol, arguments, _ = triple(layers())
    with unchanged(symbol, arguments), pytest.raises(
        gs.BindingError, match=r"'n_dense1_weight' .* no array of numbers"
    ):
        gs.extract((symbol, {**arguments, "n_dense1_weight": value}, {}), "n_dense0_fwd", "n_dense1_fwd")


def _ran(hybridize: bool, **flags: Any) -> gluon.HybridBlock:
    net = convolutional()
    if hybridize:
        net.hybridize(**flags)
    net(normal(2, 3, 8, 8)).wait_to_read()
    return net


STATES = {
    "fresh": convolutional,
    "ran": lambda: _ran(hybridize=False),
    "hybridized": lambda: _ran(hybridize=True),
    "static": lambda: _ran(hybridize=True, static_alloc=True, static_shape=True),
    "deferred": lambda: convolutional(deferred=True),
    "symbol block": lambda: symbol_block(convolutional()),
}


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_net_after_every_call_is_as_it_was(make: Any, tmp_path: Any, capsys: Any) -> None:
    net = make()
    if not isinstance(net, gluon.SymbolBlock):
        net[2].register_forward_hook(lambda *_: pytest.fail("a hook of the user ran"))
    with unchanged(net):
        gs.list_nodes(net, shapes={"data": (2, 3, 8, 8)})
        piece = _piece(net)
        for inputs, outputs in [("nothing", "data"), ("c_conv0_fwd", "c_conv0_fwd"), ("c_conv1_fwd", "c_conv0_fwd")]:
            with pytest.raises(gs.SubgraphError, match="nothing was changed"):
                gs.extract(net, inputs, outputs)
        repr(piece)
        piece.summary((1, 4, 8, 8))
        assert piece.graph is piece.graph
        if all(p._data for p in net.collect_params().values()):
            piece(normal(1, 4, 8, 8))
            piece.hybridize()
            piece.save_parameters(tmp_path / "piece")
            piece.export(str(tmp_path / "piece"))
    assert "c_relu0_fwd" in capsys.readouterr().out


@pytest.mark.skipif(not STATM.exists(), reason="the size of the process is read from /proc")
@pytest.mark.parametrize("source", ["gluon", "triple"])
def test_extract_a_thousand_times_does_not_grow(source: str) -> None:
    net = SOURCES[source](layers())

    def size_after(count: int) -> tuple[int, int]:
        for _ in range(count):
            gs.extract(net, "n_dense0_fwd", "n_dense3_fwd")
        gc.collect()
        return int(STATM.read_text().split()[1]) * PAGE, len(gc.get_objects())

    sizes = [size_after(count) for count in (200, 500, 500)]
    memory, objects = (min(b[i] - a[i] for a, b in zip(sizes, sizes[1:])) for i in (0, 1))
    assert memory < 1_000_000  # a leak grows each time, what the allocator keeps does not
    assert objects < 100


def test_extract_of_a_large_net_adds_no_array() -> None:
    net = layers()
    before = {id(a) for p in net.collect_params().values() for a in (*p.list_data(), *p.list_grad())}
    pieces = [gs.extract(net, "data", f"dense{i}_fwd") for i in range(1, 5)]
    for piece in pieces:
        piece(normal(1, 4))
    own = {id(a) for b in pieces for p in b.params.values() for a in (*p.list_data(), *p.list_grad())}
    assert own == before


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_auxiliary_states_are_never_trainable(source: Any) -> None:
    piece = _piece(source(convolutional()))
    piece.collect_params().setattr("grad_req", "write")
    trainer = gluon.Trainer(piece.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = piece(normal(2, 4, 8, 8)).sum()
    loss.backward()
    trainer.step(1)
    frozen = [name for name, p in piece.params.items() if p.grad_req == "null"]
    assert frozen == ["c_body_batchnorm0_running_mean", "c_body_batchnorm0_running_var"]


def test_auxiliary_states_of_a_stock_symbol_block_break_its_trainer() -> None:
    block = symbol_block(convolutional())
    block.collect_params().setattr("grad_req", "write")
    trainer = gluon.Trainer(block.collect_params(), "sgd", kvstore=None)
    with autograd.record():
        loss = block(normal(2, 3, 8, 8)).sum()
    loss.backward()
    with pytest.raises(UserWarning, match="running_.* has not been updated by backward"):
        trainer.step(1)


def test_constant_of_a_net_stays_the_constant_it_is() -> None:
    net = initialised(Offset(prefix="o_"))
    piece = gs.extract(net, "relu", "dense")
    assert piece.params["o_offset"] is net.offset
    assert isinstance(piece.params["o_offset"], gluon.Constant)


def test_constant_of_a_triple_has_no_gradient() -> None:
    piece = gs.extract(triple(initialised(Offset(prefix="o_"))), "o_relu", "o_dense0_fwd")
    piece.collect_params().setattr("grad_req", "write")
    assert {n: p.grad_req for n, p in piece.params.items()} == {
        "o_offset": "null",
        "o_dense0_weight": "write",
        "o_dense0_bias": "write",
    }


def test_settings_of_a_net_are_kept() -> None:
    net = nn.HybridSequential(prefix="e_")
    with net.name_scope():
        net.add(nn.Embedding(6, 4, sparse_grad=True), nn.Dense(3, in_units=4, flatten=False))
    initialised(net)
    net[1].weight.lr_mult, net[1].weight.wd_mult, net[1].bias.grad_req = 0.5, 0.0, "null"
    piece = gs.extract(net, "data", "dense0_fwd")
    with autograd.record():
        loss = piece(mx.nd.array([1, 5])).sum()
    loss.backward()
    assert piece.params["e_embedding0_weight"].grad().stype == "row_sparse"
    assert (piece.params["e_dense0_weight"].lr_mult, piece.params["e_dense0_weight"].wd_mult) == (0.5, 0.0)
    assert piece.params["e_dense0_bias"].grad_req == "null"


def test_multipliers_of_a_triple_come_from_the_graph() -> None:
    net = layers(2, initialise=False)
    net[1].weight.lr_mult, net[1].weight.wd_mult = 0.25, 0.0
    piece = gs.extract(triple(initialised(net)), "n_dense0_fwd", "n_dense1_fwd")
    assert (piece.params["n_dense1_weight"].lr_mult, piece.params["n_dense1_weight"].wd_mult) == (0.25, 0.0)


def test_deferred_shapes_are_found_by_the_piece_s_first_forward() -> None:
    net, known = convolutional(deferred=True), convolutional()
    pieces = [gs.extract(net, *c) for c in [("data", CUTS[0]), CUTS, (CUTS[1], "dense0_fwd")]]
    x = normal(2, 3, 8, 8)
    mx.random.seed(0)
    result = pieces[2](pieces[1](pieces[0](x)))
    assert [p.shape for p in net.collect_params().values()] == [p.shape for p in known.collect_params().values()]
    assert same(result, net(x))


def test_net_without_values_gives_a_piece_to_initialise() -> None:
    net = layers(initialise=False)
    piece = gs.extract(net, "dense0_fwd", "dense1_fwd")
    with pytest.raises(RuntimeError, match="'n_dense1_weight' has not been initialized"):
        piece(normal(1, 4))
    piece.initialize()
    assert net[1].weight.data() is piece.params["n_dense1_weight"].data()


def test_block_without_parameters_makes_them_with_the_graph_s_settings() -> None:
    net = initialised(Offset(prefix="o_"))
    net.dense.weight.lr_mult = 0.5
    block = gs.SubgraphBlock(net(mx.sym.var("data")), mx.sym.var("data"))
    assert {n: (p.grad_req, p.lr_mult) for n, p in block.params.items()} == {
        "o_offset": ("null", 1.0),
        "o_dense0_weight": ("write", 0.5),
        "o_dense0_bias": ("write", 1.0),
    }


def test_block_with_too_few_parameters_is_refused() -> None:
    net = initialised(Fork(prefix="f_"))
    outputs, params = list(net(mx.sym.var("data"))), {"f_dense0_bias": net.dense.bias}
    with unchanged(net), pytest.raises(gs.BindingError, match=r"1 of 2 parameters are not given: 'f_dense0_weight'"):
        gs.SubgraphBlock(outputs, mx.sym.var("data"), params)


def test_block_with_an_input_that_is_no_variable_is_refused() -> None:
    net = layers(1)
    with pytest.raises(gs.SubgraphError, match="input 'date' is no variable of the symbol"):
        gs.SubgraphBlock(net(mx.sym.var("data")), mx.sym.var("date"), net.collect_params())


def test_piece_keeps_only_its_own_parameters_alive() -> None:
    net = convolutional()
    piece, other = _piece(net), weakref.ref(net[8].weight)
    del net
    gc.collect()
    assert piece.input_names
    assert other() is None


def test_extract_does_not_touch_any_value() -> None:
    net = convolutional()
    before = values(net)
    for inputs, outputs in [("data", CUTS[0]), CUTS, (CUTS[1], "dense0_fwd")]:
        gs.extract(net, inputs, outputs)
    assert values(net) == before


def test_move_to_a_context_this_machine_lacks_moves_nothing() -> None:
    net = layers()
    piece = gs.extract(net, "dense0_fwd", "dense2_fwd")
    with pytest.raises(gs.SubgraphError, match=r"(?s)there is no gpu\(99\) here.*MXNet says.*nothing was moved"):
        piece.reset_ctx([mx.cpu(0), mx.gpu(99)])
    assert {str(ctx) for p in net.collect_params().values() for ctx in p.list_ctx()} == {"cpu(0)"}


@pytest.mark.parametrize("key", ["lr_mult", "wd_mult"])
def test_multiplier_that_is_no_number_is_refused(key: str) -> None:
    weight = mx.sym.var("w", attr={f"__{key}__": "fast"})
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), weight, no_bias=True, num_hidden=2, name="A")
    with pytest.raises(gs.SubgraphError, match=rf"(?s)'w' has __{key}__='fast', which is no number.*nothing was made"):
        gs.SubgraphBlock(symbol, mx.sym.var("data"))
