"""freeze and unfreeze: which parameters learn, and whether BatchNorm statistics move."""

from __future__ import annotations

from typing import Any, Iterable, Sequence

import numpy as np
from mxnet import gluon

from .block_tree import Owned
from .errors import SubgraphError
from .moving import check_statistics_rest, never_learning
from .norms import Norm, norms_below, set_norms
from .selecting import checked_block, selected_parameters
from .settings import noted_grad_req, set_noted_grad_req

__all__ = ["freeze", "unfreeze", "Changed"]

_MODES = ("global_stats", "unchanged")


class Changed(list):  # type: ignore[type-arg]
    """The names of the parameters that were frozen, or set free; prints with what happened to BatchNorm.

    Attributes
    ----------
    batch_norms : list of str
        The BatchNorm layers whose mode changed: block paths, or node names.
    note : str
        What does not follow from the names.
    """

    def __init__(self, names: Iterable[str], batch_norms: Iterable[str], verb: str, note: str) -> None:
        super().__init__(names)
        self.batch_norms = list(batch_norms)
        self.note = note
        self._verb = verb

    def __str__(self) -> str:
        lines = [f"{len(self)} parameters {self._verb}, {len(self.batch_norms)} BatchNorm layers changed"]
        return "\n".join([*lines, *(f"  {name}" for name in self), *([self.note] if self.note else [])])


def freeze(net: gluon.Block, select: Any = None, *, upto: Any = None, batch_norm: str = "global_stats") -> Changed:
    """Freeze parameters of a network: no gradient, no weight decay, no moving statistics.

    Works on a network in use: hybridized, in the middle of training, with the Trainer it has. Gradient still flows
    through what is frozen to what is not.

    Parameters
    ----------
    net : Block
        Any Gluon block, initialised or not; a plain Block that cannot be traced will do unless `upto` is given.
    select : str, Block, Parameter, or list of these, default None
        A name (whole, without the network's prefix, or dotted, such as ``features.0.weight``), a glob over those, a
        block of the network or its path (``features.0``), or a node, which means the parameters it reads. None is
        everything.
    upto : str, (str, int) or Block, default None
        A tensor, as `list_nodes` prints it: everything it depends on in the graph, whatever its name.
    batch_norm : {"global_stats", "unchanged"}, default "global_stats"
        A BatchNorm layer is frozen when its statistics are selected, or all of its parameters that learn. It then
        normalises by its running statistics in training, too, and these do not move. ``"unchanged"`` leaves the mode
        of all layers as it is.

    Returns
    -------
    Changed
        A list of the names of the parameters whose ``grad_req`` changed; `str` also tells of BatchNorm.

    Raises
    ------
    SubgraphError
        The selection matches nothing; `upto` needs a graph that cannot be had; `net` is no block; a block computes
        BatchNorm in a way that cannot be frozen. Nothing was changed then.
    UnknownNodeError
        `upto` names no tensor, or several; a name of the selection stands for several nodes.

    Notes
    -----
    ``grad_req`` belongs to the Parameter and is shared by all who have it. The mode of BatchNorm belongs to each
    graph: to freeze a piece that `extract` returned changes the piece and not the network it was cut from, and the
    other way round. A piece that is cut from a frozen network is frozen. `unfreeze` restores what was there before,
    also after a piece was saved and loaded, exported, pickled, cut or renamed; what stock Gluon's own `export` writes
    keeps the mode of BatchNorm and no ``grad_req``. Gradients that ``grad_req="add"`` has gathered are dropped.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.BatchNorm(), mx.gluon.nn.Dense(2))
    >>> gs.freeze(net, upto="batchnorm0_fwd")
    ['n_dense0_weight', 'n_dense0_bias', 'n_batchnorm0_gamma', 'n_batchnorm0_beta']
    >>> gs.unfreeze(net, "*bias")
    ['n_dense0_bias']
    """
    checked_block(net, "freeze")
    if batch_norm not in _MODES:
        msg = f"batch_norm={batch_norm!r}.\n  It is 'global_stats' or 'unchanged'; nothing was changed."
        raise SubgraphError(msg)
    chosen = selected_parameters(net, select, upto, "freeze")
    norms = [] if batch_norm == "unchanged" else _norms_to_freeze(net, chosen)
    take_back = set_norms(norms, is_fixed=True)
    if batch_norm != "unchanged":
        try:
            check_statistics_rest(net, chosen)
        except BaseException:
            take_back()
            raise
    frozen = [one for one in chosen if one.parameter.grad_req != "null"]
    for one in frozen:
        set_noted_grad_req(one.parameter, one.parameter.grad_req)
        one.parameter.grad_req = "null"
    return Changed([one.name for one in frozen], _titles(norms), "frozen", _note(net, norms))


def unfreeze(net: gluon.Block, select: Any = None) -> Changed:
    """Set parameters of a network free again: ``grad_req`` and BatchNorm as they were before `freeze`.

    A parameter that was frozen by hand becomes trainable (``"write"``). A running statistic, a Constant, a parameter
    that is not differentiable never does.

    Parameters
    ----------
    net : Block
        Any Gluon block.
    select : str, Block, Parameter, or list of these, default None
        As for `freeze`.

    Returns
    -------
    Changed
        A list of the names of the parameters whose ``grad_req`` changed.

    Raises
    ------
    SubgraphError
        The selection matches nothing, or `net` is no block.
    UnknownNodeError
        A name of the selection stands for several nodes.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.Dense(2, prefix="d_")
    >>> net.weight.grad_req = "add"
    >>> gs.freeze(net)
    ['d_weight', 'd_bias']
    >>> gs.unfreeze(net), net.weight.grad_req
    (['d_weight', 'd_bias'], 'add')
    """
    checked_block(net, "unfreeze")
    chosen = selected_parameters(net, select, None, "unfreeze")
    never = never_learning(net)
    norms = _norms_to_put_back(net, chosen)
    set_norms(norms, is_fixed=False)
    freed = []
    for one in chosen:
        parameter = one.parameter
        before = noted_grad_req(parameter)
        can_learn = parameter._differentiable and np.dtype(parameter.dtype).kind not in "iub"
        if parameter.grad_req == "null" and can_learn and id(parameter) not in never:
            parameter.grad_req = before or "write"
            freed.append(one.name)
        if before is not None:
            set_noted_grad_req(parameter, None)
    return Changed(freed, _titles(norms), "set free", _note(net, norms))


def _norms_to_freeze(net: gluon.Block, chosen: Sequence[Owned]) -> list[Norm]:
    """Return the BatchNorms of which statistics are selected, or nothing would learn any more."""
    ids = {id(one.parameter) for one in chosen}
    return [norm for norm in norms_below(net) if not norm.is_fixed and _belongs(norm, ids, "null")]


def _norms_to_put_back(net: gluon.Block, chosen: Sequence[Owned]) -> list[Norm]:
    """Return the frozen BatchNorms of which statistics are selected, or all that learns would learn again.

    One that normalised by running statistics before it was frozen stays so: it has no note of what it was before.
    """
    ids = {id(one.parameter) for one in chosen}
    return [n for n in norms_below(net) if n.is_fixed and n.is_noted and _belongs(n, ids, "write", "add")]


def _belongs(norm: Norm, ids: set[int], *grad_reqs: str) -> bool:
    """Return whether statistics are selected, or all that learns is selected or has such a `grad_req` already."""
    selected = [id(p) in ids for p in norm.learned]
    rest_is_so = all(id(p) in ids or p.grad_req in grad_reqs for p in norm.learned)
    return any(id(p) in ids for p in norm.statistics) or (any(selected) and rest_is_so)


def _titles(norms: Iterable[Norm]) -> list[str]:
    return list(dict.fromkeys(norm.title for norm in norms))


def _note(net: gluon.Block, norms: Sequence[Norm]) -> str:
    pieces = [norm for norm in norms if isinstance(norm.keeper, gluon.SymbolBlock)]
    if not pieces:
        return ""
    which = "this piece" if pieces[0].keeper is net else "the pieces it holds"
    return f"The mode of BatchNorm changed in {which} alone; a network cut from keeps its own."
