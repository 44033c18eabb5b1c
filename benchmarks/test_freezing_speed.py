"""A training step with the trunk frozen beside a full one: frozen layers cost no backward pass."""

from __future__ import annotations

from typing import Any

import mxnet as mx
import pytest
from conftest import clock
from mxnet.gluon.model_zoo import vision

import gluon_subgraph as gs

pytestmark = pytest.mark.filterwarnings("ignore")

NETWORKS = ("resnet18_v1", "resnet18_v2", "mobilenet1_0")
SHAPE = (8, 3, 224, 224)
ROUNDS = 7


def network(name: str) -> tuple[Any, mx.gluon.Trainer]:
    """Return a hybridized network of ten classes, with the Trainer of all its parameters."""
    net = getattr(vision, name)(classes=10, prefix="r_")
    net.initialize(mx.init.Xavier())
    net.hybridize(static_alloc=True, static_shape=True)
    return net, mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1e-3, "momentum": 0.9, "wd": 1e-4})


@pytest.mark.parametrize("name", NETWORKS)
def test_step_with_frozen_trunk(name: str, measure: Any) -> None:
    x, y = mx.nd.random.uniform(shape=SHAPE), mx.nd.zeros(SHAPE[0])
    compute_loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    (full, trainer), (frozen, frozen_trainer) = network(name), network(name)
    for net in (full, frozen):
        net(x)
    gs.freeze(frozen.features)

    def step(net: Any, trainer: mx.gluon.Trainer) -> None:
        with mx.autograd.record():
            loss = compute_loss(net(x), y)
        loss.backward()
        trainer.step(SHAPE[0])
        mx.nd.waitall()

    def seconds_of_frozen() -> float:
        start = clock()
        step(frozen, frozen_trainer)
        return clock() - start

    seconds_of_frozen()
    facts = {"table": "freezing", "network": name, "shape": list(SHAPE)}
    measure(lambda: step(full, trainer), ROUNDS, ours=seconds_of_frozen, **facts)
