"""What has to stay the same: the state of a network, and of the interpreter."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import mxnet as mx
import numpy as np
from mxnet import gluon

PACKAGE_PARENT = str(Path(gluon_subgraph.__file__).resolve().parents[1])


def snapshot(net: Any) -> Any:
    """Return all of a network that an extraction must leave alone, as values that compare."""
    if isinstance(net, gluon.Block):
        return {"blocks": [_block_state(b) for b in _blocks(net)], "parameters": _parameters_state(net)}
    if isinstance(net, mx.sym.Symbol):
        return net.tojson(remove_amp_cast=False)
    if isinstance(net, (list, tuple)):
        return [snapshot(part) for part in net]
    if isinstance(net, dict):
        return {key: snapshot(value) for key, value in net.items()}
    if isinstance(net, mx.nd.NDArray):
        return id(net), net.asnumpy().tobytes(), _gradient(net), str(net.context)
    if isinstance(net, np.ndarray):
        return id(net), net.tobytes()
    if isinstance(net, Path) or (isinstance(net, str) and Path(net).is_file()):
        return Path(net).read_bytes()
    return net


def _gradient(array: mx.nd.NDArray) -> Any:
    grad = array.grad  # a new object at each look
    return None if grad is None else grad.asnumpy().tobytes()


def _blocks(net: gluon.Block) -> list[gluon.Block]:
    found, stack = [], [net]
    while stack:
        block = stack.pop()
        found.append(block)
        stack.extend(block._children.values())
    return found


def _block_state(block: gluon.Block) -> Any:
    cached = getattr(block, "_cached_graph", ())
    return (
        id(block),
        block.prefix,
        block.name,
        [(name, id(child)) for name, child in block._children.items()],
        [(key, id(hook)) for key, hook in block._forward_hooks.items()],
        [(key, id(hook)) for key, hook in block._forward_pre_hooks.items()],
        [id(part) for part in cached],
        cached[1].tojson(remove_amp_cast=False) if cached else "",
        id(getattr(block, "_cached_op", None)),
        str(getattr(block, "_in_format", None)),
        getattr(block, "_active", None),
        list(getattr(block, "_flags", ())),
        dict(block._scope._counter),
        [(name, id(parameter)) for name, parameter in block._reg_params.items()],
        sorted(block.__dict__),
    )


def _parameters_state(net: gluon.Block) -> Any:
    return [
        (
            key,
            id(p),
            p.name,
            p.shape,
            np.dtype(p.dtype).name,
            p.grad_req,
            (p.lr_mult, p.wd_mult, p._stype, p._grad_stype),
            [(id(a), a.asnumpy().tobytes(), _gradient(a)) for a in p._data or ()],
            bool(p._deferred_init),
        )
        for key, p in net.collect_params().items()
    ]


def _global_state() -> Any:
    manager = mx.name.NameManager._current
    return (
        id(getattr(manager, "value", None)),
        dict(manager.value._counter) if hasattr(manager, "value") else None,
        dict(mx.AttrScope._current.value._attr) if hasattr(mx.AttrScope._current, "value") else None,
        id(getattr(gluon.block._BlockScope._current, "value", None)),
        mx.util.is_np_array(),
        mx.util.is_np_shape(),
        mx.autograd.is_recording(),
        mx.autograd.is_training(),
        sys.getrecursionlimit(),
    )


@contextmanager
def unchanged(*nets: Any) -> Iterator[None]:
    """Check that the block of code changes neither the networks nor anything global."""
    for net in nets:
        if isinstance(net, gluon.Block):
            net.collect_params()  # a first call may make an attribute of its own
    before = snapshot(nets), _global_state()
    yield
    assert (snapshot(nets), _global_state()) == before


def run_alone(code: str, *arguments: str, timeout: float = 120) -> str:
    """Run `code` in an interpreter of its own and return what it prints; fail if it does not end well."""
    header = f"import sys; sys.path.insert(0, {PACKAGE_PARENT!r})\nimport gluon_subgraph as gs\nimport mxnet as mx\n"
    done = subprocess.run(
        [sys.executable, "-c", header + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
