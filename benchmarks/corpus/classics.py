"""Networks as they were written before Gluon: symbols with hand-made names, fixed scales and loss heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphs
import mxnet as mx
from graphs import Side

Symbol = Any
LABEL = "softmax_label"


def side_of(model: str) -> Side:
    """Return one of `SYMBOLS` as a side: parameters in the order of its arguments, then the auxiliary states."""
    make, shape = SYMBOLS[model]
    with mx.name.NameManager():
        output = make(mx.sym.var("data"))
    inputs = {"data": shape}
    if LABEL in output.list_arguments():
        inputs[LABEL] = shape if model == "autoencoder" else shape[:1]
    symbol = graphs.symbol_of(*graphs.nodes_of(output.tojson()))
    shapes = graphs.all_shapes(symbol, inputs)
    names = [*output.list_arguments(), *output.list_auxiliary_states()]
    return Side("sym-" + model, symbol, [(n, shapes[n]) for n in names if n not in inputs], {}, inputs, "symbol-export")


def conv(x: Symbol, name: str, outs: int, kernel: int, stride: int = 1, pad: int = -1, **more: Any) -> Symbol:
    pad = kernel // 2 if pad < 0 else pad
    more.setdefault("no_bias", True)
    sizes = {"kernel": (kernel, kernel), "stride": (stride, stride), "pad": (pad, pad)}
    return mx.sym.Convolution(x, num_filter=outs, name=name, **sizes, **more)


def bn(x: Symbol, name: str, fix_gamma: bool = False, eps: float = 2e-5) -> Symbol:
    return mx.sym.BatchNorm(x, fix_gamma=fix_gamma, eps=eps, momentum=0.9, name=name)


def relu(x: Symbol, name: str) -> Symbol:
    return mx.sym.Activation(x, act_type="relu", name=name)


def pool(x: Symbol, name: str, kernel: int, stride: int, pad: int, kind: str = "max", **more: Any) -> Symbol:
    sizes = {"kernel": (kernel, kernel), "stride": (stride, stride), "pad": (pad, pad)}
    return mx.sym.Pooling(x, pool_type=kind, name=name, **sizes, **more)


def classify(x: Symbol, name: str = "fc1", classes: int = 1000) -> Symbol:
    x = mx.sym.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    x = mx.sym.FullyConnected(mx.sym.Flatten(x, name="flatten0"), num_hidden=classes, name=name)
    return mx.sym.SoftmaxOutput(x, name="softmax")


def mlp(x: Symbol) -> Symbol:
    for k, width in enumerate((128, 64), 1):
        x = relu(mx.sym.FullyConnected(x, num_hidden=width, name=f"fc{k}"), f"relu{k}")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="fc3"), name="softmax")


def lenet(x: Symbol) -> Symbol:
    for k, width in enumerate((20, 50), 1):
        x = conv(x, f"conv{k}", width, 5, pad=0, no_bias=False)
        x = pool(mx.sym.Activation(x, act_type="tanh", name=f"tanh{k}"), f"pool{k}", 2, 2, 0)
    x = mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=500, name="fc1")
    x = mx.sym.FullyConnected(mx.sym.Activation(x, act_type="tanh"), num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(x, name="softmax")


def preactivation(depths: list[int], widths: list[int], is_deep: bool) -> Callable:
    """Return the ResNet that normalises its input first and activates before convolving."""

    def unit(x: Symbol, name: str, width: int, stride: int, is_same: bool) -> Symbol:
        shortcut, inner = x, width // 4 if is_deep else width
        steps = [(inner, 1, 1), (inner, 3, stride), (width, 1, 1)] if is_deep else [(width, 3, stride), (width, 3, 1)]
        for k, (outs, kernel, step) in enumerate(steps, 1):
            x = relu(bn(x, f"{name}_bn{k}"), f"{name}_relu{k}")
            if k == 1 and not is_same:
                shortcut = conv(x, f"{name}_sc", width, 1, stride)
            x = conv(x, f"{name}_conv{k}", outs, kernel, step)
        return x + shortcut

    def make(x: Symbol) -> Symbol:
        x = conv(bn(x, "bn_data", fix_gamma=True), "conv0", 64, 7, 2)
        x = pool(relu(bn(x, "bn0"), "relu0"), "pooling0", 3, 2, 1)
        for i, (depth, width) in enumerate(zip(depths, widths)):
            for j in range(depth):
                is_same = j > 0 or (i == 0 and not is_deep)
                x = unit(x, f"stage{i + 1}_unit{j + 1}", width, 2 if i and not j else 1, is_same)
        return classify(relu(bn(x, "bn1"), "relu1"))

    return make


def caffe(depths: list[int], is_deep: bool) -> Callable:
    """Return the ResNet of the branches, as converted from Caffe."""

    def branch(x: Symbol, name: str, letter: str, outs: int, kernel: int, stride: int) -> Symbol:
        return bn(conv(x, f"res{name}_branch{letter}", outs, kernel, stride), f"bn{name}_branch{letter}", eps=1e-5)

    def unit(x: Symbol, name: str, width: int, stride: int, is_same: bool) -> Symbol:
        inner = width // 4 if is_deep else width
        steps = [(inner, 1, stride), (inner, 3, 1), (width, 1, 1)] if is_deep else [(width, 3, stride), (width, 3, 1)]
        shortcut = x if is_same else branch(x, name, "1", width, 1, stride)
        for k, (outs, kernel, step) in enumerate(steps):
            x = branch(x, name, "2" + "abc"[k], outs, kernel, step)
            x = relu(x, f"res{name}_branch2{'abc'[k]}_relu") if k + 1 < len(steps) else x
        return relu(mx.sym.broadcast_add(shortcut, x, name=f"res{name}"), f"res{name}_relu")

    def make(x: Symbol) -> Symbol:
        x = relu(bn(conv(x, "conv1", 64, 7, 2), "bn_conv1", eps=1e-5), "conv1_relu")
        x = pool(x, "pool1", 3, 2, 1)
        for i, depth in enumerate(depths):
            width = 64 * 2**i * (4 if is_deep else 1)
            for j in range(depth):
                is_same = j > 0 or (i == 0 and not is_deep)
                x = unit(x, f"{i + 2}{_letter(j, depth)}", width, 2 if i and not j else 1, is_same)
        return classify(x, "fc1000")

    return make


def _letter(j: int, depth: int) -> str:
    return "abcdefgh"[j] if depth <= 8 else "b" + str(j) if j else "a"


def dense(depths: list[int]) -> Callable:
    def make(x: Symbol) -> Symbol:
        x = pool(relu(bn(conv(x, "conv0", 64, 7, 2), "bn0"), "relu0"), "pool0", 3, 2, 1)
        width = 64
        for i, depth in enumerate(depths, 1):
            for j in range(1, depth + 1):
                name = f"DBstage{i}_unit{j}"
                y = conv(relu(bn(x, name + "_bn1"), name + "_relu1"), name + "_conv1", 128, 1)
                y = conv(relu(bn(y, name + "_bn2"), name + "_relu2"), name + "_conv2", 32, 3)
                x, width = mx.sym.Concat(x, y, name=name + "_concat"), width + 32
            if i < len(depths):
                width //= 2
                x = conv(relu(bn(x, f"TBstage{i}_bn1"), f"TBstage{i}_relu1"), f"TBstage{i}_conv1", width, 1)
                x = pool(x, f"TBstage{i}_pool1", 2, 2, 0, "avg")
        return classify(relu(bn(x, "bn1"), "relu1"))

    return make


def mobile(scale: float) -> Callable:
    def step(x: Symbol, name: str, outs: int, kernel: int, stride: int, groups: int = 1) -> Symbol:
        x = conv(x, name + "_conv2d", outs, kernel, stride, num_group=groups)
        return relu(bn(x, name + "_batchnorm"), name + "_relu")

    def make(x: Symbol) -> Symbol:
        width = int(32 * scale)
        x = step(x, "conv_1", width, 3, 2)
        plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
        for k, (outs, stride) in enumerate(plan, 2):
            x = step(x, f"conv_{k}_dw", width, 3, stride, width)
            width = int(outs * scale)
            x = step(x, f"conv_{k}", width, 1, 1)
        return classify(x)

    return make


def squeeze(x: Symbol) -> Symbol:
    def layer(y: Symbol, name: str, outs: int, kernel: int) -> Symbol:
        return relu(conv(y, name, outs, kernel, no_bias=False), "relu_" + name)

    x = relu(conv(x, "conv1", 64, 3, 2, 0, no_bias=False), "relu_conv1")
    for k, inner in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        if k in {2, 4, 6}:
            x = pool(x, f"pool{k - 1}", 3, 2, 0, pooling_convention="full")
        x = layer(x, f"fire{k}_squeeze1x1", inner, 1)
        ways = [layer(x, f"fire{k}_expand{n}x{n}", 4 * inner, n) for n in (1, 3)]
        x = mx.sym.Concat(*ways, name=f"fire{k}_concat")
    x = mx.sym.Dropout(x, p=0.5, name="drop9")
    x = layer(x, "conv10", 1000, 1)
    x = mx.sym.Pooling(x, global_pool=True, kernel=(13, 13), pool_type="avg", name="pool10")
    return mx.sym.SoftmaxOutput(mx.sym.Flatten(x, name="flatten"), name="softmax")


def vgg(depths: list[int]) -> Callable:
    def make(x: Symbol) -> Symbol:
        for i, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512, 512)), 1):
            for j in range(1, depth + 1):
                x = relu(conv(x, f"conv{i}_{j}", width, 3, no_bias=False), f"relu{i}_{j}")
            x = pool(x, f"pool{i}", 2, 2, 0)
        x = mx.sym.Flatten(x, name="flatten_0")
        for k in (6, 7):
            x = relu(mx.sym.FullyConnected(x, num_hidden=4096, name=f"fc{k}"), f"relu{k}")
            x = mx.sym.Dropout(x, p=0.5, name=f"drop{k}")
        return mx.sym.SoftmaxOutput(
            mx.sym.FullyConnected(x, num_hidden=1000, name="fc8"), name="prob", label=mx.sym.var(LABEL)
        )

    return make


def autoencoder(x: Symbol) -> Symbol:
    """Return the stacked autoencoder: what encodes and what decodes has the same shapes, turned round."""
    for k, width in enumerate((64, 64, 16)):
        x = relu(mx.sym.FullyConnected(x, num_hidden=width, name=f"encoder_{k}"), f"encoder_act_{k}")
    for k, width in enumerate((64, 64, 64)):
        x = mx.sym.FullyConnected(x, num_hidden=width, name=f"decoder_{2 - k}")
        x = relu(x, f"decoder_act_{2 - k}") if k < 2 else x
    return mx.sym.LinearRegressionOutput(x, mx.sym.var(LABEL), name="loss")


IMAGE = (1, 3, 224, 224)
SYMBOLS: dict[str, tuple[Callable, tuple[int, ...]]] = {
    "mlp": (mlp, (4, 784)),
    "lenet": (lenet, (2, 1, 28, 28)),
    "autoencoder": (autoencoder, (4, 64)),
    "resnet18": (preactivation([2, 2, 2, 2], [64, 128, 256, 512], False), IMAGE),
    "resnet34": (preactivation([3, 4, 6, 3], [64, 128, 256, 512], False), IMAGE),
    "resnet50": (preactivation([3, 4, 6, 3], [256, 512, 1024, 2048], True), IMAGE),
    "resnet101": (preactivation([3, 4, 23, 3], [256, 512, 1024, 2048], True), IMAGE),
    "caffe18": (caffe([2, 2, 2, 2], False), IMAGE),
    "caffe34": (caffe([3, 4, 6, 3], False), IMAGE),
    "caffe50": (caffe([3, 4, 6, 3], True), IMAGE),
    "caffe101": (caffe([3, 4, 23, 3], True), IMAGE),
    "densenet121": (dense([6, 12, 24, 16]), IMAGE),
    "mobilenet": (mobile(1.0), IMAGE),
    "mobilenet05": (mobile(0.5), IMAGE),
    "squeezenet": (squeeze, IMAGE),
    "vgg11": (vgg([1, 1, 2, 2, 2]), IMAGE),
    "vgg16": (vgg([2, 2, 3, 3, 3]), IMAGE),
}
