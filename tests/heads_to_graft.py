"""Heads for the tests of replace_head."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from typing import Any

from mxnet import gluon
from samples import initialised

nn = gluon.nn


def dense(units: int = 3, **options: Any) -> nn.Dense:
    """Return an initialised head."""
    return initialised(nn.Dense(units, **{"prefix": "new_", **options}), seed=5)


def pointwise(*, relu: bool) -> nn.HybridSequential:
    """Return a convolution as a head, of three classes."""
    head = nn.HybridSequential(prefix="new_")
    with head.name_scope():
        head.add(nn.Conv2D(3, 1, use_bias=relu), *([nn.Activation("relu")] if relu else []))
        head.add(nn.GlobalAvgPool2D(), nn.Flatten())
    return initialised(head, seed=5)


class Ends(gluon.HybridBlock):
    """The sum of two dense layers of one value."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.a, self.b = nn.Dense(3, in_units=4), nn.Dense(3, in_units=4)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.a(x) + self.b(x)


class Towers(gluon.HybridBlock):
    """Takes two inputs and joins them after a layer each, the second first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.one, self.two, self.end = nn.Dense(4, in_units=4), nn.Dense(4, in_units=3), nn.Dense(5, in_units=4)

    def hybrid_forward(self, F: Any, x: Any, y: Any) -> Any:
        return self.end(self.two(y) - self.one(x))
