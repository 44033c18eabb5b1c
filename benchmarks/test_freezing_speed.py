"""A training step with the trunk frozen beside a full one: frozen layers cost no backward pass."""

from __future__ import annotations

from typing import Any, Callable

import mxnet as mx
import pytest
from mxnet.gluon.model_zoo import vision
from timing import clock

import gluon_subgraph as gs

pytestmark = pytest.mark.filterwarnings("ignore")

NETWORKS = ("resnet18_v1", "resnet18_v2", "mobilenet1_0")
SHAPE = (8, 3, 224, 224)
ROUNDS = 7
SETTINGS = {"learning_rate": 1e-3, "momentum": 0.9, "wd": 1e-4}
COMPUTE_LOSS = mx.gluon.loss.SoftmaxCrossEntropyLoss()


def network(name: str) -> tuple[Any, mx.gluon.Trainer]:
    """Return a hybridized network of ten classes, with the Trainer of all its parameters."""
    net = getattr(vision, name)(classes=10, prefix="r_")
    net.initialize(mx.init.Xavier())
    net.hybridize(static_alloc=True, static_shape=True)
    return net, mx.gluon.Trainer(net.collect_params(), "sgd", SETTINGS)


def take_step(net: Any, trainer: mx.gluon.Trainer, x: Any, y: Any) -> None:
    """Forward, backward and update."""
    with mx.autograd.record():
        loss = COMPUTE_LOSS(net(x), y)
    loss.backward()
    trainer.step(SHAPE[0])
    mx.nd.waitall()


@pytest.fixture(scope="module")
def batch() -> tuple[Any, Any]:
    return mx.nd.random.uniform(shape=SHAPE), mx.nd.zeros(SHAPE[0])


@pytest.fixture(scope="module", params=NETWORKS)
def frozen(request: Any, batch: Any) -> tuple[str, Callable[[], float]]:
    """Return a network's name, and what takes a step with its trunk frozen and returns the seconds it took."""
    net, trainer = network(request.param)
    net(batch[0])
    gs.freeze(net.features)

    def seconds() -> float:
        start = clock()
        take_step(net, trainer, *batch)
        return clock() - start

    seconds()
    return request.param, seconds


def test_full_step(frozen: Any, batch: Any, measure: Any) -> None:
    name, ours = frozen
    net, trainer = network(name)
    facts = {"table": "freezing", "network": name, "shape": list(SHAPE), "side": "full"}
    measure(lambda: take_step(net, trainer, *batch), ROUNDS, ours=ours, **facts)


def test_stock_freezing(frozen: Any, batch: Any, measure: Any) -> None:
    """Gradients switched off, as one does in stock MXNet: the statistics of BatchNorm go on moving."""
    name, ours = frozen
    net, trainer = network(name)
    net(batch[0])
    net.features.collect_params().setattr("grad_req", "null")
    facts = {"table": "freezing", "network": name, "shape": list(SHAPE), "side": "stock MXNet"}
    measure(lambda: take_step(net, trainer, *batch), ROUNDS, ours=ours, **facts)


def test_least_step(frozen: Any, batch: Any, measure: Any) -> None:
    """The trunk run for inference, and a step of the head alone."""
    name, ours = frozen
    net, _ = network(name)
    net(batch[0])
    net.features.hybridize(static_alloc=True, static_shape=True)
    trainer = mx.gluon.Trainer(net.output.collect_params(), "sgd", SETTINGS)
    facts = {"table": "freezing", "network": name, "shape": list(SHAPE), "side": "floor"}
    measure(lambda: take_step(net.output, trainer, net.features(batch[0]), batch[1]), ROUNDS, ours=ours, **facts)
