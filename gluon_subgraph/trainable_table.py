"""The table of what learns in a network and what does not."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import numpy as np
from mxnet import gluon

from .block_tree import Owned, blocks_below, owned_parameters
from .norms import graph_of_block, norms_below
from .selecting import checked_block
from .tables import Table, shape_text

__all__ = ["trainable", "TrainableRow", "TrainableTable"]

_HEADERS = ["layer", "parameter", "shape", "dtype", "grad_req", "lr_mult", "wd_mult", "BatchNorm"]
_BATCH, _RUNNING, _BOTH = "batch statistics", "running statistics", "batch and running statistics"


class TrainableRow(NamedTuple):
    """One parameter: where it is, what it is, and how it learns.

    `layer` is the block path, or the node in a piece that knows none. `batch_norm` is what its BatchNorm normalises
    by in training mode, empty for other layers. A size that is not known yet is 0.
    """

    layer: str
    parameter: str
    shape: tuple[int, ...] | None
    dtype: str
    grad_req: str
    lr_mult: float
    wd_mult: float
    batch_norm: str


class TrainableTable(Sequence[TrainableRow]):
    """The rows of `trainable`, in order; prints as a table with totals."""

    def __init__(self, rows: Sequence[TrainableRow]) -> None:
        self._rows = tuple(rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: Any) -> bool:
        return self._rows == tuple(other) if isinstance(other, (TrainableTable, tuple, list)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._rows)

    @property
    def trainable_count(self) -> int:
        """Number of values that learn."""
        return sum(_size(row) for row in self._rows if row.grad_req != "null")

    @property
    def frozen_count(self) -> int:
        """Number of values that do not: frozen parameters, running statistics, constants."""
        return sum(_size(row) for row in self._rows if row.grad_req == "null")

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().html()

    def table(self) -> Table:
        """Return the rows as a table, the totals below."""
        rows = [
            [*row[:2], shape_text(row.shape), *row[3:5], f"{row.lr_mult:g}", f"{row.wd_mult:g}", row.batch_norm]
            for row in self._rows
        ]
        learning = sum(row.grad_req != "null" for row in self._rows)
        unknown = sum(row.shape is None or 0 in row.shape for row in self._rows)
        totals = (
            f"{learning} of {len(rows)} parameters learn: {self.trainable_count:,} values,"
            f" {self.frozen_count:,} do not" + (f"; the shapes of {unknown} are not known yet" if unknown else "")
        )
        return Table(_HEADERS, rows, numbers=[5, 6], below=[totals])


def trainable(net: gluon.Block) -> TrainableTable:
    """Return the table of the parameters of a network and of how they learn; nothing is changed.

    Parameters
    ----------
    net : Block
        Any Gluon block, traceable or not, initialised or not.

    Returns
    -------
    TrainableTable
        A row per parameter: layer, parameter, shape, dtype, grad_req, lr_mult, wd_mult, BatchNorm mode. Prints as a
        table with totals.

    Raises
    ------
    SubgraphError
        `net` is no block.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Dense(4, in_units=3), mx.gluon.nn.Dense(2, in_units=4))
    >>> names = gs.freeze(net, "0")
    >>> print(gs.trainable(net))
    layer  parameter        shape   dtype    grad_req  lr_mult  wd_mult  BatchNorm
    0      n_dense0_weight  (4, 3)  float32  null            1        1
    0      n_dense0_bias    (4,)    float32  null            1        1
    1      n_dense1_weight  (2, 4)  float32  write           1        1
    1      n_dense1_bias    (2,)    float32  write           1        1
    2 of 4 parameters learn: 10 values, 16 do not
    """
    checked_block(net, "trainable")
    modes: dict[int, str] = {}
    for norm in norms_below(net):
        mode = _RUNNING if norm.is_fixed else _BATCH
        for parameter in norm.own:
            modes[id(parameter)] = mode if modes.get(id(parameter), mode) == mode else _BOTH
    layers = _layers_of_graphs(net)
    return TrainableTable([_row(one, layers, modes) for one in owned_parameters(net)])


def _row(one: Owned, layers: dict[int, str], modes: dict[int, str]) -> TrainableRow:
    p = one.parameter
    shape = p._data[0].shape if p.shape is None and p._data else p.shape
    layer = layers.get(id(p)) or (one.dotted[0].rpartition(".")[0] if one.dotted else "")
    dtype = np.dtype(p.dtype).name
    known = None if shape is None else tuple(max(0, size) for size in shape)
    return TrainableRow(layer, one.name, known, dtype, p.grad_req, p.lr_mult, p.wd_mult, modes.get(id(p), ""))


def _layers_of_graphs(net: gluon.Block) -> dict[int, str]:
    """Return the layer of each parameter that a SymbolBlock keeps: its block path there, or else its node."""
    found: dict[int, str] = {}
    for block, paths in blocks_below(net).values():
        if not isinstance(block, gluon.SymbolBlock):
            continue
        nodes = graph_of_block(block).nodes
        for node in nodes:
            layer = ".".join(part for part in (paths[0], node.path or node.name) if part)
            read = (block._params._params.get(nodes[entry.node].name) for entry in node.inputs)
            found.update((id(p), layer) for p in read if p is not None and id(p) not in found)
    return found


def _size(row: TrainableRow) -> int:
    return 0 if row.shape is None else int(np.prod(row.shape, dtype=np.int64))
