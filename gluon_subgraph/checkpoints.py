"""load: a pair of files as a SubgraphBlock, with all that the graph notes of how it learns."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from .block import SubgraphBlock
from .errors import SubgraphError, kind_of, shorten
from .extraction import extract
from .interface import interface_of
from .losses import label_variables
from .network import Network

__all__ = ["load"]

_SYMBOL, _EPOCH = "-symbol.json", re.compile(r"-(\d{4,})\.params$")


def load(path: Any, epoch: int | None = None, *, params: Any = None) -> SubgraphBlock:
    """Load the network of a symbol file and a parameter file.

    Parameters
    ----------
    path : str or path
        What `SubgraphBlock.save`, `export` or ``save_checkpoint`` was called with, or the symbol file itself.
    epoch : int, default None
        Which parameter file, ``path-0003.params`` for 3; None takes the only one there is.
    params : str or path, default None
        The parameter file, where its name does not follow from `path`.

    Returns
    -------
    SubgraphBlock
        With the Parameters' values, ``grad_req``, multipliers and dtypes as they were saved; what was frozen is
        frozen, and `unfreeze` still knows what it was before. Its inputs and the structure of its outputs are those
        of the block that was saved; of a file that does not note them, all variables without a value but labels.

    Raises
    ------
    SubgraphError
        A file is missing or damaged; there are several parameter files. Nothing was loaded then.

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
    """
    symbol_file, stem = _symbol_file(path)
    params_file = _checked_path(params, "params") if params is not None else _params_file(stem, epoch)
    network = Network.of((symbol_file, params_file))
    graph = network.graph
    noted = interface_of(graph)
    labels = label_variables(graph)
    data = [graph.nodes[i].name for i in sorted(network.data) if i not in labels]
    names = [network.names.output_name(entry) for entry in graph.outputs]
    outputs: Any = names[0] if noted is None and len(names) == 1 else names
    block = extract(network, list(noted.input_names) if noted else data, outputs)
    if noted:
        block._out_format = noted.out_format
    return block


def _checked_path(path: Any, what: str) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        msg = f"{what}={path!r} is a {kind_of(path)}, no path.\n  Give a file name; nothing was loaded."
        raise SubgraphError(msg) from None


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
            "  A parameter file alone has no graph: load it into a network with bind_params(net, file).\n"
            "  Give what the network was saved as, or the symbol file; nothing was loaded."
        )
        raise SubgraphError(msg)
    return given + _SYMBOL, given


def _params_file(stem: str, epoch: int | None) -> str:
    if epoch is not None:
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
            msg = f"epoch={epoch!r} is no number of an epoch.\n  Give 0 or more, or leave it out; nothing was loaded."
            raise SubgraphError(msg)
        return f"{stem}-{epoch:04d}.params"
    found = sorted(name for name in glob.glob(glob.escape(stem) + "-*.params") if _EPOCH.search(name[len(stem) :]))
    if len(found) == 1:
        return found[0]
    wrong = (
        f"there are {len(found)} parameter files: {shorten(found)}" if found else f"no file {stem + '-0000.params'!r}"
    )
    msg = f"{wrong}.\n  Give epoch=, or the file itself as params=; nothing was loaded."
    raise SubgraphError(msg)
