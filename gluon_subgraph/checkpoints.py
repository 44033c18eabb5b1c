"""load: a pair of files as a SubgraphBlock, with all that the graph notes of how it learns; one alone as arrays."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

import mxnet as mx

from .block import SubgraphBlock
from .errors import SubgraphError, kind_of, shorten
from .extraction import extract
from .file_arguments import checked_epoch
from .graph import Graph, Node
from .interface import Interface, interface_of
from .lazy_values import LazyValues
from .losses import label_variables
from .missing_operators import check_whole
from .network import Network
from .readers import load_checkpoint_files
from .safetensors_file import SAFETENSORS_INDEX
from .value_files import open_values_file

__all__ = ["files_of", "load"]

_SYMBOL, _EPOCH = "-symbol.json", re.compile(r"-\d{4,}\.params")


def load(path: Any, epoch: int | None = None, *, params: Any = None) -> SubgraphBlock | LazyValues:
    """Load the network of a symbol file and a parameter file, or the arrays of a file without a symbol.

    Parameters
    ----------
    path : str or path
        What `SubgraphBlock.save`, `export` or ``save_checkpoint`` was called with, or the symbol file itself. Else a
        file of arrays: ``.params``, ``.npz`` or ``.safetensors``, known by its content; or a HuggingFace folder.
    epoch : int, default None
        Which parameter file, ``path-0003.params`` for 3; None takes the only one there is.
    params : str or path, default None
        The parameter file, of any of these formats, where its name does not follow from `path`.

    Returns
    -------
    SubgraphBlock, or mapping of str to array
        A mapping for a file of arrays: it knows their names, shapes and dtypes, and reads an array when it is asked
        for, as a NumPy array that cannot be written (bfloat16 as float32), or an NDArray where it is sparse. It may
        be the `source` of `bind_params`.

        A block otherwise, with the Parameters' values, ``grad_req``, multipliers and dtypes as they were saved; what
        was frozen is frozen, and `unfreeze` still knows what it was before. Its inputs and the structure of its
        outputs are those of the block that was saved; of a file that does not note them, all variables without a
        value but labels.

    Raises
    ------
    SubgraphError
        A file is missing, damaged, pickled or of an unknown format; there are several parameter files, or the one
        lacks values of the symbol; both `epoch` and `params` are given, or one of them with a file of arrays;
        `epoch` is no number of an epoch. Nothing was loaded then.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx, tempfile, os
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Dense(4, in_units=3), mx.gluon.nn.Dense(2, in_units=4))
    >>> net.initialize()
    >>> piece = gs.extract(net, "data", "dense0_fwd")
    >>> names = gs.freeze(piece)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = piece.save(os.path.join(folder, "piece"))
    ...     loaded = gs.load(os.path.join(folder, "piece"))
    >>> [p.grad_req for p in loaded.collect_params().values()]
    ['null', 'null']

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     piece.save_parameters(os.path.join(folder, "piece.safetensors"))
    ...     arrays = gs.load(os.path.join(folder, "piece.safetensors"))
    ...     arrays["weight"].shape
    (4, 3)
    """
    symbol_file, values_file = files_of(path, epoch, params)
    if symbol_file is None:
        return open_values_file(values_file)  # type: ignore[arg-type]  # one of the two is there
    symbol, values = load_checkpoint_files(symbol_file, values_file)  # type: ignore[arg-type]  # and here both
    network = Network.of((symbol.as_np_ndarray() if mx.util.is_np_array() else symbol, values, {}))
    check_whole(network.graph, network.title)
    return _block_of(network)


def files_of(
    path: Any, epoch: int | None = None, params: Any = None, *, needs_values: bool = True
) -> tuple[str | None, str | None]:
    """Return the symbol file that `load` reads and the file of arrays; None for the one that there is not.

    Without `needs_values` there may be no file of arrays beside a symbol file.

    Raises
    ------
    SubgraphError
        A path is none, or leads to nothing; there are several parameter files; both `epoch` and `params` are given,
        or one of them with a file of arrays; `epoch` is no number of an epoch.
    """
    values_file = _values_file(path)
    if values_file is not None:
        _check_alone(values_file, epoch, params)
        return None, values_file
    symbol_file, stem = _symbol_file(path)
    if params is not None:
        if epoch is not None:
            msg = (
                f"epoch={epoch!r} and params={params!r} each name a parameter file.\n"
                "  Leave out the one that is not meant; nothing was loaded."
            )
            raise SubgraphError(msg)
        return symbol_file, _checked_path(params, "params")
    return symbol_file, _params_file(stem, epoch, needs_values)


def _block_of(network: Network) -> SubgraphBlock:
    """Return the whole of a network as a block, with the interface that its graph notes if it does."""
    graph = network.graph
    noted = interface_of(graph)
    if noted is None or any(node.name not in network.parameters for node in _others(graph, noted)):
        labels = label_variables(graph)
        data = [graph.nodes[i].name for i in sorted(network.data) if i not in labels]
        names = [network.names.output_name(entry) for entry in graph.outputs]
        return extract(network, data, names[0] if len(names) == 1 else names)
    auxiliary = frozenset(network.symbol.list_auxiliary_states())
    params = {
        node.name: network.parameters.parameter_of(node, is_auxiliary=node.name in auxiliary, is_np=network.is_np)
        for node in _others(graph, noted)
    }
    return SubgraphBlock._of(network.symbol, noted.input_names, params, noted.out_format, graph, network.prefix)


def _others(graph: Graph, noted: Interface) -> list[Node]:
    """Return the variables that are no inputs."""
    return [node for _, node in graph.variables() if node.name not in noted.input_names]


def _checked_path(path: Any, what: str) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        msg = f"{what}={path!r} is a {kind_of(path)}, no path.\n  Give a file name; nothing was loaded."
        raise SubgraphError(msg) from None


def _values_file(path: Any) -> str | None:
    """Return the file or folder of arrays that is meant, None where it is a network with a symbol."""
    given = _checked_path(path, "path")
    if given.endswith(SAFETENSORS_INDEX):
        return given
    if given.endswith(".json") or os.path.isfile(given + _SYMBOL):
        return None
    return given if os.path.exists(given) else None


def _check_alone(path: str, epoch: Any, params: Any) -> None:
    for name, value in (("epoch", epoch), ("params", params)):
        if value is not None:
            msg = (
                f"{path!r} is a file of arrays, which {name}={value!r} does not go with.\n"
                f"  Give the symbol file first, or leave {name} out; nothing was loaded."
            )
            raise SubgraphError(msg)


def _symbol_file(path: Any) -> tuple[str, str]:
    """Return the symbol file that is meant, and what the name of its parameter file begins with."""
    given = _checked_path(path, "path")
    if given.endswith(".json"):
        return given, given[: -len(_SYMBOL)] if given.endswith(_SYMBOL) else given[: -len(".json")]
    if not os.path.isfile(given + _SYMBOL):
        there = sorted(glob.glob(glob.escape(os.path.dirname(given) or ".") + "/*" + _SYMBOL))
        beside = f" Beside it are {shorten(there)}." if there else ""
        msg = (
            f"there is no symbol file {given + _SYMBOL!r}.{beside}\n"
            "  A parameter file alone has no graph: load(file) reads it, bind_params(net, file) sets it.\n"
            "  Give what the network was saved as, the symbol file, or a file of arrays; nothing was loaded."
        )
        raise SubgraphError(msg)
    return given + _SYMBOL, given


def _params_file(stem: str, epoch: int | None, is_needed: bool) -> str | None:
    if epoch is not None:
        number = checked_epoch(epoch, done="loaded")
        return f"{stem}-{number:04d}.params"
    found = sorted(name for name in glob.glob(glob.escape(stem) + "-*.params") if _EPOCH.fullmatch(name[len(stem) :]))
    if len(found) == 1:
        return found[0]
    if not found and not is_needed:
        return None
    wrong = (
        f"there are {len(found)} parameter files: {shorten(found)}" if found else f"no file {stem + '-0000.params'!r}"
    )
    msg = f"{wrong}.\n  Give epoch=, or the file itself as params=; nothing was loaded."
    raise SubgraphError(msg)
