"""Part of a large checkpoint, from files in the page cache: ten arrays, and a piece with its arrays.

resnet152_v2 has 231 MB of parameters. What was read is compared with the network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Iterable, NamedTuple

import mxnet as mx
import numpy as np
import pytest
import rivals
from networks import IMAGE, zoo_network
from timing import clock

import gluon_subgraph as gs

pytestmark = pytest.mark.filterwarnings("ignore")

NETWORK, COUNT, ROUNDS = "resnet152_v2", 10, 7
START, END = "r_stage4__plus0", "r_stage4__plus1"  # a residual block near the end
SHAPE = (1, 2048, 7, 7)


class Files(NamedTuple):
    """A checkpoint in both formats, and ten of its arrays."""

    symbol: str
    params: str
    safetensors: str
    values: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any) -> Files:
    net = zoo_network(NETWORK)
    path = tmp_path_factory.mktemp("checkpoint") / "net"
    net.hybridize()
    net(mx.nd.zeros(IMAGE)).wait_to_read()
    net.export(str(path))
    params, safetensors = f"{path}-0000.params", f"{path}.safetensors"
    values = mx.nd.load(params)
    names = list(values)[5 :: len(values) // COUNT][:COUNT]
    return Files(f"{path}-symbol.json", params, safetensors, {name: values[name].asnumpy() for name in names})


@pytest.fixture(scope="module")
def safetensors(files: Files) -> str:
    numpy = pytest.importorskip("safetensors.numpy", reason="not installed: see README.md")
    numpy.save_file({name: value.asnumpy() for name, value in mx.nd.load(files.params).items()}, files.safetensors)
    return files.safetensors


def read_ours(path: str, names: Iterable[str]) -> list[Any]:
    """Return arrays of a file, in either format."""
    values = gs.load(path)
    return [values[name] for name in names]


def read_stock(path: str, names: Iterable[str]) -> list[Any]:
    """Return arrays of a file by reading all of it."""
    values = mx.nd.load(path)
    return [values[name].asnumpy() for name in names]


def read_safetensors(path: str, names: Iterable[str]) -> list[Any]:
    """Return arrays of a file that is mapped into memory."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return [file.get_tensor(name) for name in names]


def places(path: str, arrays: Iterable[np.ndarray]) -> list[tuple[int, np.ndarray]]:
    """Return where in a file each array stands, with the array."""
    content = Path(path).read_bytes()
    return [(content.index(array.tobytes()), array) for array in arrays]


def read_floor(path: str, found: Iterable[tuple[int, np.ndarray]]) -> list[Any]:
    """Return arrays whose places are known: nothing but the bytes."""
    with open(path, "rb", buffering=0) as file:
        return [
            np.fromfile(file, like.dtype, like.size, offset=place - file.tell()).reshape(like.shape)
            for place, like in found
        ]


def beside(call: Callable[[], Any]) -> Callable[[], float]:
    """Return what makes a call of ours and returns the seconds it took."""

    def seconds() -> float:
        start = clock()
        call()
        return clock() - start

    return seconds


@pytest.mark.parametrize("side", ["ours", "floor", "stock MXNet"])
def test_arrays(files: Files, side: str, measure: Any, benchmark: Any) -> None:
    path, names = files.params, list(files.values)
    found = places(path, files.values.values())
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: read_ours(path, names),
        "floor": lambda: read_floor(path, found),
        "stock MXNet": lambda: read_stock(path, names),
    }
    _measure_arrays(files, calls, side, measure, benchmark, path)


@pytest.mark.parametrize("side", ["ours", "floor", "safetensors"])
def test_safetensors(files: Files, safetensors: str, side: str, measure: Any, benchmark: Any) -> None:
    path, names = safetensors, list(files.values)
    found = places(path, files.values.values())
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: read_ours(path, names),
        "floor": lambda: read_floor(path, found),
        "safetensors": lambda: read_safetensors(path, names),
    }
    _measure_arrays(files, calls, side, measure, benchmark, path)


def _measure_arrays(
    files: Files, calls: dict[str, Callable[[], Any]], side: str, measure: Any, benchmark: Any, path: str
) -> None:
    """Time one side's way to read the ten arrays out of `path`, and look that it read them."""
    ours = None if side == "ours" else beside(calls["ours"])
    what = f"ten arrays, {Path(path).suffix}"
    arrays = measure(calls[side], ROUNDS, ours=ours, table="loading", what=what, side=side)
    assert all(map(np.array_equal, arrays, files.values.values()))
    benchmark.extra_info["megabytes"] = Path(path).stat().st_size / 2**20


def stock_piece(files: Files) -> Any:
    """Return the piece cut out of the Symbol's JSON, over values out of a file that is read whole."""
    block = rivals.plain_inner(mx.sym.load(files.symbol), None, START, END)
    values = {name.partition(":")[2]: value for name, value in mx.nd.load(files.params).items()}
    block.collect_params().load_dict(values, mx.cpu(), ignore_extra=True)
    mx.nd.waitall()
    return block


@pytest.mark.parametrize("side", ["ours", "floor", "stock MXNet"])
def test_piece(files: Files, side: str, measure: Any, benchmark: Any) -> None:
    """A block of the network, with its values, from the two files of a checkpoint."""

    def ours() -> Any:
        block = gs.extract((files.symbol, files.params), START, END)
        for parameter in block.collect_params().values():
            parameter.data().wait_to_read()
        return block

    piece, text = ours(), Path(files.symbol).read_text(encoding="utf-8")
    arrays = [parameter.data().asnumpy() for parameter in piece.collect_params().values()]
    found, piece_text = places(files.params, arrays), piece.symbol.tojson()
    calls: dict[str, Callable[[], Any]] = {
        "ours": ours,
        "floor": lambda: (json.loads(text), mx.sym.load_json(piece_text), read_floor(files.params, found)),
        "stock MXNet": lambda: stock_piece(files),
    }
    given = None if side == "ours" else beside(ours)
    result = measure(calls[side], ROUNDS, ours=given, table="loading", what="a piece, .params", side=side)
    benchmark.extra_info["megabytes"] = Path(files.params).stat().st_size / 2**20
    if side == "stock MXNet":
        x = mx.nd.random.uniform(shape=SHAPE)
        assert np.array_equal(result(x).asnumpy(), piece(x).asnumpy())
