"""Does everything there is to do with damaged files, one after the other, in a process that may die of it."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import contextlib
import faulthandler
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import mxnet as mx
import numpy as np
from fuzz_files import Damaged, damaged, wholes

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.graph import VARIABLE

SECONDS = 20  # a file that takes longer hangs
MEMORY = 2 * 2**30
SUFFIXES = {"symbol": ".params", "params": ".params", "safetensors": ".safetensors"}


def main(kind: str, first: int, last: int, folder: str) -> None:
    """Print a line of JSON for each file: its number and, by operation, "done", "refused" or what went wrong."""
    _limit_memory()
    for number in range(first, last):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        found = dict(verdicts(damaged(kind, number), Path(folder), SUFFIXES.get(kind, ".npz")))
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps({"number": number, "verdicts": found}), flush=True)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def verdicts(files: Damaged, folder: Path, suffix: str) -> Iterator[tuple[str, str]]:
    """Yield what each operation came to."""
    pair = str(folder / "net-symbol.json"), str(folder / f"net-0000{suffix}")
    Path(pair[0]).write_bytes(files.symbol)
    Path(pair[1]).write_bytes(files.values)
    for operation in OPERATIONS:
        for old in folder.glob("new*"):
            old.unlink()
        try:
            operation(pair, files, folder)
            yield operation.__name__, "done"
        except gs.SubgraphError as error:
            if not (len(str(error).splitlines()) >= 2 and "changed." in str(error) + "changed."):
                yield operation.__name__, f"refused badly: {error}"
            yield operation.__name__, "refused"
        except Exception as error:
            yield operation.__name__, f"{type(error).__name__}: {str(error)[-600:]}"
        mx.nd.waitall()


def read(pair: Any, files: Damaged, folder: Path) -> None:
    values = gs.load(pair[1])
    for name, header in values.headers.items():
        array = values[name]
        assert header.shape is None or tuple(array.shape) == tuple(header.shape), name
    if files.arrays is not None:
        found = {name.partition(":")[2] or name: values[name] for name in values}
        for name in files.arrays:
            assert name not in found and not files.arrays[name].size or _bits(found[name]) == _bits(files.arrays[name])


def list_nodes(pair: Any, files: Damaged, folder: Path) -> None:
    nodes = gs.list_nodes(pair)
    assert repr(nodes)
    wanted, found = _operator_count(files.symbol), sum(node.op != "input" for node in nodes)
    assert wanted in (None, found), (wanted, found)


def list_shapes(pair: Any, files: Damaged, folder: Path) -> None:
    assert repr(gs.list_nodes(pair, shapes={"data": files.shape}))


def extract(pair: Any, files: Damaged, folder: Path) -> None:
    """Cut every operator out by itself, and everything up to the last."""
    nodes = [node for node in gs.list_nodes(pair) if node.op != "input"]
    inputs = [node.name for node in gs.list_nodes(pair) if node.op == "input"]
    with contextlib.suppress(gs.SubgraphError):
        _check_piece(gs.extract(pair, inputs[:1], list(nodes[-1].outputs if nodes else inputs), open_cut="add"), files)
    for node in nodes:
        with contextlib.suppress(gs.SubgraphError):
            _check_piece(gs.extract(pair, list(node.inputs), list(node.outputs), open_cut="add"), files)


def match(pair: Any, files: Damaged, folder: Path) -> None:
    whole = _whole_of(files)
    assert repr(gs.match_params(whole, pair))
    assert repr(gs.match_params(pair, whole))
    assert repr(gs.match_params(pair[1], whole))


def bind(pair: Any, files: Damaged, folder: Path) -> None:
    symbol, arrays, _ = _whole_of(files)
    places = {name: mx.nd.zeros(array.shape, dtype=array.dtype) for name, array in arrays.items()}
    allowed = {"allow_missing": True, "ignore_extra": True, "on_shape_mismatch": "skip", "cast_dtype": True}
    binding = gs.bind_params((symbol, places, {}), pair, **allowed)
    values = gs.load(pair[1])
    keys = {name.partition(":")[2] or name: name for name in values}
    for target, source in binding.mapping.items():
        wanted = values[keys.get(source, source)]
        wanted = wanted.asnumpy() if isinstance(wanted, mx.nd.NDArray) else wanted
        if binding.transforms[target] == "same" and wanted.dtype == places[target].dtype:
            assert places[target].asnumpy().tobytes() == wanted.tobytes(), target


def load_and_save(pair: Any, files: Damaged, folder: Path) -> None:
    block = gs.load(pair[0], params=pair[1])
    _check_piece(block, files)
    block.save(str(folder / "new"))
    again = gs.load(str(folder / "new"))
    assert outline(again.symbol) == outline(block.symbol)
    values, values_again = ({n: _bits(p.data()) for n, p in b.params.items()} for b in (block, again))
    assert values == values_again


def rename_dry(pair: Any, files: Damaged, folder: Path) -> None:
    gs.rename(pair, "x_", dry_run=True)
    assert not list(folder.glob("new*"))


def rename_files(pair: Any, files: Damaged, folder: Path) -> None:
    renamed = gs.rename(pair, lambda name: name[::-1] + "_", out=str(folder / "new"))
    back = gs.rename(renamed.net, renamed.inverse, out=str(folder / "newer"))
    one, other = gs.load(pair[1]), gs.load(back.net[1])
    assert {n: _bits(one[n]) for n in one} == {n: _bits(other[n]) for n in other}
    assert outline(mx.sym.load(back.net[0])) == outline(gs.extraction.Network.of(pair).symbol)


OPERATIONS: tuple[Callable[..., None], ...] = (
    *(read, list_nodes, list_shapes, extract, match, bind, load_and_save, rename_dry, rename_files),
)


def _whole_of(files: Damaged) -> Any:
    whole = next(whole for whole in wholes() if whole.shape == files.shape)
    variables = mx.sym.load_json(whole.symbol).list_inputs()
    return mx.sym.load_json(whole.symbol), {n: a for n, a in whole.arrays.items() if n in variables}, {}


def _check_piece(piece: gs.SubgraphBlock, files: Damaged) -> None:
    assert len(piece.graph) > 0
    assert repr(piece)
    for name, parameter in piece.params.items():
        if files.arrays is not None and name in files.arrays:
            assert _bits(parameter.data()) == _bits(files.arrays[name]), name


def _bits(array: Any) -> Any:
    array = array.asnumpy() if isinstance(array, mx.nd.NDArray) else array
    return str(array.dtype), tuple(array.shape), array.tobytes()


def outline(symbol: Any) -> Any:
    graph = graph_of_symbol(symbol)
    return [(n.op, n.name, n.inputs, n.outputs) for n in graph.nodes], graph.outputs


def _operator_count(text: bytes) -> int | None:
    """Return how many operators the heads of Symbol JSON need; None where MXNet upgrades or lacks some."""
    data = json.loads(text)
    known = set(mx.operator.get_all_registered_operators())
    version = data.get("attrs", {}).get("mxnet_version")
    if version != ["int", 10901] or any(node["op"] not in (VARIABLE, *known) for node in data["nodes"]):
        return None
    needed, waiting = set(), [head[0] for head in data["heads"]]
    while waiting:
        number = waiting.pop()
        if number not in needed:
            needed.add(number)
            waiting += [entry[0] for entry in data["nodes"][number]["inputs"]]
    return sum(data["nodes"][i]["op"] != VARIABLE for i in needed)


if __name__ == "__main__":
    os.environ["MXNET_SUBGRAPH_VERBOSE"] = "0"
    np.seterr(all="ignore")
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
