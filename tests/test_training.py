"""Training through pieces: every gradient is the whole network's, and what learns is the network."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from samples import CUTS, bits, convolutional, initialised, layers, normal, same, triple, values

nn = gluon.nn
X = (4, 3, 8, 8)


def _pieces(net: Any) -> list[gs.SubgraphBlock]:
    return [gs.extract(net, *cut) for cut in [("data", CUTS[0]), CUTS, (CUTS[1], "dense0_fwd")]]


def _chained(pieces: list[gs.SubgraphBlock]) -> Any:
    def run(x: Any) -> Any:
        for piece in pieces:
            x = piece(x)
        return x

    return run


def _backward(run: Any, net: gluon.Block, seed: int = 0, *, train_mode: bool = True) -> dict[str, Any]:
    """Return output, input gradient, parameter gradients and statistics of one pass, from the same random state."""
    mx.random.seed(seed)
    x = normal(*X)
    x.attach_grad()
    with autograd.record(train_mode=train_mode):
        y = run(x)
        loss = (y * normal(*y.shape, seed=9)).sum()
    loss.backward(train_mode=train_mode)
    params = net.collect_params()
    grads = {n: bits(p.grad()) for n, p in params.items() if p.grad_req != "null"}
    return {"output": bits(y), "input": bits(x.grad), **grads, "values": values(net)}


@pytest.mark.parametrize("train_mode", [True, False], ids=["train", "predict"])
@pytest.mark.parametrize("hybridize", [None, {}, {"static_alloc": True, "static_shape": True}], ids=str)
def test_gradients_through_pieces_are_the_whole_net_s(hybridize: Any, train_mode: bool) -> None:
    whole, cut = convolutional(), convolutional()
    if hybridize is not None:
        whole.hybridize(**hybridize)
    pieces = _pieces(cut)
    for piece in pieces:
        if hybridize is not None:
            piece.hybridize(**hybridize)
    for seed in range(2):
        expected = _backward(whole, whole, seed, train_mode=train_mode)
        assert _backward(_chained(pieces), cut, seed, train_mode=train_mode) == expected
    assert len(expected) == 15
    assert np.frombuffer(expected["input"][2], "float32").any()


def test_gradients_of_a_hybridized_and_run_source_are_the_same() -> None:
    whole, cut = convolutional(), convolutional()
    cut.hybridize()
    cut(normal(*X))
    assert _backward(_chained(_pieces(cut)), cut) == _backward(whole, whole)


def test_gradients_at_a_crossing_of_several_tensors_add_up() -> None:
    whole, cut = convolutional(), convolutional()
    crossing = ["relu0_fwd", "body_conv0_fwd"]
    front, tail = gs.extract(cut, "data", crossing), gs.extract(cut, crossing, "dense0_fwd")
    assert _backward(lambda x: tail(*front(x)), cut) == _backward(whole, whole)


def test_mode_of_dropout_and_normalisation_follows_autograd() -> None:
    net = convolutional()
    piece, x = gs.extract(net, *CUTS), normal(4, 4, 8, 8)
    statistics = net[3].body[1].running_mean
    before = bits(statistics.data())
    predicted = piece(x)
    assert (bits(piece(x)), bits(statistics.data())) == (bits(predicted), before)
    with autograd.record():
        trained = piece(x)
    trained.backward()
    assert bits(statistics.data()) != before
    dropped = float((trained == 0).mean().asscalar())
    assert 0.3 < dropped < 0.7
    assert float((predicted == 0).mean().asscalar()) == 0


def test_trainer_on_the_piece_moves_the_net_s_own_parameters() -> None:
    net = convolutional()
    before, piece = values(net), gs.extract(net, *CUTS)
    trainer = gluon.Trainer(piece.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    x = normal(2, 4, 8, 8)
    with autograd.record():
        loss = piece(x).square().sum()
    loss.backward()
    trainer.step(2)
    after = values(net)
    assert {name for name in after if after[name] != before[name]} == set(piece.params.keys())
    assert same(_chained(_pieces(net))(normal(*X)), net(normal(*X)))


def test_trainer_on_the_whole_net_moves_the_piece() -> None:
    net = layers(3)
    piece, x = gs.extract(net, "dense0_tanh_fwd", "dense1_fwd"), normal(2, 4)
    before = bits(piece(x))
    trainer = gluon.Trainer(net.collect_params(), "adam", kvstore=None)
    with autograd.record():
        loss = net(x).sum()
    loss.backward()
    trainer.step(1)
    assert bits(piece(x)) != before
    assert values(piece) == {n: v for n, v in values(net).items() if "dense1" in n}


def test_gradients_with_add_sum_over_pieces_and_passes() -> None:
    net = layers(4)
    net.collect_params().setattr("grad_req", "add")
    pieces = [gs.extract(net, "dense0_fwd", "dense2_fwd"), gs.extract(net, "dense1_fwd", "dense3_fwd")]
    shared, x = net[2].weight, normal(2, 4)
    single = []
    for piece in pieces:
        net.collect_params().zero_grad()
        with autograd.record():
            loss = piece(x).sum()
        loss.backward()
        single.append(shared.grad().copy())
    net.collect_params().zero_grad()
    with autograd.record():
        losses = [piece(x).sum() for piece in pieces]
    autograd.backward(losses)
    assert same(shared.grad(), single[0] + single[1])


def test_frozen_parameters_of_the_net_stay_frozen_in_the_piece() -> None:
    net = convolutional()
    net[3].body[0].collect_params().setattr("grad_req", "null")
    before, piece = values(net), gs.extract(net, *CUTS)
    trainer = gluon.Trainer(piece.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = piece(normal(2, 4, 8, 8)).square().sum()
    loss.backward()
    trainer.step(1)
    moved = {name for name, value in values(net).items() if value != before[name]}
    assert moved == {f"c_body_batchnorm0_{slot}" for slot in ("gamma", "beta", "running_mean", "running_var")}
    net.collect_params().setattr("grad_req", "write")  # thawing the net thaws the piece
    assert piece.params["c_body_conv0_weight"].grad_req == "write"


def test_multipliers_of_the_net_act_on_the_piece() -> None:
    net = layers(2)
    net[1].weight.lr_mult = 0.0
    before, piece = values(net), gs.extract(net, net[1])
    trainer = gluon.Trainer(piece.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = piece(normal(2, 4)).sum()
    loss.backward()
    trainer.step(1)
    assert {n for n, v in values(net).items() if v != before[n]} == {"n_dense1_bias"}


def test_parameters_as_inputs_get_their_gradient_there() -> None:
    net = layers(2)
    piece = gs.extract(net, ["dense0_tanh_fwd", "dense1_weight"], "dense1_fwd")
    assert list(piece.params.keys()) == ["n_dense1_bias"]
    whole = gs.extract(net, "dense0_tanh_fwd", "dense1_fwd")
    weight, x, scale = net[1].weight.data().copy(), normal(2, 4), normal(2, 4, seed=3)
    weight.attach_grad()
    for run in (lambda: piece(x, weight), lambda: whole(x)):
        with autograd.record():
            loss = (run() * scale).sum()
        loss.backward()
    assert same(weight.grad, net[1].weight.grad())


@pytest.mark.parametrize("update_on_kvstore", [True, False])
def test_two_contexts_train_as_one(update_on_kvstore: bool) -> None:
    contexts = [mx.cpu(0), mx.cpu(1)]
    net, single = layers(3), layers(3)
    net.collect_params().reset_ctx(contexts)
    losses = []
    for model, places in ((net, contexts), (single, contexts[:1])):
        piece = gs.extract(model, "dense0_tanh_fwd", "dense2_fwd")
        kvstore = {"kvstore": "local", "update_on_kvstore": update_on_kvstore} if len(places) > 1 else {"kvstore": None}
        trainer = gluon.Trainer(piece.collect_params(), "sgd", {"learning_rate": 0.125}, **kvstore)
        for _ in range(3):
            parts = gluon.utils.split_and_load(mx.nd.round(normal(4, 4) * 4) / 4, places)
            with autograd.record():
                losses = [piece(part).sum() for part in parts]
            autograd.backward(losses)
            trainer.step(4)
    first, second = (net[1].weight.data(ctx) for ctx in contexts)
    assert bits(first) == bits(second)
    assert first.context == contexts[0]
    assert second.context == contexts[1]
    # the batch is summed in two halves: the order of additions differs in the last bit, so count those
    expected = single[1].weight.data().asnumpy()
    assert np.abs(first.asnumpy().view("int32") - expected.view("int32")).max() <= 16


def test_context_of_the_piece_follows_the_source() -> None:
    symbol, arguments, auxiliary = triple(convolutional())
    moved = [{n: a.as_in_context(mx.cpu(1)) for n, a in part.items()} for part in (arguments, auxiliary)]
    piece = gs.extract((symbol, *moved), "data", "c_dense0_fwd")
    result = piece(normal(*X, ctx=mx.cpu(1)))
    assert result.context == mx.cpu(1)
    expected = gs.extract((symbol, arguments, auxiliary), "data", "c_dense0_fwd")(normal(*X))
    assert same(result.as_in_context(mx.cpu(0)), expected)


def test_piece_under_a_new_head_fine_tunes() -> None:
    net = convolutional()
    model = nn.HybridSequential(prefix="tuned_")
    with model.name_scope():
        model.add(gs.extract(net, "data", "flatten0_flatten0"), nn.Dense(2, in_units=6))
    initialised(model[1])
    model.hybridize()
    trainer = gluon.Trainer(model.collect_params(), "adam", {"learning_rate": 0.01}, kvstore=None)
    x, label = normal(16, 3, 8, 8), mx.nd.array(np.arange(16) % 2)
    x[label == 1] += 1.0
    loss_of, losses = gluon.loss.SoftmaxCrossEntropyLoss(), []
    for _ in range(30):
        with autograd.record():
            loss = loss_of(model(x), label)
        loss.backward()
        trainer.step(16)
        losses.append(float(loss.mean().asscalar()))
    assert losses[-1] < 0.5 * losses[0]
    assert np.array_equal(net[0].weight.data().asnumpy(), model[0].params["c_conv0_weight"].data().asnumpy())
