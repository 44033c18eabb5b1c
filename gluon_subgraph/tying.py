"""tie_towers: several copies of a network's operators over the network's own Parameters."""

from __future__ import annotations

from typing import Any, Collection, Sequence

import mxnet as mx
from mxnet import gluon

from .attributes import check_attributes
from .block import SubgraphBlock
from .codec import symbol_of_graph
from .cut import check_not_fused
from .errors import BindingError, NameConflictError, SubgraphError, UnknownNodeError, kind_of, nearest_names, shorten
from .graph import is_usable_name
from .missing_operators import check_whole
from .network import Network
from .slots import parameters_by_slot
from .towers import graph_of_towers

__all__ = ["tie_towers"]


def tie_towers(
    net: Any, prefixes: Sequence[str] = ("left_", "right_"), *, common: str | Sequence[str] = ()
) -> SubgraphBlock | mx.sym.Symbol:
    """Return several towers of a network over one set of parameters, as one block or one Symbol.

    Each tower is a copy of all operators under its prefix and takes inputs of its own; parameters keep their names
    and are one variable each. So the gradients of the towers add up, one training step moves all towers alike, and
    an executor or an exported file has each parameter once. Nothing is copied but operators, and `net` is not
    modified; what trains the towers trains `net`.

    Parameters
    ----------
    net : HybridBlock, SymbolBlock, Symbol, (symbol, arg_params, aux_params), or (symbol file, params file)
        The network. Parameters are shared; of a triple, the NDArrays.
    prefixes : sequence of str, default ("left_", "right_")
        One per tower; the names of its operators, inputs and outputs, and its block paths, begin with it.
    common : str or sequence of str, default ()
        Inputs of `net` that the towers share. They keep their names.

    Returns
    -------
    SubgraphBlock or Symbol
        A Symbol for a bare Symbol, else a block. It takes the inputs of the first tower in the network's order,
        those of the second and so on (``left_data, right_data``), then the common ones once. It returns a list:
        the outputs of the first tower, those of the second, and so on.

    Raises
    ------
    UnknownNodeError
        `common` holds a name that is no input.
    NameConflictError
        Two things would carry one name, or a prefix is given twice.
    BindingError
        A parameter of a triple has no value, or several, or its value is no array.
    SubgraphError
        `prefixes` or `common` are no names; the network is fused by a backend; `net` cannot be traced or read.

    Notes
    -----
    The label of a loss head is an input: a Module gives ``left_softmax_label`` and ``right_softmax_label``, or one
    ``softmax_label`` with ``common="softmax_label"``. To have towers without labels, tie what `extract` returns.

    A bare Symbol does not say which of its variables are parameters. Those are that all their operators take as
    such, as Convolution takes its weight; any other variable becomes an input of each tower, unless it is named in
    `common`.

    BatchNorm normalises each tower by the statistics of that tower's batch. In training the running statistics,
    which are shared, are updated once per tower and step: two towers move them as two steps of `net` would, on a
    CPU in the backward pass and by the last tower first. Layers with ``use_global_stats`` stay as they are.

    To concatenate the batches, run `net` once and split the result shares weights too, and takes less time
    (``benchmarks/test_towers_speed.py``); but all normalise by the statistics of both batches, and shapes must agree.

    Other weights are loaded into `net`, whose Parameters these are: to a matcher of graphs the towers are twins.

    No operator is shared, not even one that depends on common inputs alone: Dropout draws a mask for each tower.
    To compute such a part once, cut the network behind it, and name its tensor in `common`.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.Dense(2, in_units=3, prefix="n_")
    >>> net.initialize()
    >>> towers = gs.tie_towers(net)
    >>> towers.input_names, towers.output_names
    (('left_data', 'right_data'), ('left_n_fwd_output', 'right_n_fwd_output'))
    >>> towers.symbol.list_arguments()
    ['left_data', 'n_weight', 'n_bias', 'right_data']
    >>> x, y = mx.nd.ones((4, 3)), mx.nd.zeros((4, 3))
    >>> left, right = towers(x, y)
    >>> bool((left == net(x)).asnumpy().all() and (right == net(y)).asnumpy().all())
    True
    """
    towers = _checked_prefixes(prefixes)
    network = Network.of(net)
    check_whole(network.graph, network.title)
    data = _data_in_order(network)
    shared = _checked_common(common, data)
    if not (network.is_bare or isinstance(net, gluon.Block)):
        _check_complete(network, shared)
    variables = {node.name: i for i, node in network.graph.variables()}
    own = [name for name in data if name not in shared]
    graph = graph_of_towers(network.graph, towers, {variables[name] for name in own})
    check_not_fused(graph)
    check_attributes(graph)
    symbol = symbol_of_graph(graph, is_np=network.is_np)
    if network.is_bare:
        return symbol
    inputs = [*(prefix + name for prefix in towers for name in own), *(name for name in data if name in shared)]
    given, auxiliary = set(inputs), frozenset(symbol.list_auxiliary_states())
    parameters = {
        node.name: network.parameters.parameter_of(node, is_auxiliary=node.name in auxiliary, is_np=network.is_np)
        for _, node in graph.variables()
        if node.name not in given
    }
    return SubgraphBlock._of(symbol, inputs, parameters, [0] * len(graph.outputs), graph, network.prefix)


def _checked_prefixes(prefixes: Any) -> list[str]:
    if isinstance(prefixes, str):
        msg = (
            f"prefixes={prefixes!r} is one string.\n"
            "  Each tower has its own.\n"
            f"  Give a sequence, such as prefixes=({prefixes!r}, 'right_'); nothing was made."
        )
        raise SubgraphError(msg)
    if not isinstance(prefixes, (list, tuple)) or not prefixes:
        raise _no_names(prefixes, "prefixes", "a sequence of names, one per tower, such as ('left_', 'right_')")
    wrong = [prefix for prefix in prefixes if not is_usable_name(prefix)]
    if wrong:
        raise _no_names(prefixes, "prefixes", f"names; {wrong[0]!r} is none: prefixes=('left_', 'right_')")
    twice = [prefix for i, prefix in enumerate(prefixes) if prefix in prefixes[:i]]
    if twice:
        msg = (
            f"prefix {twice[0]!r} is given to two towers.\n"
            f"  The prefixes are {', '.join(map(repr, prefixes))}.\n"
            "  Give each tower its own; nothing was made."
        )
        raise NameConflictError(msg)
    return list(prefixes)


def _checked_common(common: Any, data: Sequence[str]) -> set[str]:
    """Return the names of the common inputs."""
    names = [common] if isinstance(common, str) else common
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise _no_names(common, "common", "the name of an input, or a list of these")
    known = set(data)
    in_order = sorted(names) if isinstance(names, (set, frozenset)) else names
    unknown = [name for name in in_order if name not in known]
    if unknown:
        inputs = f"inputs are {shorten(data, 8)}" if data else "network has no inputs"
        near = nearest_names(unknown[0], data, count=1)
        msg = (
            f"common: {unknown[0]!r} is no input of the network.\n"
            f"  The {inputs}.\n"
            f"  Give {f'common={near[0]!r}' if near else 'these names'}, or leave common out; parameters are shared"
            " anyway. Nothing was made."
        )
        raise UnknownNodeError(msg)
    return set(names)


def _no_names(value: Any, argument: str, what: str) -> SubgraphError:
    return SubgraphError(f"{argument}={value!r} ({kind_of(value)}).\n  It takes {what}.\n  Nothing was made.")


def _data_in_order(network: Network) -> list[str]:
    """Return the names of the data inputs, in the order the network takes them, any others behind."""
    found = [network.graph.nodes[i].name for i in sorted(network.data)]
    known = set(found)
    return list(dict.fromkeys([*(name for name in network.argument_names if name in known), *found]))


def _check_complete(network: Network, common: Collection[str]) -> None:
    """Refuse values that lack a parameter: every tower would take it as an input of its own."""
    nodes = network.graph.nodes
    slots = parameters_by_slot(network.graph, frozenset(network.symbol.list_auxiliary_states()))
    missing = [nodes[i].name for i in sorted(network.data & slots) if nodes[i].name not in common]
    if missing:
        msg = (
            f"{len(missing)} parameter{'s'[: len(missing) != 1]} without a value: {shorten(missing)}.\n"
            f"  Given are {len(network.parameters)} values; what has none would be an input, not shared.\n"
            f"  Add the value, or name it in common=[{missing[0]!r}] as one input of all towers; nothing was made."
        )
        raise BindingError(msg)
