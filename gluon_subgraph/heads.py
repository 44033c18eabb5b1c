"""replace_head: the trunk of a trained network with a head of one's own."""

from __future__ import annotations

from typing import Any

from mxnet import gluon

from .block_tree import blocks_below
from .errors import SubgraphError, kind_of
from .extraction import extract
from .head_place import chosen_output, data_needed, value_before_head
from .head_rows import copy_rows, plan_rows
from .headed_block import HeadedBlock
from .missing_operators import check_whole
from .network import Network

__all__ = ["replace_head"]


def replace_head(
    net: Any, head: gluon.HybridBlock, *, at: Any = None, output: Any = None, reuse_rows: Any = None
) -> HeadedBlock:
    """Return the trunk of a network with a new head, as one block that trains and exports.

    The network is cut before the last layer that owns parameters, or at `at`. The trunk shares its Parameters with
    `net`: training one trains the other. `net` is not modified and keeps its own head, or heads; the result has the
    new one alone. A loss head, with its label, goes with the old head.

    Parameters
    ----------
    net : HybridBlock, SymbolBlock, (symbol, arg_params, aux_params), or (symbol file, params file)
        The trained network; also a result of `replace_head`.
    head : HybridBlock
        Takes the value at the cut. It is used as it is: one that nobody initialised stays so, until
        ``result.head.initialize()``.
    at : str, (str, int) or Block, optional
        The tensor that the trunk returns and the head reads, as for `extract`. Needed where the last layers stand
        side by side on different values, or a path leads around them.
    output : str, int, (str, int) or Block, optional
        Which of the network's outputs the old head computes. Needed where there are several.
    reuse_rows : dict of int to int, optional
        ``{new class: old class}``: these rows of the old classifier's weight and bias are copied to the new one, so
        that these classes start out as what they were. Both are a Dense or a Convolution and read the same value,
        and nothing behind them moves, selects or mixes classes. A bias that the old one lacks becomes 0 in these
        rows. The head has to be initialised; a size it does not know yet, it takes from the old classifier. What the
        old head does to the scores behind its classifier (softmax, sigmoid, a scale), the new one does only if it has
        it too.

    Returns
    -------
    HeadedBlock
        With the children ``.trunk``, a SubgraphBlock, and ``.head``. It takes those inputs of `net` that the trunk
        depends on, in their order. Assigning ``.head`` gives it another head.

    Raises
    ------
    UnknownNodeError
        `at` or `output` names nothing in the network.
    OpenCutError
        A path leads from an input to the output around the value that the last layer reads.
    NameConflictError
        A parameter of the head has the name of one of the trunk.
    BindingError
        The head is on another context or of another dtype; rows of the classifiers differ in shape, have no values, or
        are computed with something else; classes are not rows; the new classifier is one of the network's own.
    SubgraphError
        It cannot be told where the head begins; `head` is no HybridBlock of one input, or belongs to `net`;
        `reuse_rows` names a class that does not exist; `net` cannot be traced or read.

    Notes
    -----
    A layer with running statistics alone, or with a scale that is fixed, owns no parameters that learn and is part of
    the head behind it. A bias that is added to a matrix product belongs to the product. A symbol of stock MXNet
    does not say that the shift of a norm is fixed (``center=False``): where such a norm comes last, a checkpoint is cut
    before the norm, and the block it was made from before the layer in front of it, unless `at` decides. Time is that
    of tracing `net` twice.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Dense(4, in_units=3, activation="relu"), mx.gluon.nn.Dense(10, in_units=4))
    >>> net.initialize()
    >>> head = mx.gluon.nn.Dense(2, prefix="new_")
    >>> head.initialize()
    >>> block = gs.replace_head(net, head, reuse_rows={0: 7, 1: 3})
    >>> x = mx.nd.ones((5, 3))
    >>> bool((block(x) == net(x)[:, [7, 3]]).asnumpy().all())
    True
    >>> block.collect_params()["n_dense0_weight"] is net[0].weight
    True
    """
    network = Network.of(net)
    check_whole(network.graph, network.title)
    if network.is_bare:
        msg = (
            "net is a bare Symbol, which has no parameters.\n"
            "  A trunk and a head are told apart by the layers that own some.\n"
            "  Give (symbol, arg_params, aux_params); nothing was changed."
        )
        raise SubgraphError(msg)
    _check_is_new(net, head)
    end = chosen_output(network, output) if at is None or output is not None or reuse_rows is not None else None
    value = network.find(at) if at is not None or end is None else value_before_head(network, end)
    inputs = data_needed(network, net, value)
    trunk = extract(network, inputs, network.names.name_of(value))
    block = HeadedBlock(trunk, head)
    if reuse_rows is not None and end is not None:
        copy_rows(plan_rows(network, end, value, Network.of(block), _parameters_of(network, net), reuse_rows))
    return block


def _parameters_of(network: Network, net: Any) -> set[int]:
    """Return the Parameters of a network, used or not, by `id`."""
    used = [network.parameters.get(node.name) for _, node in network.graph.variables()]
    collected = net.collect_params().values() if isinstance(net, gluon.Block) else ()
    return {id(p) for p in (*used, *collected) if isinstance(p, gluon.Parameter)}


def _check_is_new(net: Any, head: Any) -> None:
    """Refuse a head that is a block of the network, or holds one."""
    if not (isinstance(net, gluon.Block) and isinstance(head, gluon.Block)):
        return
    shared = blocks_below(net).keys() & blocks_below(head).keys()
    if shared:
        msg = (
            f"head {head.name!r} ({kind_of(head)}) belongs to the network already.\n"
            f"  It shares {len(shared)} blocks with it.\n"
            "  Give a new block; to train the old head as it is, no replace_head is needed. Nothing was changed."
        )
        raise SubgraphError(msg)
