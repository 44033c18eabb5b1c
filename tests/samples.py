"""Small networks for the tests to cut, and their whole values."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import gluon

nn = gluon.nn


class Residual(gluon.HybridBlock):
    """Adds what its body computes to its input."""

    def __init__(self, body: gluon.HybridBlock, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.body = body

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.body(x) + x


class Scale(gluon.HybridBlock):
    """Multiplies by a vector: the smallest block with one parameter, in any dtype."""

    def __init__(self, size: int, dtype: str = "float32", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(size,), dtype=dtype, init="one")

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        return F.broadcast_mul(x, weight)


class Offset(gluon.HybridBlock):
    """Adds a Constant, then a Dense layer; `relu` is the tensor before the Constant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.offset = self.params.get_constant("offset", mx.nd.array([1.0, 2.0, 3.0]))
            self.dense = nn.Dense(2, in_units=3)

    def hybrid_forward(self, F: Any, x: Any, offset: Any) -> Any:
        return self.dense(F.broadcast_add(F.relu(x, name="relu"), offset))


class Fork(gluon.HybridBlock):
    """Returns two tensors of one dense layer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.dense = nn.Dense(4, in_units=3)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.split(self.dense(x), num_outputs=2, name="split")


def layers(count: int = 5, prefix: str = "n_", *, initialise: bool = True, seed: int = 0) -> gluon.HybridBlock:
    """Return dense layers of four units, one after the other."""
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(*[nn.Dense(4, in_units=4, activation="tanh") for _ in range(count)])
    return initialised(net, seed) if initialise else net


def convolutional(prefix: str = "c_", *, deferred: bool = False, seed: int = 0) -> gluon.HybridBlock:
    """Return convolutions with normalisation, a residual sum, dropout and a dense end; takes (batch, 3, 8, 8)."""
    known = (lambda **sizes: {}) if deferred else (lambda **sizes: sizes)
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, padding=1, **known(in_channels=3)))
        net.add(nn.BatchNorm(**known(in_channels=4)))
        net.add(nn.Activation("relu"))
        body = nn.HybridSequential(prefix="body_")
        with body.name_scope():
            body.add(nn.Conv2D(4, 3, padding=1, **known(in_channels=4)), nn.BatchNorm(**known(in_channels=4)))
        net.add(Residual(body, prefix="sum_"))
        net.add(nn.Dropout(0.5))
        net.add(nn.Conv2D(6, 3, strides=2, **known(in_channels=4)))
        net.add(nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(5, **known(in_units=6)))
    return initialised(net, seed)


CUTS = ("batchnorm0_fwd", "dropout0_fwd")  # of `convolutional`: front, middle, tail


def initialised(net: gluon.Block, seed: int = 0) -> gluon.Block:
    """Return `net` with values that depend on `seed` alone."""
    mx.random.seed(seed)
    net.initialize(mx.init.Xavier(), force_reinit=True)
    return net


def normal(*shape: int, seed: int = 1, ctx: Any = None) -> mx.nd.NDArray:
    """Return normally distributed values that depend on `seed` alone."""
    return mx.nd.array(np.random.RandomState(seed).standard_normal(shape), ctx=ctx, dtype="float32")


def same(left: Any, right: Any) -> bool:
    """Return whether two arrays, or lists of arrays, are equal bit for bit, dtype and shape included."""
    lefts, rights = ([v] if isinstance(v, mx.nd.NDArray) else list(v) for v in (left, right))
    return len(lefts) == len(rights) and all(bits(a) == bits(b) for a, b in zip(lefts, rights))


def bits(array: Any) -> tuple[str, tuple[int, ...], bytes]:
    """Return the whole value of an array as something `==` compares."""
    value = array.asnumpy()
    return str(value.dtype), value.shape, value.tobytes()


def values(block: gluon.Block) -> dict[str, Any]:
    """Return the whole value of every parameter of a block."""
    return {name: bits(p.list_data()[0]) for name, p in block.collect_params().items()}


def triple(net: gluon.HybridBlock, name: str = "data") -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return an initialised network as `load_checkpoint` would: symbol, arguments, auxiliary states, all copies."""
    symbol = net(mx.sym.var(name))
    auxiliary = set(symbol.list_auxiliary_states())
    arrays = {n: p.data().copy() for n, p in net.collect_params().items()}
    arguments = {n: a for n, a in arrays.items() if n not in auxiliary}
    return symbol, arguments, {n: a for n, a in arrays.items() if n in auxiliary}


def symbol_block(net: gluon.HybridBlock) -> gluon.SymbolBlock:
    """Return a stock SymbolBlock with parameters of its own, of the values of `net`."""
    symbol = net(mx.sym.var("data"))
    block = gluon.SymbolBlock(symbol, mx.sym.var("data"))
    for name, parameter in block.collect_params().items():
        parameter._load_init(net.collect_params()[name].data(), mx.cpu())
    return block
