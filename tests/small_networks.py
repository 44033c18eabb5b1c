"""Small networks, each with one thing that makes extraction interesting."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

UNITS = 4


def filled(net: mx.gluon.Block, seed: int = 0) -> mx.gluon.Block:
    """Return `net` with random parameters, the same for every seed."""
    random = np.random.RandomState(seed)
    net.initialize()
    for parameter in net.collect_params().values():
        if all(size > 0 for size in parameter.shape):
            parameter.set_data(mx.nd.array(random.uniform(0.2, 1, parameter.shape)))
    return net


def an_input(seed: int = 1, units: int = UNITS) -> mx.nd.NDArray:
    return mx.nd.array(np.random.RandomState(seed).uniform(-1, 1, (3, units)))


class Chain(nn.HybridBlock):
    """data -> A -> B -> C -> D -> E, each a dense layer."""

    def __init__(self, letters: str = "ABCDE", **options: Any) -> None:
        super().__init__(**options)
        self.letters = letters
        with self.name_scope():
            for letter in letters:
                setattr(self, letter, nn.Dense(UNITS, in_units=UNITS, prefix=letter + "_"))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        for letter in self.letters:
            x = getattr(self, letter)(x)
        return x


class Skip(nn.HybridBlock):
    """body and shortcut both read pre; their sum goes through post."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            for name in ("pre", "body", "shortcut", "post"):
                setattr(self, name, nn.Dense(UNITS, in_units=UNITS, prefix=name + "_"))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        x = self.pre(x)
        return self.post(F.elemwise_add(self.body(x), self.shortcut(x), name="sum"))


class Twice(nn.HybridBlock):
    """One layer called twice, under two attributes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.layer = nn.Dense(UNITS, in_units=UNITS, prefix="layer_")
            self.alias = self.layer
            self.last = nn.Dense(UNITS, in_units=UNITS, prefix="last_")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.last(self.alias(self.layer(x)))


class Split(nn.HybridBlock):
    """A layer of two outputs, and a network of two."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.halves = Halves(prefix="halves_")
            self.left = nn.Dense(UNITS, in_units=UNITS // 2, prefix="left_")
            self.right = nn.Dense(UNITS, in_units=UNITS // 2, prefix="right_")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        one, two = self.halves(x)
        return self.left(one), self.right(two)


class Halves(nn.HybridBlock):
    def hybrid_forward(self, F: Any, x: Any) -> Any:
        one, two = F.split(x, num_outputs=2, axis=1, name="parts")
        return one, two


class LooksAtShape(nn.HybridBlock):
    """Cannot be traced."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.reshape(x, shape=(x.shape[0], -1))


def sequence(count: int = 5, **options: Any) -> nn.HybridSequential:
    """Return dense layers in a row, those but the last in a sequence of their own."""
    net = nn.HybridSequential(**{"prefix": "n_", **options})
    with net.name_scope():
        features = nn.HybridSequential(prefix="f_")
        with features.name_scope():
            for _ in range(count):
                features.add(nn.Dense(UNITS, in_units=UNITS, activation="relu"))
        net.add(features)
        net.add(nn.Dense(2, in_units=UNITS))
    return net
