"""extract and extract_symbol: from the names of tensors to the piece between them."""

from __future__ import annotations

from copy import copy
from typing import Any, Sequence

import mxnet as mx

from .attributes import check_attributes
from .block import SubgraphBlock
from .boundary import Boundary, boundaries_of_piece, find_boundary
from .codec import symbol_of_graph
from .cut import Cut, Walk, build_graph, check_not_fused, walk_back
from .errors import SubgraphError, kind_of
from .graph import Graph
from .losses import label_variables
from .network import Network
from .quick import quick_piece
from .repair import ancestors, check_boundary, check_no_operator_is_missing, raise_open_cut, smallest_repair
from .slots import parameters_by_slot

__all__ = ["extract", "extract_symbol"]


def extract(net: Any, inputs: Any, outputs: Any = None, *, open_cut: str = "error") -> SubgraphBlock:
    """Return the piece of a network between tensors, over the network's own Parameters.

    A tensor is named by the node that computes it: to get layers ``B -> C -> D`` of ``A -> B -> C -> D -> E``, the
    input is the value entering B, ``inputs="A"``, the output the value of D, ``outputs="D"``. Nothing is copied and
    `net` is not modified; what trains the piece trains `net`.

    Parameters
    ----------
    net : HybridBlock, SymbolBlock, (symbol, arg_params, aux_params), or (symbol file, params file)
        The trained network. Values may be MXNet or NumPy arrays; a triple's NDArrays are shared, not copied.
    inputs, outputs : str, (str, int), Block, list of these, or dict of str to these
        Tensors, as `list_nodes` prints them: by node or output name, with or without the network's prefix; as
        (name, output index); by a block of the network or its dotted path, meaning what the block returns. A list
        keeps its order; a dict gives new names, ``{"name in the piece": tensor}``. With `outputs` left out,
        `inputs` is a block or a slice of layers, such as ``net.features[4:7]``, and is itself the piece.
    open_cut : {"error", "add"}, default "error"
        What happens where a path walks around `inputs`, as a skip connection does. ``"add"`` appends the
        smallest set of further inputs that closes the cut.

    Returns
    -------
    SubgraphBlock
        Takes one array per input, in order. Returns one array for a single output, a list for a list or dict.

    Raises
    ------
    UnknownNodeError
        A name is not in the network, or several tensors have it.
    OpenCutError
        A path reaches an output around `inputs`; the error names the leak, the path and the repair.
    NameConflictError
        An input is given twice, or a new name is taken.
    BindingError
        A value of a triple is no array, or there are several values for one name.
    SubgraphError
        An input is not used or an output lies upstream of it; the piece is fused by a backend; `net` cannot be
        traced or read.

    Notes
    -----
    Outputs are bit for bit those of the whole network. A loss head whose label is not among the inputs becomes
    what it computes at inference; a softmax of more than two dimensions, or of float16, may then differ in the
    last bits, because MXNet has several kernels for it. Running statistics that a stock SymbolBlock left
    differentiable are marked not differentiable in `net` too. Time is that of tracing `net`, plus time linear in the
    nodes kept; `net` must not run in another thread meanwhile.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(*[mx.gluon.nn.Dense(4, in_units=4) for _ in range(5)])
    >>> net.initialize()
    >>> piece = gs.extract(net, inputs="dense0_fwd", outputs="dense3_fwd")
    >>> x = mx.nd.ones((2, 4))
    >>> bool((net[4](piece(net[0](x))) == net(x)).asnumpy().all())
    True
    >>> same = gs.extract(net, net[1:4])
    >>> same.input_names, same.output_names
    (('n_dense0_fwd_output',), ('n_dense3_fwd_output',))
    """
    if open_cut not in ("error", "add"):
        msg = f"open_cut={open_cut!r}.\n  It is 'error' or 'add'; nothing was changed."
        raise SubgraphError(msg)
    network = Network.of(net)
    if network.is_bare:
        msg = (
            f"net is a bare {kind_of(net)}, which has no parameters.\n"
            "  Use extract_symbol, or give (symbol, arg_params, aux_params); nothing was made."
        )
        raise SubgraphError(msg)
    block = _quick_block(network, inputs, outputs)
    if block is not None:
        return block
    if outputs is None:
        given, wanted = boundaries_of_piece(network, inputs)
    else:
        given, wanted = find_boundary(network, inputs, "inputs"), find_boundary(network, outputs, "outputs")
    return _block_between(network, given, wanted, open_cut)


def extract_symbol(symbol: mx.sym.Symbol, inputs: Any, outputs: Any) -> mx.sym.Symbol:
    """Return the piece of a Symbol between tensors, as a Symbol of its own nodes; `symbol` is not modified.

    Parameters
    ----------
    symbol : Symbol
        The network.
    inputs, outputs : str, (str, int), list of these, or dict of str to these
        Tensors, as for `extract`.

    Returns
    -------
    Symbol
        Its arguments are the inputs and every variable the piece needs, parameters and further data inputs alike.

    Raises
    ------
    UnknownNodeError, OpenCutError, NameConflictError, SubgraphError
        As for `extract`. A bare Symbol does not tell which variables are parameters: a path counts as one around
        the cut if it begins in something that `inputs` are computed from, unless operators take that variable as
        a parameter (as Convolution takes its weight).

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> x = mx.sym.Activation(mx.sym.var("data"), act_type="relu", name="A")
    >>> x = mx.sym.FullyConnected(x, num_hidden=3, name="B")
    >>> gs.extract_symbol(x, "A", "B").list_arguments()
    ['A_output', 'B_weight', 'B_bias']
    """
    if not isinstance(symbol, mx.sym.Symbol):
        msg = (
            f"symbol is a {kind_of(symbol)}, no Symbol.\n  For networks with parameters use extract; nothing was made."
        )
        raise SubgraphError(msg)
    network = Network.of(symbol)
    given, wanted = find_boundary(network, inputs, "inputs"), find_boundary(network, outputs, "outputs")
    graph = network.graph
    upstream = {e.node for e in ancestors(graph, given.entries)}
    labels = label_variables(graph)
    data = frozenset(i for i in network.data if i in upstream or i in labels)
    cut = Cut(graph, tuple(given.entries), tuple(wanted.entries), data)
    cut, walk = _closed(network, cut, "error")
    piece = build_graph(cut, walk, _input_names(network, cut, given.names), wanted.names)
    check_not_fused(piece)
    check_attributes(piece)
    return symbol_of_graph(piece, is_np=network.is_np)


def _quick_block(network: Network, inputs: Any, outputs: Any) -> SubgraphBlock | None:
    """Return the block of a piece whose names leave no doubt, or None; its Graph is made when it is asked for."""
    piece = quick_piece(network, inputs, outputs)
    if piece is None:
        return None
    given = set(piece.input_names)
    parameters = network.parameters.existing(n for n in piece.symbol.list_inputs() if n not in given)
    if parameters is None:
        return None

    bare = network.unread(with_values=False)
    starts, ends = copy(inputs), copy(outputs)  # a list of the caller's may have changed by the time it is read

    def make_graph() -> Graph:
        start, end = find_boundary(bare, starts, "inputs"), find_boundary(bare, ends, "outputs")
        cut = Cut(bare.graph, tuple(start.entries), tuple(end.entries), bare.data)
        cut, walk = _closed(bare, cut, "error")
        return build_graph(cut, walk, piece.input_names, end.names)

    out_format = 0 if isinstance(outputs, str) else [0] * len(outputs)
    return SubgraphBlock._of(piece.symbol, piece.input_names, parameters, out_format, make_graph, network.prefix)


def _block_between(network: Network, given: Boundary, wanted: Boundary, open_cut: str) -> SubgraphBlock:
    cut = Cut(network.graph, tuple(given.entries), tuple(wanted.entries), network.data)
    cut, walk = _closed(network, cut, open_cut)
    names = _input_names(network, cut, given.names)
    piece = build_graph(cut, walk, names, wanted.names)
    check_not_fused(piece)
    check_attributes(piece)
    symbol = _shared_symbol(network, cut, walk, names, wanted.names)
    if symbol is None:
        symbol = symbol_of_graph(piece, is_np=network.is_np)
    auxiliary = frozenset(symbol.list_auxiliary_states())
    parameters = {
        node.name: network.parameters.parameter_of(node, is_auxiliary=node.name in auxiliary, is_np=network.is_np)
        for node in piece.nodes[len(names) :]
        if node.is_variable
    }
    out_format = 0 if wanted.is_single else [0] * len(wanted.entries)
    return SubgraphBlock._of(symbol, names, parameters, out_format, piece, network.prefix)


def _closed(network: Network, cut: Cut, open_cut: str) -> tuple[Cut, Walk]:
    """Return a cut that nothing walks around, and its walk; or raise what is wrong with it."""
    walk = walk_back(cut)
    if open_cut == "error":
        check_no_operator_is_missing(cut, walk, network.names)
    check_boundary(cut, walk, network.names)
    if walk.leaks and open_cut == "add":
        cut = cut._replace(inputs=(*cut.inputs, *smallest_repair(cut, walk)))
        walk = walk_back(cut)
    if walk.leaks:
        raise_open_cut(cut, walk, network.names, _hint(network, walk))
    return cut, walk


def _hint(network: Network, walk: Walk) -> str:
    """Return what to add to the message where a leak looks like a parameter without a value."""
    slots = parameters_by_slot(network.graph, frozenset())
    missing = [network.graph.nodes[i].name for i in walk.leaks if i in slots]
    if not missing:
        return ""
    return f" {missing[0]!r} is read as a parameter but has no value among the {len(network.parameters)} given;"


def _input_names(network: Network, cut: Cut, names: Sequence[str | None]) -> list[str]:
    """Return the name of each input of the piece: the one given for it, else that of the tensor."""
    given = [*names, *[None] * (len(cut.inputs) - len(names))]
    return [name or network.names.variable_name(entry) for name, entry in zip(given, cut.inputs)]


def _shared_symbol(
    network: Network, cut: Cut, walk: Walk, names: Sequence[str], output_names: Sequence[str | None]
) -> mx.sym.Symbol | None:
    """Return the piece as a view of the network's own Symbol, or None where something has to be rewritten.

    A piece that starts at the network's inputs needs no new node: its outputs are among the internals.
    """
    nodes = network.graph.nodes
    renamed = any(not nodes[e.node].is_variable or nodes[e.node].name != n for e, n in zip(cut.inputs, names))
    if renamed or walk.heads or any(output_names):
        return None
    internals = network.symbol.get_internals()
    listed = internals.list_outputs()
    if len(set(listed)) != len(listed):
        return None
    position = {name: i for i, name in enumerate(listed)}
    outputs = []
    for node, index in cut.outputs:
        if index >= len(nodes[node].outputs):
            return None
        output = internals[position[nodes[node].outputs[index]]]
        outputs.append(output.as_np_ndarray() if network.is_np else output)
    return outputs[0] if len(outputs) == 1 else mx.sym.Group(outputs, type(outputs[0]))
