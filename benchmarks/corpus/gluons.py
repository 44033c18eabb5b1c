"""Gluon networks written here: twins of the classical symbols, and of the torch transformers that MXNet's zoos lack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import zoos
from graphs import Side
from mxnet import gluon, init
from mxnet.gluon import nn

TOKENS, WIDTH, HEADS, INNER = 300, 32, 2, 64


def side_of(model: str) -> Side:
    make, shape = NETS[model]
    return zoos.traced("own-" + model, make(), {"data": shape})


def mlp() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10))
    return net


def lenet() -> nn.HybridSequential:
    net = nn.HybridSequential()
    for width in (20, 50):
        net.add(nn.Conv2D(width, 5, activation="tanh"), nn.MaxPool2D())
    net.add(nn.Flatten(), nn.Dense(500, activation="tanh"), nn.Dropout(0.5), nn.Dense(10))
    return net


def autoencoder() -> nn.HybridSequential:
    net = nn.HybridSequential()
    for width in (64, 64, 16, 64, 64):
        net.add(nn.Dense(width, activation="relu"))
    net.add(nn.Dense(64))
    return net


def _dense(units: int, ins: int) -> nn.Dense:
    return nn.Dense(units, in_units=ins, flatten=False)


class SelfAttention(gluon.HybridBlock):
    """Multi-head attention with three projections of one shape."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            self.proj_q, self.proj_k, self.proj_v = (_dense(WIDTH, WIDTH) for _ in range(3))
            self.proj_out = _dense(WIDTH, WIDTH)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name for it
        parts = []
        for layer in (self.proj_q, self.proj_k, self.proj_v):
            y = layer(x).reshape((0, 0, HEADS, -1)).transpose((0, 2, 1, 3))
            parts.append(y.reshape((-3, 0, 0)))
        weights = F.softmax(F.batch_dot(parts[0], parts[1], transpose_b=True) * (WIDTH // HEADS) ** -0.5)
        y = F.batch_dot(weights, parts[2]).reshape((-4, -1, HEADS, 0, 0)).transpose((0, 2, 1, 3))
        return self.proj_out(y.reshape((0, 0, -3)))


class Encoder(gluon.HybridBlock):
    """One layer of a transformer, normalised before or after its two halves."""

    def __init__(self, eps: float, is_pre: bool) -> None:
        super().__init__()
        self.is_pre = is_pre
        with self.name_scope():
            self.attention = SelfAttention()
            self.norm_attention = nn.LayerNorm(in_channels=WIDTH, epsilon=eps)
            self.ffn_in, self.ffn_out = _dense(INNER, WIDTH), _dense(WIDTH, INNER)
            self.norm_ffn = nn.LayerNorm(in_channels=WIDTH, epsilon=eps)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        if self.is_pre:
            x = x + self.attention(self.norm_attention(x))
            return x + self._feed(F, self.norm_ffn(x))
        x = self.norm_attention(x + self.attention(x))
        return self.norm_ffn(x + self._feed(F, x))

    def _feed(self, F: Any, x: Any) -> Any:  # noqa: N803
        return self.ffn_out(F.LeakyReLU(self.ffn_in(x), act_type="gelu"))


class Text(gluon.HybridBlock):
    """BERT and its relatives."""

    def __init__(
        self,
        first: int = 0,
        embedded: int = WIDTH,
        has_types: bool = True,
        has_pooler: bool = False,
        eps: float = 1e-12,
    ):
        super().__init__()
        self.first, self.has_types, self.has_pooler, self.is_projected = first, has_types, has_pooler, embedded != WIDTH
        with self.name_scope():
            self.word_embed = nn.Embedding(TOKENS, embedded)
            self.position_embed = nn.Embedding(40, embedded)
            if has_types:
                self.token_type_embed = nn.Embedding(2, embedded)
            self.embed_norm = nn.LayerNorm(in_channels=embedded, epsilon=eps)
            if self.is_projected:
                self.embed_proj = _dense(WIDTH, embedded)
            self.cells = nn.HybridSequential()
            for _ in range(3):
                self.cells.add(Encoder(eps, is_pre=False))
            if has_pooler:
                self.pooler = nn.Dense(WIDTH, in_units=WIDTH, activation="tanh", flatten=False)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        places = F.contrib.arange_like(x, axis=1, start=self.first)
        if self.first:  # one row of positions for each text
            y = self.word_embed(x) + self.position_embed(
                F.broadcast_add(F.zeros_like(x), F.expand_dims(places, axis=0))
            )
        else:
            y = F.broadcast_add(self.word_embed(x), F.expand_dims(self.position_embed(places), axis=0))
        if self.has_types:
            y = y + self.token_type_embed(F.zeros_like(x))
        y = self.embed_norm(y)
        y = self.cells(self.embed_proj(y) if self.is_projected else y)
        if self.has_pooler:
            return self.pooler(F.slice_axis(y, axis=1, begin=0, end=1).reshape((-1, WIDTH)))
        return y


def roberta() -> Text:
    return Text(first=1)


def bert() -> Text:
    return Text(has_pooler=True)


def distil() -> Text:
    return Text(has_types=False)


def electra() -> Text:
    return Text(embedded=16)


class Vit(gluon.HybridBlock):
    """The vision transformer."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            self.patch_embed = nn.Conv2D(WIDTH, 8, 8, in_channels=3)
            self.class_token = self.params.get("class_token", shape=(1, 1, WIDTH), init=init.Zero())
            self.position = self.params.get("position", shape=(1, 17, WIDTH), init=init.Zero())
            self.blocks = nn.HybridSequential()
            for _ in range(3):
                self.blocks.add(Encoder(1e-12, is_pre=True))
            self.norm = nn.LayerNorm(in_channels=WIDTH, epsilon=1e-12)

    def hybrid_forward(self, F: Any, x: Any, class_token: Any, position: Any) -> Any:  # noqa: N803
        y = self.patch_embed(x).reshape((0, 0, -1)).transpose((0, 2, 1))
        y = F.broadcast_add(F.concat(class_token, y, dim=1), position)
        return self.norm(self.blocks(y))


class ConvNextBlock(gluon.HybridBlock):
    """A wide depthwise convolution and two dense layers, scaled per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        with self.name_scope():
            self.depthwise = nn.Conv2D(width, 7, padding=3, groups=width, in_channels=width)
            self.norm = nn.LayerNorm(in_channels=width, epsilon=1e-6)
            self.expand, self.project = _dense(4 * width, width), _dense(width, 4 * width)
            self.layer_scale = self.params.get("layer_scale", shape=(width,), init=init.One())

    def hybrid_forward(self, F: Any, x: Any, layer_scale: Any) -> Any:  # noqa: N803
        y = self.norm(self.depthwise(x).transpose((0, 2, 3, 1)))
        y = self.project(F.LeakyReLU(self.expand(y), act_type="gelu"))
        return x + F.broadcast_mul(y, layer_scale.reshape((1, 1, 1, -1))).transpose((0, 3, 1, 2))


class ConvNext(gluon.HybridBlock):
    """Four stages of `ConvNextBlock`."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            self.features = nn.HybridSequential()
            ins = 3
            for k, (depth, width) in enumerate(zip((2, 2, 3, 2), (16, 32, 64, 96))):
                step = 2 if k else 4
                parts = [nn.Conv2D(width, step, step, in_channels=ins)]
                channels = ins if k else width
                norm = nn.LayerNorm(axis=1, in_channels=channels, epsilon=1e-6)
                for part in [norm, *parts] if k else [*parts, norm]:
                    self.features.add(part)
                for _ in range(depth):
                    self.features.add(ConvNextBlock(width))
                ins = width
            self.norm = nn.LayerNorm(in_channels=ins, epsilon=1e-6)
            self.output = nn.Dense(10, in_units=ins)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        return self.output(self.norm(F.mean(self.features(x), axis=(2, 3))))


class MixerBlock(gluon.HybridBlock):
    """Dense layers across the patches, then across the channels."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            self.norm1 = nn.LayerNorm(in_channels=WIDTH, epsilon=1e-6)
            self.token_in, self.token_out = _dense(16, 16), _dense(16, 16)
            self.norm2 = nn.LayerNorm(in_channels=WIDTH, epsilon=1e-6)
            self.channel_in, self.channel_out = _dense(4 * WIDTH, WIDTH), _dense(WIDTH, 4 * WIDTH)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        y = F.LeakyReLU(self.token_in(self.norm1(x).transpose((0, 2, 1))), act_type="gelu")
        x = x + self.token_out(y).transpose((0, 2, 1))
        return x + self.channel_out(F.LeakyReLU(self.channel_in(self.norm2(x)), act_type="gelu"))


class Mixer(gluon.HybridBlock):
    """The network of dense layers on patches."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            self.stem = nn.Conv2D(WIDTH, 8, 8, in_channels=3)
            self.blocks = nn.HybridSequential()
            for _ in range(3):
                self.blocks.add(MixerBlock())
            self.norm = nn.LayerNorm(in_channels=WIDTH, epsilon=1e-6)
            self.head = nn.Dense(10, in_units=WIDTH)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        y = self.stem(x).reshape((0, 0, -1)).transpose((0, 2, 1))
        return self.head(F.mean(self.norm(self.blocks(y)), axis=1))


IMAGE = (1, 3, 32, 32)
NETS: dict[str, tuple[Callable, tuple[int, ...]]] = {
    "mlp": (mlp, (4, 784)),
    "lenet": (lenet, (2, 1, 28, 28)),
    "autoencoder": (autoencoder, (4, 64)),
    "bert": (bert, (2, 7)),
    "roberta": (roberta, (2, 7)),
    "distil": (distil, (2, 7)),
    "electra": (electra, (2, 7)),
    "vit": (Vit, IMAGE),
    "convnext": (ConvNext, IMAGE),
    "mixer": (Mixer, IMAGE),
}
