"""Any network a user hands over, as one kind of value: a graph, its parameters and what its tensors are called."""

from __future__ import annotations

import operator
import os
from typing import Any, Mapping

import mxnet as mx
from mxnet import gluon

from .block_tree import collected_parameters, kept_graph
from .codec import graph_of_symbol
from .errors import BindingError, SubgraphError, UnknownNodeError, kind_of, shorten
from .graph import Call, Entry, Graph
from .losses import LABEL_SLOT, is_loss_head, label_variables
from .missing_operators import MISSING
from .names import NameIndex, common_prefix
from .parameters import ParameterSource, has_value
from .readers import load_checkpoint_files
from .shapes import known_shapes
from .slots import parameters_by_slot
from .tracing import Trace, read_trace, trace

__all__ = ["Network"]


class Network:
    """A network under study: `graph`, `names`, `data`, and Parameters on demand.

    Make one with `Network.of`. The graph is read when it is first asked for.

    Attributes
    ----------
    symbol : Symbol
        What the network computes.
    parameters : ParameterSource
        Its Parameters, by the name of the variable; made when asked for where the network came as values.
    prefix, title : str
        What a name may leave out, and what messages call the network.
    is_bare : bool
        Whether it is a Symbol alone, without any parameters.
    """

    def __init__(
        self,
        symbol: mx.sym.Symbol,
        parameters: ParameterSource,
        *,
        prefix: str = "",
        title: str = "network",
        graph: Graph | None = None,
        is_np: bool | None = None,
        is_bare: bool = False,
    ) -> None:
        self.symbol = symbol
        self.parameters = parameters
        self.prefix = prefix
        self.title = title
        self.is_bare = is_bare
        self.is_np = isinstance(symbol, mx.sym.numpy._Symbol) if is_np is None else is_np
        self._graph = graph
        self._names: NameIndex | None = None
        self._calls_of_block: dict[int, list[Call]] = {}
        self._trace: Trace | None = None
        self._kept_alive: Any = None
        self._argument_names: list[str] = []

    @classmethod
    def of(cls, net: Any) -> Network:
        """Return the Network of any accepted `net`.

        Parameters
        ----------
        net : HybridBlock, SymbolBlock, Symbol, (symbol, arg_params, aux_params), or pair of file paths
            A HybridBlock is traced; it need not be initialised. A bare Symbol has no parameters.

        Raises
        ------
        SubgraphError
            `net` is none of these, or cannot be traced or read.
        NameConflictError
            Two different Parameters of a block have one name.
        """
        if isinstance(net, Network):
            return net
        if isinstance(net, gluon.SymbolBlock):
            return cls._of_symbol_block(net)
        if isinstance(net, gluon.HybridBlock):
            return cls._of_hybrid_block(net)
        if isinstance(net, mx.sym.Symbol):
            return cls(net, ParameterSource({}), title=net.name or "the symbol", is_bare=True)
        if isinstance(net, (tuple, list)) and len(net) == 3 and isinstance(net[0], mx.sym.Symbol):
            return cls._of_values(*net)
        if isinstance(net, (tuple, list)) and len(net) == 2 and all(isinstance(p, (str, os.PathLike)) for p in net):
            symbol, values = load_checkpoint_files(os.fsdecode(net[0]), os.fsdecode(net[1]))
            return cls._of_values(symbol, values, {})
        hint = "  A plain Block computes in Python and has no graph: make it a HybridBlock.\n"
        msg = (
            f"net is a {kind_of(net)}, which holds no network.\n"
            f"{hint if isinstance(net, gluon.Block) else ''}"
            "  Give a HybridBlock, a SymbolBlock, (symbol, arg_params, aux_params) as load_checkpoint returns it,"
            " or (symbol file, params file); nothing was changed."
        )
        raise SubgraphError(msg)

    @classmethod
    def _of_hybrid_block(cls, net: gluon.HybridBlock) -> Network:
        parameters = collected_parameters(net)
        traced = trace(net, parameters.keys())
        network = cls._of_trace(traced, ParameterSource(parameters), net.prefix, net.prefix or net.name)
        network._kept_alive = net  # blocks are known by identity as long as the network is
        return network

    @classmethod
    def _of_trace(cls, traced: Trace, parameters: ParameterSource, prefix: str, title: str) -> Network:
        symbol = mx.sym.Group([traced.symbol[i] for i in range(traced.output_count)], type(traced.symbol))
        network = cls(symbol, parameters, prefix=prefix, title=title, is_np=traced.is_np)
        network._trace = traced
        return network

    def unread(self, *, with_values: bool = True) -> Network:
        """Return this traced network as it was before its graph was read.

        Without the values of its parameters it keeps none of them alive.
        """
        if self._trace is None:
            return self
        parameters = self.parameters if with_values else self.parameters.without_values()
        return self._of_trace(self._trace, parameters, self.prefix, self.title)

    @classmethod
    def _of_symbol_block(cls, net: gluon.SymbolBlock) -> Network:
        graph = kept_graph(net)  # with block paths
        symbol = net._cached_graph[1] if graph is None else net.symbol
        prefix = "" if graph is None else net.name_prefix
        title = net.name or prefix or type(net).__name__
        network = cls(symbol, ParameterSource(collected_parameters(net)), prefix=prefix, title=title, graph=graph)
        network._argument_names = [variable.name for variable in net._cached_graph[0]]
        return network

    @classmethod
    def _of_values(cls, symbol: mx.sym.Symbol, arg_params: Any, aux_params: Any) -> Network:
        for values in (arg_params, aux_params):
            if not isinstance(values, (Mapping, gluon.ParameterDict)):
                msg = (
                    f"parameters are a {kind_of(values)}, no mapping of name to array.\n"
                    "  Give (symbol, arg_params, aux_params); aux_params may be {}; nothing was changed."
                )
                raise SubgraphError(msg)
        values = dict(arg_params.items())
        twice = [name for name, value in aux_params.items() if values.setdefault(name, value) is not value]
        if twice:
            msg = (
                f"arg_params and aux_params hold different values for {shorten(twice)}.\n"
                "  Leave out the one that is not meant; nothing was changed."
            )
            raise BindingError(msg)
        return cls(symbol, ParameterSource(values), title=symbol.name or "checkpoint")

    @property
    def graph(self) -> Graph:
        """The graph, each node with the path of its block."""
        if self._graph is None:
            self._read_graph()
        return self._graph  # type: ignore[return-value]

    @property
    def names(self) -> NameIndex:
        """The names of the graph's tensors."""
        if self._names is None:
            prefix = self.prefix or common_prefix(self.graph)
            self._names = NameIndex(self.graph, prefix, self.graph.calls, self.title)
        return self._names

    @property
    def values(self) -> dict[str, Any]:
        """The Parameter, or the value, of each variable that is no data, in topological order."""
        data = self.data
        return {node.name: self.parameters.get(node.name) for i, node in self.graph.variables() if i not in data}

    @property
    def argument_names(self) -> list[str]:
        """What a block takes, in order, used or not; empty where the network came as a symbol.

        What a recurrent layer called without states is given are operators that make zeros, and none of these.
        """
        if self._trace is None:
            return self._argument_names
        _, input_count, output_count = self._trace.calls[-1]  # the network's own call is the last to end
        names = self._trace.symbol.list_outputs()
        taken = names[len(names) - input_count - output_count : len(names) - output_count]
        nodes = self.graph.nodes
        made = {name for node in nodes if not node.is_variable for name in node.outputs}
        made -= {node.name for _, node in self.graph.variables()}
        return [name for name in taken if name not in made]

    @property
    def out_format(self) -> Any:
        """How the outputs of a traced network are nested, as Gluon notes it; None where it was not traced."""
        return None if self._trace is None else self._trace.out_format

    @property
    def is_plain(self) -> bool:
        """Whether the symbol was traced from blocks that make operators: no file or backend had a hand in it."""
        return self._trace is not None and self._trace.is_plain

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the network's blocks; none where it was not traced."""
        known = {} if self._trace is None else self._trace.paths_of_block
        return frozenset(path for paths in known.values() for path in paths)

    def _read_graph(self) -> None:
        """Read the graph from the symbol; from a traced one also the calls of its blocks."""
        if self._trace is None:
            self._graph = graph_of_symbol(self.symbol)
            return
        self._graph, self._calls_of_block = read_trace(self._trace)

    @property
    def data(self) -> frozenset[int]:
        """The variables that are data: they have no Parameter, or are the label of a loss head.

        What a label is computed from is data as well unless it has a value.
        A bare Symbol has no Parameters; there, data is what some operator does not take as a parameter.
        """
        nodes = self.graph.nodes
        if self.is_bare:
            auxiliary = frozenset(self.symbol.list_auxiliary_states())
            return frozenset(i for i, _ in self.graph.variables()) - parameters_by_slot(self.graph, auxiliary)
        data = {i for i, node in self.graph.variables() if node.name not in self.parameters or MISSING in node.attrs}
        direct = {node.inputs[LABEL_SLOT].node for node in nodes if is_loss_head(node)}
        for i in label_variables(self.graph):
            if i in direct or not has_value(self.parameters.get(nodes[i].name)):
                data.add(i)
        return frozenset(data)

    def known_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters that are fully known, by variable."""
        return known_shapes({node.name: self.parameters.get(node.name) for _, node in self.graph.variables()})

    def find(self, reference: Any) -> Entry:
        """Return the entry that `reference` names: a name, a (name, index) pair, a block, or (block, index).

        Raises
        ------
        UnknownNodeError
            It names nothing in this network, or several things.
        """
        graph_names = self.names
        if isinstance(reference, gluon.Block):
            return graph_names.find_in_calls(self.calls_of(reference)[-1], what=_title_of(reference))
        if isinstance(reference, tuple) and len(reference) == 2 and isinstance(reference[0], gluon.Block):
            block, index = reference
            try:
                number = operator.index(index)
            except TypeError:
                return graph_names.find(reference)  # which refuses it
            if not isinstance(index, bool):
                return graph_names.find_in_calls(self.calls_of(block)[-1], number, what=_title_of(block))
        return graph_names.find(reference)

    def calls_of(self, block: gluon.Block) -> list[list[Call]]:
        """Return the calls of `block`; of a slice of the network, such as ``net.features[4:7]``, those of each layer.

        Raises
        ------
        UnknownNodeError
            The block is not part of the network, was never called, or a slice skips layers.
        """
        _ = self.graph
        calls = self._calls_of_block.get(id(block))
        if calls:
            return [calls]
        is_known = self._trace is not None and id(block) in self._trace.paths_of_block
        layers = [] if is_known else [self._calls_of_block.get(id(child)) for child in block._children.values()]
        if not layers or None in layers:
            wrong = "returns nothing that the outputs need of" if is_known else "is not part of"
            msg = (
                f"{_title_of(block)} {wrong} {self.title!r}.\n"
                "  Give a block of this very network, such as net.features[5], or a slice of its layers;"
                " list_nodes(net) prints the block paths. Nothing was changed."
            )
            raise UnknownNodeError(msg)
        for before, after in zip(layers, layers[1:]):
            if before[-1].outputs != after[0].inputs:  # type: ignore[index]
                msg = (
                    f"{_title_of(block)} is not a consecutive piece: {after[0].path!r} does not take"  # type: ignore[index]
                    f" what {before[-1].path!r} returns.\n"  # type: ignore[index]
                    "  Give consecutive layers, such as net.features[4:7]; nothing was changed."
                )
                raise UnknownNodeError(msg)
        return layers  # type: ignore[return-value]


def _title_of(block: gluon.Block) -> str:
    return f"block {block.name or type(block).__name__!r} ({type(block).__name__})"
