"""Frozen means frozen: real training around, below and above what is frozen."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from mxnet import autograd, gluon
from samples import bits, convolutional, initialised, layers, normal, symbol_block, values

nn = gluon.nn
X = (4, 3, 8, 8)


def train(net: Any, trainer: gluon.Trainer, steps: int, seed: int = 0) -> None:
    """Train on random images and targets."""
    for step in range(steps):
        x, y = normal(*X, seed=seed + step), normal(4, 5, seed=1000 + seed + step)
        with autograd.record():
            loss = ((net(x) - y) ** 2).sum()
        loss.backward()
        trainer.step(4)


def trainer_of(net: Any, **options: Any) -> gluon.Trainer:
    settings = {"learning_rate": 0.01, "momentum": 0.9, "wd": 0.1, **options}
    return gluon.Trainer(net.collect_params(), "sgd", settings)


def changed(net: Any, before: dict[str, Any]) -> list[str]:
    return [name for name, value in values(net).items() if value != before[name]]


@pytest.mark.parametrize("kind", ["net", "piece", "stock"])
@pytest.mark.parametrize("hybridize", [None, {}, {"static_alloc": True, "static_shape": True}], ids=str)
def test_200_steps_with_decay_and_momentum_move_nothing_frozen(kind: str, hybridize: Any) -> None:
    net = convolutional()
    net = {"net": net, "piece": gs.extract(net, "data", "dense0_fwd"), "stock": symbol_block(net)}[kind]
    if hybridize is not None:
        net.hybridize(**hybridize)
    trainer = trainer_of(net)
    train(net, trainer, 3)  # statistics and momentum are under way
    gs.freeze(net, upto="dropout0_fwd")
    before = values(net)
    train(net, trainer, 200)
    assert changed(net, before) == ["c_conv1_weight", "c_conv1_bias", "c_dense0_weight", "c_dense0_bias"]
    gs.unfreeze(net)
    train(net, trainer, 1)
    assert changed(net, before) == list(before)


@pytest.mark.parametrize("req", ["write", "add"])
def test_what_is_frozen_in_the_middle_lets_the_gradient_through(req: str) -> None:
    net = convolutional()
    net.collect_params().setattr("grad_req", req)
    gs.freeze(net, ["1", "3"])
    before = values(net)
    train(net, trainer_of(net), 5)
    still = {f"c_{n}" for n in values(net) if "batchnorm" in n} | {n for n in before if "batchnorm" in n or "body" in n}
    assert changed(net, before) == [n for n in before if n not in still]
    assert before["c_conv0_weight"] != values(net)["c_conv0_weight"]


def test_gradient_below_a_frozen_layer_is_that_of_the_layer_at_inference() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=3), nn.BatchNorm(in_channels=4), nn.Dense(2, in_units=4))
    initialised(net)
    net[1].running_mean.set_data(mx.nd.array([0.1, 0.2, 0.3, 0.4]))
    gradients = []
    for is_frozen in (True, False):
        if is_frozen:
            gs.freeze(net, "1")
        with autograd.record(train_mode=is_frozen):
            y = net(normal(6, 3)).sum()
        y.backward(train_mode=is_frozen)
        gradients.append([bits(net[i].weight.grad()) for i in (0, 2)])
        gs.unfreeze(net)
    assert gradients[0] == gradients[1]


def test_frozen_trunk_gives_in_training_what_it_gives_at_inference() -> None:
    net = convolutional()
    train(net, trainer_of(net), 3)
    x = normal(*X)
    trunk = gs.extract(net, "data", "c_sum__plus0")
    with autograd.record():
        moving = trunk(x)
    assert bits(moving) != bits(trunk(x))
    gs.freeze(trunk)
    with autograd.record():
        frozen = trunk(x)
    assert float((frozen - trunk(x)).abs().max().asscalar()) <= 1e-6  # convolutions have other kernels in training


@pytest.mark.parametrize("part", ["child", "grandchild", "piece"])
def test_freezing_a_part_reaches_the_hybridized_whole_that_has_run(part: str) -> None:
    whole = nn.HybridSequential(prefix="w_")
    net = convolutional()
    inner = gs.extract(net, "data", "dropout0_fwd") if part == "piece" else net
    whole.add(inner, nn.Dense(5))
    whole[1].initialize()
    whole.hybridize()
    trainer = trainer_of(whole)
    train(whole, trainer, 2)
    gs.freeze(inner[3] if part == "grandchild" else inner)
    before = values(whole)
    train(whole, trainer, 3)
    frozen = [n for n in before if "body" in n] if part == "grandchild" else list(inner.collect_params())
    assert set(changed(whole, before)) == before.keys() - set(frozen)


def test_export_of_a_frozen_network_that_has_run_holds_all_parameters(tmp_path: Any) -> None:
    net = convolutional()
    net.hybridize()
    net(normal(*X))
    gs.freeze(net)
    net.export(str(tmp_path / "net"))
    again = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    assert bits(again(normal(*X))) == bits(net(normal(*X)))
    assert gs.trainable(again)[2].batch_norm == "running statistics"
    assert gs.freeze(again) == [n for n, p in net.collect_params().items() if p._differentiable]


def test_two_contexts_are_frozen_alike() -> None:
    net = convolutional()
    net.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    gs.freeze(net, upto="dropout0_fwd")
    trainer = trainer_of(net)
    before = {n: [bits(a) for a in p.list_data()] for n, p in net.collect_params().items()}
    with autograd.record():
        losses = [(net(normal(*X, seed=i, ctx=mx.cpu(i))) ** 2).sum() for i in (0, 1)]
    autograd.backward(losses)
    trainer.step(8)
    after = {n: [bits(a) for a in p.list_data()] for n, p in net.collect_params().items()}
    assert [n for n in before if before[n] != after[n]] == [
        "c_conv1_weight",
        "c_conv1_bias",
        "c_dense0_weight",
        "c_dense0_bias",
    ]


def test_numpy_style_network_is_frozen() -> None:
    with mx.util.np_shape(True), mx.util.np_array(True):
        net = nn.HybridSequential(prefix="n_")
        net.add(nn.Dense(4, in_units=3), nn.BatchNorm(in_channels=4), nn.Dense(2, in_units=4))
        net.initialize()
        net.hybridize()
        x = mx.np.array(normal(5, 3).asnumpy())
        net(x)
        gs.freeze(net, "1")
        before = values(net)
        trainer = trainer_of(net)
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(5)
        assert [n for n in changed(net, before) if "batchnorm" in n] == []
        assert len(changed(net, before)) == 4


def test_plain_sequential_that_cannot_be_traced_is_frozen() -> None:
    class Looks(gluon.Block):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            with self.name_scope():
                self.inner = convolutional("in_")
                self.norm = nn.BatchNorm()

        def forward(self, x: Any) -> Any:
            return self.norm(self.inner(x) if x.shape[0] > 1 else x)

    net = Looks(prefix="n_")
    net.norm.initialize()
    net(normal(*X))
    assert gs.freeze(net, ["inner.0", "norm"]).batch_norms == ["norm"]
    before = values(net)
    train(net, trainer_of(net), 3)
    assert not [n for n in changed(net, before) if n.startswith(("n_in_conv0", "n_batchnorm0"))]
    with pytest.raises(gs.SubgraphError, match="needs the graph of the network, which cannot be had") as caught:
        gs.freeze(net, upto="norm")
    assert "plain Block" in str(caught.value)
    assert "select=" in str(caught.value)
    assert gs.unfreeze(net) == ["n_in_conv0_weight", "n_in_conv0_bias", "n_batchnorm0_gamma", "n_batchnorm0_beta"]


def test_values_trained_in_a_piece_are_in_the_network() -> None:
    net = layers(3)
    piece = gs.extract(net, "dense0_fwd", "dense1_fwd")
    piece.params["n_dense1_weight"].set_data(mx.nd.ones((4, 4)))
    assert bits(net[1].weight.data()) == bits(mx.nd.ones((4, 4)))


@pytest.mark.parametrize("kind", ["piece", "towers", "headed", "parent"])
def test_renamed_piece_that_has_run_computes_the_same_when_it_is_frozen(kind: str) -> None:
    net = convolutional()
    renamed = gs.rename(net, "z_").net
    parent = nn.HybridSequential(prefix="p_")
    parent.add(renamed)
    block = {
        "piece": lambda: renamed,
        "towers": lambda: gs.tie_towers(renamed, ("only_",)),
        "headed": lambda: gs.replace_head(renamed, initialised(nn.Dense(2, prefix="new_"))),
        "parent": lambda: parent,
    }[kind]()
    block.hybridize()
    x = normal(*X)
    before = [bits(y) for y in _listed(block(x))]
    for change in (gs.freeze, gs.unfreeze):
        change(block)
        assert [bits(y) for y in _listed(block(x))] == before


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
