"""Calling the command line in this process, and the files it is called on."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any, NamedTuple

import gluon_subgraph as gs
from gluon_subgraph.command_line import main

# isort: split
import mxnet as mx
from mxnet.gluon import nn


class Called(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def call(*arguments: object, is_terminal: bool = False, out: Any = None, err: Any = None) -> Called:
    """Carry out a command; anything raised but the end of the process is passed on."""
    out, err = out or (_Terminal() if is_terminal else io.StringIO()), err or io.StringIO()
    status = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
    assert isinstance(status, int)
    return Called(status, *(stream.getvalue() if isinstance(stream, io.StringIO) else "" for stream in (out, err)))


def network(prefix: str = "n_", seed: int = 0) -> nn.HybridSequential:
    """Return a small convolutional network with a skip connection around two of its layers."""
    mx.random.seed(seed)
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, padding=1, in_channels=3), nn.BatchNorm(in_channels=4), nn.Activation("relu"))
        net.add(nn.Conv2D(6, 3, in_channels=4), nn.GlobalAvgPool2D(), nn.Dense(5, in_units=6))
    net.initialize(mx.init.Normal(0.5))
    return net


def saved(folder: Path, name: str = "net", **options: object) -> nn.HybridSequential:
    """Save a network as `name` in a folder, and return it."""
    net = network(**options)  # type: ignore[arg-type]
    gs.extract(net, "data", "dense0_fwd").save(str(folder / name))
    return net
