"""Damaged files by number, and the networks they were made from."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import functools
import json
import random
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np
from array_files import SAVES
from fuzz_damage import BYTE_CHANGES, JSON_CHANGES

KINDS = ("symbol", "params", "npz", "npz compressed", "safetensors")


class Damaged(NamedTuple):
    """A pair of files as bytes, and what is known of the arrays: their values, where only numbers were changed."""

    symbol: bytes
    values: bytes
    shape: tuple[int, ...]  # of the input
    how: str
    arrays: dict[str, Any] | None


class Whole(NamedTuple):
    """A pair of files before it is damaged."""

    symbol: str
    arrays: dict[str, Any]
    shape: tuple[int, ...]


def _layers(x: mx.sym.Symbol) -> mx.sym.Symbol:
    x = mx.sym.Dropout(mx.sym.FullyConnected(x, num_hidden=4, name="A"), p=0.5, name="drop")
    x = mx.sym.FullyConnected(mx.sym.BatchNorm(x, fix_gamma=False, name="B"), num_hidden=6, name="C")
    one, two = mx.sym.SliceChannel(x, num_outputs=2, name="D")
    x = mx.sym.concat(mx.sym.elemwise_add(one, two, name="E"), mx.sym.LayerNorm(one, name="F"), dim=1, name="G")
    found = mx.sym.Embedding(mx.sym.argmax(x, axis=1, name="H"), input_dim=6, output_dim=6, name="I")
    best = mx.sym.topk(mx.sym.broadcast_mul(x, found, name="J"), k=2, ret_typ="both", name="K")
    return mx.sym.Group([mx.sym.SoftmaxOutput(x, mx.sym.var("label"), name="L"), best[1]])


def _image(x: mx.sym.Symbol) -> mx.sym.Symbol:
    x = mx.sym.Convolution(x, kernel=(3, 3), num_filter=4, num_group=2, pad=(1, 1), name="A")
    x = mx.sym.Pooling(mx.sym.LRN(x, nsize=3, name="B"), kernel=(2, 2), stride=(2, 2), pool_type="avg", name="C")
    x = mx.sym.InstanceNorm(mx.sym.L2Normalization(x, name="D"), name="E")
    x = mx.sym.UpSampling(mx.sym.GroupNorm(x, num_groups=2, name="F"), scale=2, sample_type="nearest", name="G")
    x = mx.sym.Deconvolution(x, kernel=(2, 2), stride=(2, 2), num_filter=2, name="H")
    x = mx.sym.slice_axis(mx.sym.pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1), name="I"), 2, 1, 5, name="J")
    x = mx.sym.transpose(mx.sym.tile(x, reps=(1, 2, 1, 1), name="K"), axes=(0, 2, 1, 3), name="M")
    x = mx.sym.reshape(mx.sym.repeat(x, repeats=2, axis=1, name="N"), shape=(0, -1), name="O")
    x = mx.sym.one_hot(mx.sym.pick(x, mx.sym.argmax(x, axis=1, name="P"), axis=1, name="Q"), depth=4, name="R")
    return mx.sym.LeakyReLU(mx.sym.FullyConnected(x, num_hidden=3, name="S"), act_type="leaky", name="T")


def _loops(x: mx.sym.Symbol) -> mx.sym.Symbol:
    weight, start = mx.sym.var("w", shape=(4,)), mx.sym.sum(x, axis=0, name="A")
    rows, _ = mx.sym.contrib.foreach(lambda row, s: (row * weight + s, s + row), x, start, name="B")
    _, found = mx.sym.contrib.while_loop(
        cond=lambda i, v: i < 3,
        func=lambda i, v: ([], [i + 1, mx.sym.broadcast_mul(v, weight)]),
        loop_vars=(mx.sym.sum(x, name="C") * 0, rows),
        max_iterations=5,
        name="D",
    )
    is_greater = mx.sym.sum(found[1], name="E") > 1
    return mx.sym.contrib.cond(is_greater, lambda: rows + 1, lambda: mx.sym.broadcast_add(rows, weight), name="F")


@functools.lru_cache(maxsize=None)
def wholes() -> tuple[Whole, ...]:
    """Return the networks that are damaged."""
    found = []
    for make, shape in ((_layers, (2, 4)), (_image, (2, 4, 8, 8)), (_loops, (3, 4))):
        draw = np.random.RandomState(0)
        with mx.name.NameManager():
            symbol = make(mx.sym.var("data"))
        shapes: dict[str, Any] = {"w": (4,)}
        if make is not _loops:  # MXNet infers no shapes through `cond`
            of_arguments, _, of_auxiliary = symbol.infer_shape(data=shape)
            shapes = dict(zip(symbol.list_arguments(), of_arguments))
            shapes.update(zip(symbol.list_auxiliary_states(), of_auxiliary))
        arrays = {n: draw.uniform(0.5, 1, s).astype("float32") for n, s in shapes.items() if n not in ("data", "label")}
        arrays.update(half=draw.rand(3).astype("float16"), whole=draw.randint(0, 9, (2, 2)), none=np.zeros((0, 2)))
        found.append(Whole(symbol.tojson(), arrays, shape))
    return tuple(found)


@functools.lru_cache(maxsize=None)
def file_of(place: int, kind: str) -> bytes:
    """Return the arrays of a network as a file."""
    arrays = wholes()[place].arrays
    if kind == "params":
        auxiliary = ("moving_mean", "moving_var")
        arrays = {("aux:" if n.endswith(auxiliary) else "arg:") + n: a for n, a in arrays.items() if a.size}
    with tempfile.TemporaryDirectory() as folder:
        SAVES[kind](Path(folder, "file"), arrays)
        return Path(folder, "file").read_bytes()


def damaged(kind: str, number: int) -> Damaged:
    """Return damaged pair `number` of a kind: the symbol file, or the file of arrays, of that format."""
    draw = random.Random(f"{kind} {number}")
    place = draw.randrange(len(wholes()))
    whole, values = wholes()[place], file_of(place, "params" if kind == "symbol" else kind)
    if kind != "symbol":
        if draw.random() < 0.15 and kind != "npz compressed":
            return _with_other_numbers(draw, whole, values)
        change = draw.choice(BYTE_CHANGES)
        return Damaged(whole.symbol.encode(), change(draw, values), whole.shape, change.__name__, None)
    if draw.random() < 0.3:
        change = draw.choice(BYTE_CHANGES)
        return Damaged(change(draw, whole.symbol.encode()), values, whole.shape, change.__name__, whole.arrays)
    data = json.loads(whole.symbol)
    changes = [draw.choice(JSON_CHANGES) for _ in range(draw.choice((1, 1, 1, 2, 3)))]
    for change_data in changes:
        change_data(draw, data)
    text = json.dumps(data).encode("utf-8", "surrogatepass")
    return Damaged(text, values, whole.shape, " and ".join(c.__name__ for c in changes), whole.arrays)


def _with_other_numbers(draw: random.Random, whole: Whole, values: bytes) -> Damaged:
    """Change nothing but numbers: what is read is these numbers."""
    name = draw.choice([n for n, array in whole.arrays.items() if array.dtype == np.float32])
    old = whole.arrays[name].tobytes()
    new = draw.getrandbits(8 * len(old)).to_bytes(len(old), "little")
    assert values.count(old) == 1
    arrays = {**whole.arrays, name: np.frombuffer(new, "float32").reshape(whole.arrays[name].shape)}
    return Damaged(whole.symbol.encode(), values.replace(old, new), whole.shape, "other_numbers", arrays)
