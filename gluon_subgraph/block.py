"""SubgraphBlock: a Symbol over existing Parameters, as a Gluon block that keeps what SymbolBlock loses."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.gluon.block import _regroup

from . import state, storage
from .arguments import checked_input_names, checked_outputs, checked_params, variable_like, wrong_inputs
from .attributes import check_attributes
from .children import SettledChildren
from .codec import compose, graph_of_symbol
from .errors import SubgraphError, kind_of
from .file_methods import FileMethods, FileNames, Stored
from .graph import Graph
from .interface import Interface
from .parameter_dict import KeyedParameterDict
from .parameters import check_variables, fix_auxiliary, move_parameters, new_parameters
from .shapes import infer_parameters
from .show import layer_lines
from .slots import float32_in_half
from .summary import print_summary
from .value_files import is_mxnet_dtype

__all__ = ["SubgraphBlock"]


class SubgraphBlock(SettledChildren, FileMethods, gluon.SymbolBlock):
    """A piece of a network as a Gluon block over the network's own Parameters.

    `extract` makes it. It hybridizes, trains, exports, nests, pickles and copies like any block; training it
    trains the network it was cut from, because they share their Parameters.

    Parameters
    ----------
    outputs : Symbol or list of Symbol
        What the block returns. A list, even of one, is returned as a list.
    inputs : Symbol or list of Symbol
        Variables of `outputs` that are its inputs, in the order the block takes them.
    params : mapping of str to Parameter, optional
        Parameters by the name of their variable. Without it new ones are made, to be initialised.

    Raises
    ------
    BindingError
        A variable of `outputs` is neither an input nor in `params`.
    SubgraphError
        An input is no variable of `outputs`, or is given twice.

    Notes
    -----
    Where a stock SymbolBlock makes new Parameters by inferred type, this one takes those it is given as they are,
    so that shape, dtype, ``grad_req``, multipliers and sparse gradients survive. Auxiliary states (running
    statistics) are marked not differentiable, so that no ``setattr`` makes them trainable. Copies have what was set on
    the block besides; deep copies have its hooks too, and pickled ones none.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Dense(4, in_units=3), mx.gluon.nn.Dense(2, in_units=4))
    >>> net.initialize()
    >>> tail = gs.extract(net, "dense0_fwd", "dense1_fwd")
    >>> tail(mx.nd.ones((5, 4))).shape
    (5, 2)
    >>> tail.collect_params()["n_dense1_weight"] is net[1].weight
    True
    """

    _cached_op_args: Any

    def __init__(self, outputs: Any, inputs: Any, params: Mapping[str, gluon.Parameter] | None = None) -> None:
        symbol, out_format = checked_outputs(outputs)
        input_names = checked_input_names(inputs)
        known = new_parameters(symbol, input_names) if params is None else checked_params(params)
        self._assemble(symbol, input_names, known, out_format)

    @classmethod
    def _of(cls, *parts: Any) -> SubgraphBlock:
        """Return the block of what `_assemble` takes."""
        block = _empty_block(cls)
        block._assemble(*parts)
        return block

    def _assemble(
        self,
        symbol: mx.sym.Symbol,
        input_names: Sequence[str],
        params: Mapping[str, gluon.Parameter],
        out_format: Any,
        graph: Graph | Callable[[], Graph] | None = None,
        name_prefix: str = "",
    ) -> None:
        gluon.HybridBlock.__init__(self, prefix="")
        auxiliary = symbol.list_auxiliary_states()
        names = dict.fromkeys(symbol.list_inputs())
        check_variables(names, input_names, params)
        own = gluon.ParameterDict("")
        given = set(input_names)
        own._params.update((n, params[n]) for n in names if n not in given)
        for name in auxiliary:
            if name not in given:
                fix_auxiliary(own._params[name])
        self._prefix = ""
        self._params = own
        self._reg_params = storage.structural_names(own._params)
        self._symbol = symbol
        self._graph_maker = graph
        self._is_checked = False  # for attributes at which MXNet crashes, before the first run
        self.name_prefix = name_prefix  # of the network it was cut from; names may leave it out
        self._inputs = [variable_like(n, symbol) for n in input_names]
        self._cached_graph = self._inputs, symbol
        self._in_format = [0] * len(input_names)
        self._out_format = out_format

    @property
    def symbol(self) -> mx.sym.Symbol:
        """The Symbol the block computes, as it was before any backend rewrote it."""
        return self._symbol

    @property
    def graph(self) -> Graph:
        """The Graph of the block; each node carries the path of the block it came from."""
        if not isinstance(self._graph_maker, Graph):
            self._graph_maker = self._graph_maker() if self._graph_maker else graph_of_symbol(self._symbol)
        return self._graph_maker

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order the block takes them."""
        return tuple(s.name for s in self._inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in the order the block returns them."""
        return tuple(self._symbol.list_outputs())

    def forward(self, *inputs: Any) -> Any:
        """Return the outputs for the inputs given, in order: one array each, or one Symbol each."""
        kind = mx.sym.Symbol if inputs and isinstance(inputs[0], mx.sym.Symbol) else mx.nd.NDArray
        if len(inputs) != len(self._inputs) or not all(isinstance(i, kind) for i in inputs):
            raise wrong_inputs(self.input_names, inputs)
        if kind is mx.nd.NDArray:
            return super().forward(*inputs)
        self._check_attributes()
        variables = {**self._shared_variables(), **dict(zip(self.input_names, inputs))}
        composed = compose(self._symbol, variables)
        is_single = mx.sym.Symbol.__len__(composed) == 1  # a NumPy-style Symbol of one output is no sequence
        return _regroup([composed] if is_single else list(composed), self._out_format)

    def _get_graph(self, *args: Any) -> Any:
        self._check_attributes()
        return super()._get_graph(*args)

    def _build_cache(self, *args: Any) -> None:
        if self._cached_graph[1] is self._symbol:  # else a backend has parameters of its own among the arguments
            self._cached_op_args = []  # in which Gluon looks for Parameters by the names they were made with
        super()._build_cache(*args)

    def _infer_attrs(self, infer_fn: str, attr: str, *args: Any) -> None:
        inputs, symbol = self._get_graph(*args)
        given = {variable.name: getattr(array, attr) for variable, array in zip(inputs, args)}
        infer_parameters(symbol, self._params, given, infer_fn, attr)

    def _check_attributes(self) -> None:
        """Refuse, once and before anything runs, attributes at which MXNet crashes."""
        if not self._is_checked:
            maker = self._graph_maker
            check_attributes(maker if isinstance(maker, Graph) else graph_of_symbol(self._symbol))
            self._is_checked = True

    def _shared_variables(self) -> dict[str, mx.sym.Symbol]:
        """Return one variable per parameter, so that a network that calls the block twice has each once."""
        internals: Any = None
        variables = {}
        for name, parameter in self._params.items():
            if parameter.name == name and not self._is_np:
                variables[name] = parameter.var()
            else:
                internals = self._symbol.get_internals() if internals is None else internals
                variables[name] = internals[name]
        return variables

    @property
    def _is_np(self) -> bool:
        return isinstance(self._symbol, mx.sym.numpy._Symbol)

    def _clear_cached_op(self) -> None:
        super()._clear_cached_op()
        if "_symbol" in self.__dict__:  # a backend replaces the cached graph; the block's own is kept
            self._cached_graph = self._inputs, self._symbol

    def cast(self, dtype: Any) -> None:
        """Cast the parameters, and with them those of the network they are shared with.

        In half precision the parameters of BatchNorm stay float32, as the operator requires. They are found by
        operator, whatever they are called.

        Raises
        ------
        SubgraphError
            MXNet has no such dtype; nothing was changed.
        """
        _check_dtype(dtype)
        self._clear_cached_op()
        keep = float32_in_half(self.graph) if np.dtype(dtype).name == "float16" else ()
        for name, parameter in self._params.items():
            parameter.cast("float32" if name in keep else dtype)

    def reset_ctx(self, ctx: Any) -> None:
        """Move the parameters to one context or several, and with them those of the network they are shared with."""
        move_parameters([*self._params.values(), *(p for _, p in self._cached_op_args)], ctx)

    def _stored(self) -> Stored:
        return Stored(self.graph, self._params, Interface(self.input_names, self._out_format), self._is_np)

    def _file_names(self) -> FileNames:
        return FileNames.of(self._reg_params, self._params, self._is_np)

    def collect_params(self, select: str | None = None) -> gluon.ParameterDict:
        """Return the Parameters by name; `save` of what is returned writes these names, whatever a Parameter's own."""
        found = KeyedParameterDict(self._params.prefix)
        found.update(super().collect_params(select))
        return found

    @staticmethod
    def imports(
        symbol_file: str,
        input_names: str | Sequence[str],
        param_file: str | None = None,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = True,
    ) -> SubgraphBlock:
        """Return the block of a pair of files, as `gluon.SymbolBlock.imports` but with a SubgraphBlock's repairs.

        Raises
        ------
        SubgraphError
            A file cannot be read.
        BindingError
            A parameter of the graph is not in the file.
        """
        return storage.import_files(
            SubgraphBlock, symbol_file, input_names, param_file, ctx, allow_missing, ignore_extra
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _empty_block, (type(self),), state.state_of(self)

    def __setstate__(self, values: dict[str, Any]) -> None:
        state.restore(self, values)

    def __deepcopy__(self, memo: dict[int, Any]) -> SubgraphBlock:
        block = memo[id(self)] = _empty_block(type(self))
        state.deep_copy(self, block, memo)
        return block

    def __repr__(self) -> str:
        return "\n".join(layer_lines(type(self).__name__, self.graph, self.input_names, dict(self._params.items())))

    def summary(self, *inputs: Any) -> None:
        """Print the layers under their original block paths, with output shapes and parameter counts.

        Parameters
        ----------
        inputs : NDArray or tuple of int
            An array, or a shape, per input. Nothing is computed.

        Raises
        ------
        SubgraphError
            The number of inputs is wrong, or the shapes do not fit.
        """
        params = dict(self._params.items())
        print_summary(inputs, self.input_names, self._symbol, self.graph, params, is_np=self._is_np)


def _check_dtype(dtype: Any) -> None:
    if not is_mxnet_dtype(dtype):
        msg = (
            f"dtype={dtype!r} ({kind_of(dtype)}) is no dtype of MXNet.\n"
            "  Give one, such as 'float16', 'float32' or 'float64'; nothing was changed."
        )
        raise SubgraphError(msg)


def _empty_block(kind: Any) -> Any:
    return kind.__new__(kind)
