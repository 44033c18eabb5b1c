"""What freezing touches, and networks that are harder to freeze than others."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from mxnet import gluon

nn = gluon.nn


def learning(net: Any) -> list[Any]:
    """Return all of a network that freezing touches, as a value that compares."""
    return [(row.parameter, row.grad_req, row.lr_mult, row.wd_mult, row.batch_norm) for row in gs.trainable(net)]


def grad_reqs(net: Any) -> dict[str, str]:
    return {name: p.grad_req for name, p in net.collect_params().items()}


def modes(net: Any) -> dict[str, str]:
    return {row.parameter: row.batch_norm for row in gs.trainable(net) if row.batch_norm}


class OwnNorm(gluon.HybridBlock):
    """Calls the BatchNorm operator itself, on parameters of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(3,), init="ones")
            self.shift = self.params.get("shift", shape=(3,), init="zeros")
            self.mean = self.params.get("mean", shape=(3,), init="zeros", grad_req="null")
            self.spread = self.params.get("spread", shape=(3,), init="ones", grad_req="null")

    def hybrid_forward(self, F: Any, x: Any, scale: Any, shift: Any, mean: Any, spread: Any) -> Any:
        return F.BatchNorm(x, scale, shift, mean, spread, fix_gamma=False, name="norm")


class Loop(gluon.HybridBlock):
    """A BatchNorm in the body of a foreach."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.dense = nn.Dense(4, in_units=4, flatten=False)
            self.norm = nn.BatchNorm(in_channels=4)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        def body(x: Any, state: Any) -> Any:
            result = self.norm(self.dense(x) + state)
            return result, result

        return F.contrib.foreach(body, x, F.zeros((3, 4)))[0]
