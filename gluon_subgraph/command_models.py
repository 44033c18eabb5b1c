"""MODEL, TARGET and SOURCE: the files that are meant, what is read of them, and that none of them is overwritten."""

from __future__ import annotations

import glob
import os
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

import click
import mxnet as mx

from .block import SubgraphBlock
from .checkpoints import files_of
from .codec import graph_of_symbol
from .command_progress import Progress
from .errors import SubgraphError, nearest_names, shorten
from .listing import tensor_shapes
from .missing_operators import missing_in
from .network import Network
from .readers import load_symbol_file
from .renaming_files import check_belong
from .value_files import stored_arrays

__all__ = ["Model", "find_model", "check_not_read", "pair_of", "check_files_belong", "block_without_values"]

_SYMBOL, _NONE = "-symbol.json", "none"
# Names of one file, not of a pair; who writes such, where this command line does.
_WRITER_OF_ENDING = {".onnx": "onnx", **dict.fromkeys((".svg", ".png", ".pdf", ".dot", ".gv"), "plot")}
_OF_ONE_FILE = (".json", ".params", ".safetensors", ".npz", ".pt", ".pth", ".bin", *_WRITER_OF_ENDING)
# What `files_of` tells a caller in Python, whole phrases: a path may have parts that look like these.
_OPTIONS = [
    ("Give epoch=, or the file itself as params=;", "Give {0}epoch, or the file itself as {0}params;"),
    ("which epoch=", "which {0}epoch "),
    ("which params=", "which {0}params "),
    ("leave epoch out", "leave {0}epoch out"),
    ("leave params out", "leave {0}params out"),
]


class Model(NamedTuple):
    """The files of a network: a symbol file, a file of arrays, or both."""

    symbol_file: str | None
    values_file: str | None

    def network(self, progress: Progress) -> Any:
        """Return the network as the package takes it, no array read yet; a Symbol where there are no arrays.

        Raises
        ------
        SubgraphError
            There is no symbol file, or a file cannot be read.
        """
        if self.symbol_file is None:
            msg = (
                f"{self.values_file!r} holds arrays, and no graph.\n"
                "  Give the symbol file, or what both files begin with; nothing was read."
            )
            raise SubgraphError(msg)
        symbol = load_symbol_file(self.symbol_file, in_part=True)
        if self.values_file is None:
            return symbol
        values = progress.opened(self.values_file, in_part=True)
        if not missing_in(graph_of_symbol(symbol)):  # else all of its parameters may be those of missing operators
            check_files_belong(self, symbol, values)
        return symbol, stored_arrays(values), {}

    def source(self, progress: Progress) -> Any:
        """Return what weights are taken from: with its graph where there is a symbol file.

        Raises
        ------
        SubgraphError
            A file cannot be read.
        """
        values = None if self.values_file is None else progress.opened(self.values_file)
        if self.symbol_file is None:
            return values
        symbol = load_symbol_file(self.symbol_file)
        if values is None:
            return symbol
        check_files_belong(self, symbol, values)
        return symbol, values, {}

    def named(self) -> list[str]:
        """Return the files that are read."""
        return [path for path in self if path is not None]

    def files(self) -> list[str]:
        """Return every file that belongs to it, those of a folder or of a list of files too."""
        found = self.named()
        for path in list(found):
            folder = path if os.path.isdir(path) else os.path.dirname(path) if path.endswith(".index.json") else None
            if folder is not None:
                found += glob.glob(os.path.join(glob.escape(folder or "."), "*"))
        return found


def find_model(
    path: str, epoch: int | None = None, params: str | None = None, *, side: str = "", needs_values: bool = True
) -> Model:
    """Return the files that are meant; without `needs_values` the symbol file alone will do.

    Raises
    ------
    SubgraphError
        There are none such, or several parameter files; in the words of the options of this `side`.
    """
    prefix = f"--{side}-" if side else "--"
    if epoch is not None and params is not None:
        msg = f"{prefix}epoch and {prefix}params both say which parameter file is meant. Leave one out."
        raise click.UsageError(msg)
    if params == _NONE and needs_values:
        msg = f"{prefix}params {_NONE} says that there are no values, and they are needed here. Give a file."
        raise click.UsageError(msg)
    try:
        found = Model(*files_of(path, epoch, params, needs_values=needs_values))
        if params == _NONE:
            found = found._replace(values_file=None)
        for file in found.named():
            _check_there(file)
        return found
    except SubgraphError as error:
        text = str(error)
        for words, option in _OPTIONS:
            text = text.replace(words, option.format(prefix))
        first, _, rest = text.partition("\n")
        msg = f"{first}\n{_nearest(path)}{rest}"
        raise SubgraphError(msg) from None


def _check_there(file: str) -> None:
    if not os.path.exists(file):
        msg = f"no file {file!r}.\n{_nearest(file)}  Give the path of an existing file; nothing was read."
        raise SubgraphError(msg)


def _nearest(path: str) -> str:
    """Return a line with the names spelled most like `path` in its folder, where there is nothing so called."""
    folder, base = os.path.split(path)
    if os.path.exists(path) or os.path.isfile(path + _SYMBOL) or not os.path.isdir(folder or "."):
        return ""
    there = [os.path.basename(name) for name in glob.glob(os.path.join(glob.escape(folder), "*"))]
    names = [name[: -len(_SYMBOL)] if name.endswith(_SYMBOL) and not base.endswith(".json") else name for name in there]
    near = nearest_names(base, sorted(names))
    return f"  Nearest: {shorten([os.path.join(folder, name) for name in near])}.\n" if near else ""


def pair_of(out: str, epoch: int = 0, *, also: Sequence[str] = ()) -> list[str]:
    """Return the two files that OUT stands for, the symbol file first.

    Raises
    ------
    SubgraphError
        OUT looks like the name of one file; where it may be, `also` are the endings of such a name.
    """
    if out.endswith(_OF_ONE_FILE) and not out.endswith(_SYMBOL):
        base, ending = os.path.splitext(out)
        writer = f"  `gluon-subgraph {_WRITER_OF_ENDING[ending]}` writes that.\n" if ending in _WRITER_OF_ENDING else ""
        alone = f", or a name that ends in {' or '.join(also)} for the parameters alone" if also else ""
        msg = (
            f"{out!r} is the name of one file, and two are written.\n{writer}"
            f"  Give what both begin with: {base!r} for {base + _SYMBOL!r} and the parameters{alone};"
            " nothing was written."
        )
        raise SubgraphError(msg)
    base = out[: -len(_SYMBOL)] if out.endswith(_SYMBOL) else out
    return [base + _SYMBOL, f"{base}-{epoch:04d}.params"]


def check_not_read(written: Sequence[str], *read: Model) -> None:
    """Refuse to overwrite a file that is read, under whatever name.

    Raises
    ------
    SubgraphError
        One of `written` is such a file.
    """
    for model in read:
        for file in model.files():
            for out in written:
                if os.path.realpath(out) == os.path.realpath(file) or _is_same(out, file):
                    msg = f"{out!r} would overwrite {file!r}, which is read.\n  Give another name; nothing was written."
                    raise SubgraphError(msg)


def _is_same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def check_files_belong(model: Model, symbol: mx.sym.Symbol, keys: Iterable[str]) -> None:
    """Refuse a symbol file and a parameter file of which one names no variable of the other.

    Raises
    ------
    BindingError
        They are such files.
    """
    way = (
        "Give a file that goes by the names of variables, as export writes it. One of save_parameters goes by blocks:"
        " `gluon-subgraph bind SYMBOL_FILE THAT_FILE OUT` finds what belongs to what; nothing was written."
    )
    check_belong(str(model.symbol_file), symbol.list_inputs(), str(model.values_file), list(keys), way)


def block_without_values(symbol_file: str, shapes: Mapping[str, tuple[int, ...]]) -> SubgraphBlock:
    """Return the network of a symbol file alone, with Parameters that have no values yet, and the shapes that follow.

    Raises
    ------
    SubgraphError
        The file cannot be read; `shapes` names no input, or does not fit.
    """
    symbol = load_symbol_file(symbol_file)
    network = Network.of(symbol)
    nodes = network.graph.nodes
    block = SubgraphBlock(list(symbol), [mx.sym.var(nodes[i].name) for i in sorted(network.data)])
    if shapes:
        params = dict(block.collect_params().items())
        for entry, shape in tensor_shapes(network, shapes).items():
            if nodes[entry.node].name in params and 0 not in shape:
                params[nodes[entry.node].name].shape = shape
    return block
