"""Small networks that are traps: equal shapes everywhere, tied weights, parallel branches, swapped inputs.

Each trap is a list of layers and what is done with them. Variant `g` defines the layers in order under their own
names, `h` in another order under meaningless ones, `i` in order under numbers."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import zoos
from graphs import Side
from mxnet import gluon
from mxnet.gluon import nn

Layers = dict[str, Any]
GREEK = ("alpha", "beta", "gam", "delta", "eps", "zeta", "eta", "theta", "iota", "kappa", "lam", "mu", "nu", "xi")
WIDTH = 16


class Trap(gluon.HybridBlock):
    """The layers of a trap, registered in a given order under given names."""

    def __init__(self, makers: dict[str, Callable], forward: Callable, names: dict[str, str], prefix: str) -> None:
        super().__init__(prefix=prefix)
        self.does, self.layers = forward, {}
        with self.name_scope():
            for role, name in names.items():
                layer = makers[role](name)
                setattr(self, name, layer)
                self.layers[role] = layer

    def hybrid_forward(self, F: Any, *inputs: Any) -> Any:  # noqa: N803 - Gluon's name for it
        return self.does(F, self.layers, *inputs)


def side_of(model: str) -> Side:
    """Return trap `name_variant`."""
    trap, variant = model.rsplit("_", 1)
    makers, forward, inputs = TRAPS[trap]()
    roles = list(makers)
    if variant == "g":
        names, prefix = {role: role for role in roles}, trap + "_"
    elif variant == "h":
        random = Random(zlib.crc32(trap.encode()))
        names = dict(
            zip(random.sample(roles, len(roles)), random.sample([f"{a}{b}" for a in GREEK for b in "ab_"], len(roles)))
        )
        prefix = "other_"
    else:
        names, prefix = {role: f"layer{k}" for k, role in enumerate(roles)}, "hybridsequential0_"
    return zoos.traced("syn-" + model, Trap(makers, forward, names, prefix), inputs)


def _dense(units: int = WIDTH, ins: int = WIDTH, **more: Any) -> Callable:
    return lambda name: nn.Dense(units, in_units=ins, prefix=name + "_", **more)


def _conv(outs: int = WIDTH, ins: int = WIDTH, kernel: int = 3, **more: Any) -> Callable:
    more.setdefault("padding", kernel // 2)
    return lambda name: nn.Conv2D(outs, kernel, in_channels=ins, prefix=name + "_", **more)


def _bn(channels: int = WIDTH) -> Callable:
    return lambda name: nn.BatchNorm(in_channels=channels, prefix=name + "_")


def _ln(channels: int = WIDTH) -> Callable:
    return lambda name: nn.LayerNorm(in_channels=channels, prefix=name + "_")


def _each(count: int, **kinds: Callable) -> dict[str, Callable]:
    return {f"{name}{k}": kind for k in range(count) for name, kind in kinds.items()}


def square() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        for layer in ls:
            x = F.tanh(ls[layer](x))
        return x

    makers = {f"fc{k}": _dense() for k in range(1, 9)}
    return makers, lambda F, ls, x: forward(F, {k: ls[k] for k in makers}, x), {"data": (4, WIDTH)}


def branch() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        q, k, v = (ls[r](x) for r in "qkv")
        return ls["out2"](F.tanh(ls["out"](F.concat(F.softmax(q * k) * v, q, dim=1))))

    makers = {"q": _dense(), "k": _dense(), "v": _dense(), "out": _dense(WIDTH, 2 * WIDTH), "out2": _dense()}
    return makers, forward, {"data": (4, WIDTH)}


def concat() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        return ls["end"](F.concat(*[F.relu(ls[f"way{k}"](x)) for k in range(4)], dim=1))

    return (
        {**{f"way{k}": _conv() for k in range(4)}, "end": _conv(WIDTH, 4 * WIDTH)},
        forward,
        {"data": (2, WIDTH, 8, 8)},
    )


def summed() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        return ls["end"](F.relu(ls["left"](x)) + F.relu(ls["right"](x)))

    return {"left": _dense(), "right": _dense(), "end": _dense()}, forward, {"data": (4, WIDTH)}


def commuted() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        for k in range(3):
            one, two = ls[f"body{k}"](x), F.sigmoid(ls[f"gate{k}"](x))
            x = (one * two if k % 2 else two * one) + x
        return ls["end"](x)

    return {**_each(3, body=_dense(), gate=_dense()), "end": _dense(5)}, forward, {"data": (4, WIDTH)}


def commuted2() -> tuple:
    makers, forward, inputs = commuted()

    def swapped(F: Any, ls: Layers, x: Any) -> Any:
        for k in range(3):
            one, two = F.sigmoid(ls[f"gate{k}"](x)), ls[f"body{k}"](x)
            x = x + (one * two if k % 2 else two * one)
        return ls["end"](x)

    return makers, swapped, inputs


def siamese() -> tuple:
    def forward(F: Any, ls: Layers, left: Any, right: Any) -> Any:
        one, two = (F.tanh(ls["b"](F.tanh(ls["a"](x)))) for x in (left, right))
        return ls["end"](F.concat(one, two, F.abs(one - two), dim=1))

    inputs = {"left": (4, WIDTH), "right": (4, WIDTH)}
    return {"a": _dense(), "b": _dense(), "end": _dense(2, 3 * WIDTH)}, forward, inputs


def towers() -> tuple:
    def forward(F: Any, ls: Layers, left: Any, right: Any) -> Any:
        one = F.tanh(ls["one_b"](F.tanh(ls["one_a"](left))))
        two = F.tanh(ls["two_b"](F.tanh(ls["two_a"](right))))
        return ls["end"](F.concat(one, two, dim=1))

    makers = {"one_a": _dense(), "one_b": _dense(), "two_a": _dense(), "two_b": _dense(), "end": _dense(2, 2 * WIDTH)}
    return makers, forward, {"left": (4, WIDTH), "right": (4, WIDTH)}


def experts() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        weights = F.softmax(ls["gate"](x))
        parts = [
            ls[f"expert{k}"](x) * F.slice_axis(weights, axis=1, begin=k, end=k + 1).tile((1, WIDTH)) for k in range(4)
        ]
        return ls["end"](F.add_n(*parts))

    return (
        {"gate": _dense(4), **{f"expert{k}": _dense() for k in range(4)}, "end": _dense()},
        forward,
        {"data": (4, WIDTH)},
    )


def twoheads() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        x = F.relu(ls["trunk_b"](F.relu(ls["trunk_a"](x))))
        return F.concat(ls["head_mean"](x), F.exp(0.1 * ls["head_scale"](x)), dim=1)

    makers = {"trunk_a": _dense(), "trunk_b": _dense(), "head_mean": _dense(3), "head_scale": _dense(3)}
    return makers, forward, {"data": (4, WIDTH)}


def chain() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        for k in range(8):
            x = F.relu(ls[f"bn{k}"](ls[f"conv{k}"](x)))
        return ls["fc"](F.flatten(F.Pooling(x, global_pool=True, pool_type="avg", kernel=(1, 1))))

    return {**_each(8, conv=_conv(use_bias=False), bn=_bn()), "fc": _dense(7)}, forward, {"data": (2, WIDTH, 8, 8)}


def residual() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        for k in range(5):
            x = x + ls[f"b{k}"](F.relu(ls[f"a{k}"](ls[f"norm{k}"](x))))
        return ls["end"](x)

    return (
        {**_each(5, norm=_ln(), a=_dense(flatten=False), b=_dense(flatten=False)), "end": _dense(3, flatten=False)},
        forward,
        {"data": (2, 5, WIDTH)},
    )


def attention(F: Any, q: Any, k: Any, v: Any) -> Any:
    return F.batch_dot(F.softmax(F.batch_dot(q, k, transpose_b=True) * 0.3), v)


def transformer() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        for k in range(3):
            y = ls[f"ln1_{k}"](x)
            x = x + ls[f"proj_{k}"](attention(F, *(ls[f"{r}_{k}"](y) for r in ("query", "key", "value"))))
            y = ls[f"ln2_{k}"](x)
            x = x + ls[f"ffn2_{k}"](F.LeakyReLU(ls[f"ffn1_{k}"](y), act_type="gelu"))
        return ls["end"](x)

    flat = {role: _dense(flatten=False) for role in ("query_", "key_", "value_", "proj_")}
    feed = {"ffn1_": _dense(4 * WIDTH, flatten=False), "ffn2_": _dense(WIDTH, 4 * WIDTH, flatten=False)}
    makers = _each(3, ln1_=_ln(), **flat, ln2_=_ln(), **feed)
    return {**makers, "end": _dense(6, flatten=False)}, forward, {"data": (2, 5, WIDTH)}


def pointwise() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        y = F.Pooling(F.relu(ls["stem"](x)), global_pool=True, pool_type="avg", kernel=(1, 1))
        y = F.relu(ls["squeeze"](y))
        return F.flatten(ls["excite"](y))

    return (
        {"stem": _conv(), "squeeze": _conv(4, WIDTH, 1), "excite": _conv(WIDTH, 4, 1)},
        forward,
        {"data": (2, WIDTH, 8, 8)},
    )


def pointwise2() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        y = F.Pooling(F.relu(ls["stem"](x)), global_pool=True, pool_type="avg", kernel=(1, 1))
        return ls["excite"](F.relu(ls["squeeze"](F.flatten(y))))

    return {"stem": _conv(), "squeeze": _dense(4), "excite": _dense(WIDTH, 4)}, forward, {"data": (2, WIDTH, 8, 8)}


def unet() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        one = F.relu(ls["down1"](x))
        two = F.relu(ls["down2"](F.Pooling(one, kernel=(2, 2), stride=(2, 2), pool_type="max")))
        mid = F.relu(ls["middle"](F.Pooling(two, kernel=(2, 2), stride=(2, 2), pool_type="max")))
        up = F.UpSampling(mid, scale=2, sample_type="nearest")
        up = F.relu(ls["up2"](F.concat(up, two, dim=1)))
        up = F.UpSampling(up, scale=2, sample_type="nearest")
        return ls["end"](F.relu(ls["up1"](F.concat(up, one, dim=1))))

    makers = {k: _conv() for k in ("down1", "down2", "middle")}
    return (
        {**makers, "up2": _conv(ins=2 * WIDTH), "up1": _conv(ins=2 * WIDTH), "end": _conv(2, kernel=1)},
        forward,
        {"data": (1, WIDTH, 16, 16)},
    )


def recurrent(kind: Callable) -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        for k in range(2):
            x, _ = ls[f"cell{k}"].unroll(
                3, x, merge_outputs=True, layout="NTC", begin_state=_zeros(F, ls[f"cell{k}"], x)
            )
        return ls["end"](x)

    makers = {f"cell{k}": (lambda name: kind(WIDTH, input_size=WIDTH, prefix=name + "_")) for k in range(2)}
    return {**makers, "end": _dense(4, flatten=False)}, forward, {"data": (2, 3, WIDTH)}


def _zeros(F: Any, cell: Any, x: Any) -> list[Any]:
    blank = F.slice_axis(x, axis=1, begin=0, end=1).reshape((-1, WIDTH)) * 0
    return [blank for _ in cell.state_info()]


def norms() -> tuple:
    def forward(F: Any, ls: Layers, x: Any) -> Any:
        for k in range(3):
            x = ls[f"act{k}"](ls[f"norm{k}"](ls[f"conv{k}"](x)))
        return F.mean(x, axis=(2, 3))

    def norm(name: str) -> Any:
        return nn.InstanceNorm(in_channels=WIDTH, prefix=name + "_")

    makers = _each(3, conv=_conv(), norm=norm, act=lambda name: nn.PReLU(in_channels=WIDTH, prefix=name + "_"))
    return makers, forward, {"data": (2, WIDTH, 8, 8)}


def _named(*traps: Callable) -> dict[str, Callable]:
    return {trap.__name__: trap for trap in traps}


TRAPS: dict[str, Callable] = {
    **_named(square, branch, concat, summed, commuted, commuted2, siamese, towers, experts, twoheads, chain, residual),
    **_named(transformer, pointwise, pointwise2, unet, norms),
    "lstm": lambda: recurrent(gluon.rnn.LSTMCell),
    "gru": lambda: recurrent(gluon.rnn.GRUCell),
}
