"""Towers against the other way to share weights: concatenate the batches, run the network once, split.

Both take the same images and return the same two arrays; the ratio is theirs to ours, of rounds taken side by side.
"""

from __future__ import annotations

from typing import Any, Callable

import mxnet as mx
import pytest
from networks import IMAGE, NETWORKS, zoo_network
from timing import clock

import gluon_subgraph as gs

pytestmark = pytest.mark.filterwarnings("ignore")

ROUNDS = 7
SHAPES = {"small images": (4, 3, 64, 64), "large images": IMAGE}


class Joined(mx.gluon.HybridBlock):
    """Two batches as one through a network."""

    def __init__(self, net: mx.gluon.HybridBlock) -> None:
        super().__init__(prefix="joined_")
        self.net = net

    def hybrid_forward(self, F: Any, left: Any, right: Any) -> Any:  # noqa: N803 - Gluon's name for it
        return F.split(self.net(F.concat(left, right, dim=0)), num_outputs=2, axis=0)


@pytest.mark.parametrize("images", list(SHAPES))
@pytest.mark.parametrize("mode", ["forward", "training step"])
def test_towers_beside_joined_batches(mode: str, images: str, measure: Any) -> None:
    net = zoo_network(NETWORKS[0])
    inputs = [mx.nd.random.uniform(shape=SHAPES[images]) for _ in range(2)]
    towers, joined = gs.tie_towers(net), Joined(net)
    for block in (towers, joined):
        block.hybridize(static_alloc=True, static_shape=True)
    for ours, theirs in zip(towers(*inputs), joined(*inputs)):
        assert float((ours - theirs).abs().max().asscalar()) <= 1e-4 * float(theirs.abs().max().asscalar())

    run = {"forward": _forward, "training step": _step}[mode]

    def seconds_of_towers() -> float:
        start = clock()
        run(towers, inputs)
        return clock() - start

    seconds_of_towers()
    facts = {"network": NETWORKS[0], "mode": mode, "images": images, "shape": list(SHAPES[images])}
    measure(lambda: run(joined, inputs), ROUNDS, ours=seconds_of_towers, table="towers", **facts)


def _forward(block: Callable[..., Any], inputs: Any) -> None:
    block(*inputs)
    mx.nd.waitall()


def _step(block: Callable[..., Any], inputs: Any) -> None:
    with mx.autograd.record():
        left, right = block(*inputs)
        loss = (left - right).square().sum()
    loss.backward()
    mx.nd.waitall()


@pytest.mark.parametrize("network", NETWORKS)
def test_tie_towers(network: str, measure: Any) -> None:
    """The whole call, tracing included, beside grouping two symbolic calls of the network."""
    net = zoo_network(network)

    def tie() -> float:
        start = clock()
        gs.tie_towers(net)
        return clock() - start

    def call_twice() -> Any:
        inputs = [mx.sym.var(f"{side}_data") for side in ("left", "right")]
        return mx.gluon.SymbolBlock([net(x) for x in inputs], inputs, net.collect_params())

    measure(call_twice, ROUNDS, ours=tie, table="tie towers", network=network)
