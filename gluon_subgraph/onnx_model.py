"""The ONNX model of a form: tensors named as the block's, values put in, inputs and outputs in the block's order."""

from __future__ import annotations

import re
from typing import Any, Collection, Iterable, Mapping, Sequence

import numpy as np

from .codec import symbol_of_graph
from .errors import SubgraphError
from .graph import VARIABLE, Node
from .onnx_form import GAMMA_SLOT, MAXIMUM, OUTPUT, TENSOR, Form, form_for_onnx
from .onnx_package import packages, supported_operators, translate
from .onnx_piece import InferencePiece, infer_dtypes
from .shapes import infer_shapes

__all__ = ["ADVICE", "described", "model_of"]

ADVICE = "Extract the pieces before and after that and export those; nothing was written."

_RANDOM = re.compile("_random_|_sample_|_shuffle")
_UNSAFE = frozenset({"ROIPooling", "_contrib_ROIAlign"})  # MXNet does not check the number of the image
_OTHERWISE = frozenset({"_contrib_box_nms"})  # it sorts, breaks ties and drops boxes otherwise, on some inputs only


def model_of(piece: InferencePiece) -> bytes:
    """Return the ONNX model of a network, checked by onnx but not yet run.

    Raises
    ------
    SubgraphError
        mx.onnx does not know an operator or stumbles over a node, or onnx refuses what it made.
    """
    symbol = symbol_of_graph(piece.graph, is_np=piece.is_np)
    shapes = infer_shapes(symbol, piece.graph, piece.known_shapes(), is_np=piece.is_np)
    dtypes = infer_dtypes(piece.graph, piece.known_dtypes(), is_np=piece.is_np)
    form = form_for_onnx(piece.graph, shapes, dtypes)
    _check_operators(piece, form)
    form_symbol = symbol_of_graph(form.graph)
    read = [int(TENSOR.fullmatch(name)[1]) for name in form_symbol.list_inputs()]  # type: ignore[index]
    values = _values_of_form(piece, form, read)
    inputs = {i: piece.inputs.get(piece.graph.nodes[form.origins[i].node].name) for i in read}
    given = [inputs[i] or (values[i].shape, values[i].dtype) for i in read]
    model, place, reason = translate(form_symbol, [shape for shape, _ in given], [dtype for _, dtype in given])
    if model is None:
        raise _stumbled(piece, form, place, reason)
    _put_maximum_right(model, piece, form)
    outputs = _unique_names(piece.outputs, piece.inputs)
    titles = [piece.graph.nodes[origin.node].name + "/ones" * origin.is_ones for origin in form.origins]
    _finish(model, form, titles, piece.inputs, outputs, values)
    onnx, _ = packages()
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        msg = (
            f"onnx refuses the model that mx.onnx makes of {piece.title!r}.\n"
            f"  It says: {str(error).strip().splitlines()[0]}\n  Nothing was written."
        )
        raise SubgraphError(msg) from None
    return model.SerializeToString()


def _check_operators(piece: InferencePiece, form: Form) -> None:
    """Refuse operators that mx.onnx does not translate, all at once, and those that cannot be compared."""
    known = supported_operators()
    unknown = {o.node for n, o in zip(form.graph.nodes, form.origins) if n.op not in known}
    nodes = piece.graph.nodes
    flaws = {
        "are not among the operators that mx.onnx translates": [nodes[i] for i in sorted(unknown)],
        "draw random numbers": [n for n in nodes if _RANDOM.match(n.op) or n.attrs.get("mode") == "always"],
        "compute in mx.onnx what MXNet computes on some inputs only": [n for n in nodes if n.op in _OTHERWISE],
        "return mean and variance as well (output_mean_var=True), which ONNX does not": [
            n for n in nodes if n.attrs.get("output_mean_var") in ("True", "true", "1")
        ],
        "clip their states (lstm_state_clip_min), which mx.onnx overlooks": [
            n for n in nodes if n.op == "RNN" and n.attrs.get("lstm_state_clip_min", "None") != "None"
        ],
        "end the process on inputs that are not images' numbers": [n for n in nodes if n.op in _UNSAFE],
    }
    for flaw, bad in flaws.items():
        if bad:
            named = ", ".join(described(node) for node in bad[:3])
            rest = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            msg = f"{len(bad)} of {len(nodes)} nodes of {piece.title!r} {flaw}.\n  {named}{rest}\n  {ADVICE}"
            raise SubgraphError(msg)


def described(node: Node) -> str:
    """Return what to call a node in a message: name, operator and block.

    Examples
    --------
    >>> described(Node("relu", "net_relu0", path="features.1"))
    "'net_relu0' (relu, block 'features.1')"
    """
    return f"{node.name!r} ({node.op}{f', block {node.path!r}' if node.path else ''})"


def _values_of_form(piece: InferencePiece, form: Form, read: Sequence[int]) -> dict[int, np.ndarray[Any, Any]]:
    """Return the value of each of the variables `read` of the form that is a parameter."""
    found = {}
    for index in read:
        origin = form.origins[index]
        source = piece.graph.nodes[origin.node]
        if origin.is_ones:
            scale = piece.values[piece.graph.nodes[source.inputs[GAMMA_SLOT].node].name]
            found[index] = np.ones(scale.shape, np.dtype(scale.dtype))
        elif source.name in piece.values:
            found[index] = piece.values[source.name].asnumpy()
    return found


def _stumbled(piece: InferencePiece, form: Form, place: str, reason: str) -> SubgraphError:
    match = TENSOR.fullmatch(place)
    node = described(piece.graph.nodes[form.origins[int(match[1])].node]) if match else "the graph"
    return SubgraphError(f"mx.onnx does not translate {node} of {piece.title!r}.\n  It says: {reason}\n  {ADVICE}")


def _put_maximum_right(model: Any, piece: InferencePiece, form: Form) -> None:
    """Let a maximum be one where a minimum stands for it in the form, in place."""
    for node in model.graph.node:
        match = TENSOR.fullmatch(node.output[0])
        if match and piece.graph.nodes[form.origins[int(match[1])].node].op == MAXIMUM:
            node.op_type = "Max"


def _finish(
    model: Any,
    form: Form,
    titles: Sequence[str],
    inputs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
    outputs: Sequence[str],
    values: Mapping[int, np.ndarray[Any, Any]],
) -> None:
    """Put names, values, inputs and outputs into what mx.onnx made of `form`, in place.

    Parameters
    ----------
    model : onnx.ModelProto
        As mx.onnx made it: all variables are inputs.
    form : Form
        What it was made of.
    titles : sequence of str
        The name of each node of the form as a reader knows it; of inputs and parameters their own.
    inputs : mapping of str to (shape, dtype)
        The inputs of the block, in order.
    outputs : sequence of str
        Names of the outputs, in order; none is the name of an input.
    values : mapping of int to array
        The value of each variable of the form that is a parameter.
    """
    onnx, _ = packages()
    graph = model.graph
    declared = {value.name: value for value in graph.output}
    name_of = _new_names(graph, form, titles, inputs, outputs)
    _rename(graph, name_of)
    del graph.input[:], graph.output[:], graph.value_info[:]
    for name, (shape, dtype) in inputs.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    for number, name in enumerate(outputs):
        output = declared[f"o{number}x"]
        output.name = name
        graph.output.append(output)
    for index, value in values.items():
        graph.initializer.append(onnx.numpy_helper.from_array(value, name_of[f"n{index}x"]))
    graph.name = "gluon_subgraph"
    model.producer_name = "gluon_subgraph"


def _new_names(
    graph: Any, form: Form, titles: Sequence[str], inputs: Collection[str], outputs: Sequence[str]
) -> dict[str, str]:
    """Return the new name of every tensor; those of inputs and outputs are fixed, the rest are told apart."""
    names = {f"o{number}x": name for number, name in enumerate(outputs)}
    names.update(_led_through(graph, names))
    variables = {f"n{i}x": titles[i] for i, node in enumerate(form.graph.nodes) if node.op == VARIABLE}
    names.update({tensor: title for tensor, title in variables.items() if title in inputs})
    wanted = [*variables, *(value.name for value in graph.initializer)]
    wanted += [tensor for node in graph.node for tensor in node.output]
    left = [tensor for tensor in dict.fromkeys(wanted) if tensor not in names]
    names.update(zip(left, _unique_names([_spelling(tensor, titles) for tensor in left], [*inputs, *outputs])))
    return names


def _led_through(graph: Any, name_of_output: Mapping[str, str]) -> dict[str, str]:
    """Return, for tensors that are led through an identity to be an output, the name of the first such output."""
    made = {tensor for node in graph.node for tensor in node.output if not OUTPUT.fullmatch(tensor)}
    found: dict[str, str] = {}
    for node in graph.node:
        if OUTPUT.fullmatch(node.output[0]) and node.input[0] in made:
            found.setdefault(node.input[0], name_of_output[node.output[0]])
    return found


def _spelling(tensor: str, titles: Sequence[str]) -> str:
    """Return what a reader knows a tensor by: its node, and what mx.onnx appended."""
    match = TENSOR.fullmatch(tensor)
    if match is None:
        return tensor
    title, appended = titles[int(match[1])], match[2].strip("_")
    return f"{title}/{appended}" if appended else title


def _unique_names(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return `names`, those that are taken or stand twice with a number behind ``#``.

    Examples
    --------
    >>> _unique_names(["a", "b", "a", "c"], ["c"])
    ['a', 'b', 'a#2', 'c#2']
    """
    used = set(taken)
    next_number: dict[str, int] = {}
    found = []
    for name in names:
        new, number = name, next_number.get(name, 2)
        while new in used:
            new, number = f"{name}#{number}", number + 1
        next_number[name] = number
        used.add(new)
        found.append(new)
    return found


def _rename(graph: Any, name_of: Mapping[str, str]) -> None:
    """Rename all tensors; identities that have become the tensor they read are dropped."""
    kept = []
    for node in graph.node:
        node.input[:] = [name_of.get(tensor, tensor) for tensor in node.input]
        node.output[:] = [name_of.get(tensor, tensor) for tensor in node.output]
        node.name = node.output[0]
        if list(node.input) != list(node.output):
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    for value in graph.initializer:
        value.name = name_of.get(value.name, value.name)
