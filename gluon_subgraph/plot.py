"""plot: a network, a cut or a binding as a picture."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .binding_report import Binding
from .drawing import dot_text
from .errors import SubgraphError, kind_of
from .listing import tensor_shapes
from .network import Network
from .picture import Picture
from .plot_binding import binding_text
from .plot_cut import view_of_cut
from .plot_network import draw_network

__all__ = ["plot"]


def plot(
    net: Any,
    *,
    cut: Any = None,
    binding: Binding | None = None,
    expand: str | Sequence[str] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Picture:
    """Return a picture of a network, of a cut through it, or of how its parameters are bound.

    A box is a layer with the cheap operators behind it; its last line is the name of the value it returns, as
    `extract` takes it. Blocks are framed, frozen layers hatched. In a large network alike blocks in a row are one
    box, so that the picture can be read. Nothing is changed.

    Parameters
    ----------
    net : HybridBlock, SymbolBlock, Symbol, (symbol, arg_params, aux_params), or (symbol file, params file)
        The network; it need not be initialised.
    cut : (inputs, outputs), Block, or SubgraphBlock, optional
        What `extract` takes, or a piece it made of `net`: the piece is coloured, the tensors at its boundary are
        named. An open cut is drawn with what leaks, and what would close it, in red.
    binding : Binding, optional
        What `match_params` or `bind_params` returned for `net` as target: the layers of target and source side by
        side, the pairs joined.
    expand : str or sequence of str
        Block paths whose layers are all drawn; ``""`` for the whole network.
    shapes : mapping of str to shape, optional
        Shapes of the inputs, such as ``{"data": (1, 3, 224, 224)}`` (batch, channels, height, width): tensors are
        drawn with their shapes.

    Returns
    -------
    Picture
        `.save("net.svg")` writes it, a notebook shows it, `.source` is its DOT text.

    Raises
    ------
    UnknownNodeError
        A name or a block path is not in the network.
    NameConflictError
        An input of the cut is given twice.
    SubgraphError
        As for `extract`, but for an open cut; `binding` is none of `net`, or is given with another option.

    Notes
    -----
    O(nodes + edges) time, besides some comparisons of each layer with those that follow it, to find repeated blocks.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Dense(4, in_units=3), mx.gluon.nn.Dense(2, in_units=4))
    >>> picture = gs.plot(net, cut=("dense0_fwd", "dense1_fwd"))
    >>> picture
    <Picture of n_: 2 operators, 26 parameter values>
    >>> "FullyConnected, 2" in picture.source
    True
    """
    if binding is not None:
        _check_alone(binding, cut, expand, shapes)
        return Picture(*binding_text(net, binding))
    paths = _checked_paths(expand)
    network = Network.of(net)
    view = None if cut is None else view_of_cut(network, cut)
    drawing = draw_network(network, view, paths, {} if shapes is None else tensor_shapes(network, shapes))
    return Picture(dot_text(drawing), drawing.title)


def _check_alone(binding: Any, cut: Any, expand: Any, shapes: Any) -> None:
    if not isinstance(binding, Binding):
        msg = (
            f"binding is a {kind_of(binding)}, no Binding.\n"
            "  Give what match_params(net, source) or bind_params(net, source) returned; nothing was drawn."
        )
        raise SubgraphError(msg)
    given = {"cut": cut is not None, "expand": bool(_checked_paths(expand)), "shapes": shapes is not None}
    others = [name for name, is_given in given.items() if is_given]
    if others:
        msg = (
            f"{', '.join(['binding', *others[:-1]])} and {others[-1]} are given together.\n"
            "  A binding has a picture of its own; call plot twice. Nothing was drawn."
        )
        raise SubgraphError(msg)


def _checked_paths(expand: Any) -> list[str]:
    if isinstance(expand, str):
        return [expand]
    paths = list(expand) if isinstance(expand, (list, tuple, set, frozenset)) else None
    odd = [path for path in paths or () if not isinstance(path, str)]
    if paths is None or odd:
        what = f"expand is {expand!r}" if paths is None else f"expand holds {odd[0]!r}"
        msg = f"{what}, no block path.\n  Give block paths as list_nodes(net) prints them; nothing was drawn."
        raise SubgraphError(msg)
    return paths
