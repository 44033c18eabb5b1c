"""Files of arrays in every format that is read."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from pathlib import Path
from typing import Any, Callable

import mxnet as mx
import numpy as np
import safetensors.numpy

from gluon_subgraph.value_files import save_safetensors


def numpy_of(net: Any) -> dict[str, Any]:
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


def save_params(path: Path, arrays: dict[str, Any]) -> None:
    mx.nd.waitall()
    mx.nd.save(str(path), {name: mx.nd.array(a, dtype=a.dtype) for name, a in arrays.items()})


def save_npz(path: Path, arrays: dict[str, Any]) -> None:
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def save_compressed(path: Path, arrays: dict[str, Any]) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def save_by_safetensors(path: Path, arrays: dict[str, Any]) -> None:
    safetensors.numpy.save_file(arrays, str(path))


def save_here(path: Path, arrays: dict[str, Any]) -> None:
    save_safetensors(str(path), {name: mx.nd.array(a, dtype=a.dtype) for name, a in arrays.items()})


SAVES: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "params": save_params,
    "npz": save_npz,
    "npz compressed": save_compressed,
    "safetensors": save_by_safetensors,
    "safetensors written here": save_here,
}
