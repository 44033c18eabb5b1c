"""HeadedBlock: a trunk cut from a network with a head of one's own, as one Gluon block."""

from __future__ import annotations

import copy
from typing import Any

import mxnet as mx
from mxnet import gluon
from mxnet.gluon.block import _flatten

from .arguments import variable_like, wrong_inputs
from .block import SubgraphBlock
from .caches import note_change
from .children import SettledChildren
from .errors import SubgraphError
from .file_methods import FileMethods, FileNames, Stored
from .head_checks import check_head, check_joint
from .head_state import copied_head, head_of, portable_head
from .interface import Interface
from .isolation import clean_scopes
from .network import Network
from .parameters import move_parameters
from .shapes import infer_parameters
from .state import HYBRIDIZED, copy_additions, further_attributes
from .summary import print_summary

__all__ = ["HeadedBlock"]

_OWN = frozenset({"trunk", "head"})


class HeadedBlock(SettledChildren, FileMethods, gluon.HybridBlock):
    """A trunk and a head: ``head(trunk(*inputs))``. `replace_head` makes it.

    It hybridizes, trains, saves, loads, nests, pickles and copies like any block. Assigning ``.head`` gives it another
    head, of whatever class; any other new child is refused, because nothing would call it. Copies have what was set on
    the block besides; deep copies have its hooks too, and pickled ones none.

    Parameters
    ----------
    trunk : SubgraphBlock
        Returns one value.
    head : HybridBlock
        Takes one value. It is left uninitialised if it is.

    Raises
    ------
    SubgraphError
        `head` is no HybridBlock of one input, cannot be traced, holds the trunk, or does not take its dtype.
    BindingError
        `head` is on another context.
    NameConflictError
        Different parameters of trunk and head have one name.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.model_zoo.vision.resnet18_v1(prefix="net_")
    >>> block = gs.replace_head(net, mx.gluon.nn.Dense(10, prefix="new_"))
    >>> block.head
    Dense(None -> 10, linear)
    >>> block.head = mx.gluon.nn.Conv2D(10, 1, prefix="other_")
    >>> list(block.collect_params())[-1]
    'other_bias'
    """

    trunk: SubgraphBlock
    head: gluon.HybridBlock
    _cached_graph: Any

    def __init__(self, trunk: SubgraphBlock, head: gluon.HybridBlock) -> None:
        check_head(trunk, head)
        self._assemble(trunk, head)
        check_joint(self, trunk, head)

    def _assemble(self, trunk: SubgraphBlock, head: gluon.HybridBlock) -> None:
        gluon.HybridBlock.__init__(self, prefix="")
        self._prefix = trunk.name_prefix  # names may leave it out, as those of the network may
        self._name = trunk.name_prefix.rstrip("_") or "headed"
        self._params = gluon.ParameterDict("")
        self._put("trunk", trunk)
        self._put("head", head)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "trunk":
            msg = (
                f"the trunk of a {type(self).__name__} is settled, and can be given no other.\n"
                f"  It is the one that returns {self.trunk.output_names[0]!r}.\n"
                "  Make another block with replace_head(net, head); nothing was changed."
            )
            raise SubgraphError(msg)
        if name != "head":
            super().__setattr__(name, value)
            return
        HeadedBlock(self.trunk, value)  # makes all the checks
        self._put("head", value)
        note_change([self])  # for what this block is a part of

    def _put(self, name: str, block: gluon.Block) -> None:
        """Make `block` a child, whatever was there, past the refusal of children."""
        self.__dict__[name] = self._children[name] = block
        self._clear_cached_op()

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order the block takes them: those of the trunk."""
        return self.trunk.input_names

    def forward(self, *inputs: Any) -> Any:
        """Return the outputs of the head for the inputs given, in order: arrays, or Symbols."""
        kind = mx.sym.Symbol if inputs and isinstance(inputs[0], mx.sym.Symbol) else mx.nd.NDArray
        if len(inputs) != len(self.input_names) or not all(isinstance(i, kind) for i in inputs):
            raise wrong_inputs(self.input_names, inputs)
        return super().forward(*inputs)

    def hybrid_forward(self, F: Any, *inputs: Any) -> Any:
        """Return what the head makes of what the trunk returns."""
        return self.head(self.trunk(*inputs))

    @property
    def _is_np(self) -> bool:
        return self.trunk._is_np

    def _names_for_trace(self) -> tuple[str, ...]:
        return self.input_names

    def _composed(self) -> tuple[list[mx.sym.Symbol], list[mx.sym.Symbol], Any]:
        """Return variables for the inputs, what the block makes of them, and the structure in which it returns it."""
        variables = [variable_like(name, self.trunk.symbol) for name in self.input_names]
        return (variables, *_flatten(self.hybrid_forward(mx.sym, *variables), "output"))

    def _get_graph(self, *args: Any) -> Any:
        if not self._cached_graph:
            variables, outputs, self._out_format = self._composed()
            self._in_format = [0] * len(variables)
            self._cached_graph = variables, mx.sym.Group(outputs, type(outputs[0]))
        return self._cached_graph

    def _infer_attrs(self, infer_fn: str, attr: str, *args: Any) -> None:
        inputs, symbol = self._get_graph(*args)
        given = {variable.name: getattr(array, attr) for variable, array in zip(inputs, args)}
        used = set(symbol.list_inputs())  # stock Gluon stumbles over a Parameter that its block does not use
        params = {name: p for name, p in self.collect_params().items() if name in used}
        infer_parameters(symbol, params, given, infer_fn, attr)

    def _stored(self) -> Stored:
        network = Network.of(self)
        with clean_scopes(network.is_np):
            interface = Interface(self.input_names, self._composed()[-1])
        return Stored(network.graph, network.values, interface, network.is_np)

    def _file_names(self) -> FileNames:
        return FileNames.of(self._collect_params_with_prefix(), self.collect_params(), self._is_np)

    def reset_ctx(self, ctx: Any) -> None:
        """Move the parameters to one context or several, and with them those of the network they are shared with.

        Parameters
        ----------
        ctx : Context or list of Context
            Where to.

        Raises
        ------
        SubgraphError, BindingError
            `ctx` is no context; a parameter has no value. Nothing has been moved then.
        """
        compiled = (p for block in (self, self.trunk) for _, p in block._cached_op_args)
        move_parameters([*self.collect_params().values(), *compiled], ctx)

    def summary(self, *inputs: Any) -> None:
        """Print the layers of trunk and head, with output shapes and parameter counts.

        Parameters
        ----------
        inputs : NDArray or tuple of int
            An array, or a shape, per input. Nothing is computed.

        Raises
        ------
        SubgraphError
            The number of inputs is wrong, or the shapes do not fit.
        """
        network = Network.of(self)
        params = dict(self.collect_params().items())
        print_summary(inputs, self.input_names, network.symbol, network.graph, params, is_np=network.is_np)

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = {
            "trunk": self.trunk,
            "head": portable_head(self.head),
            "hybridize": {name: getattr(self, name) for name in HYBRIDIZED},
            "attributes": further_attributes(self, _OWN),
        }
        return _empty_block, (type(self),), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._assemble(state["trunk"], head_of(state["head"]))
        self.__dict__.update(state["hybridize"], _flags=list(state["hybridize"]["_flags"]), **state["attributes"])

    def __deepcopy__(self, memo: dict[int, Any]) -> HeadedBlock:
        block = memo[id(self)] = _empty_block(type(self))
        head = copied_head(self.head, memo)
        hybridize = {name: getattr(self, name) for name in HYBRIDIZED}
        copied = {"trunk": copy.deepcopy(self.trunk, memo), "head": head, "hybridize": hybridize, "attributes": {}}
        block.__setstate__(copied)
        copy_additions(self, block, _OWN, memo)
        return block


def _empty_block(kind: Any) -> Any:
    return kind.__new__(kind)
