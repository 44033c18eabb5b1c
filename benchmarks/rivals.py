"""The other ways from a traced Symbol to a working piece of a network, written as a competent user would write them.

Each takes the traced Symbol and the network's parameters. None of them checks what `gluon_subgraph.extract` checks.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import gluon


def rebuild(symbol: Any, params: Any, start: str, end: str) -> Any:
    """Build the piece anew, operator by operator, and copy the values of its parameters.

    The structure is read from the Symbol's own JSON; without recursion, so that resnet152 fits Python's stack.
    """
    data = json.loads(symbol.tojson(remove_amp_cast=False))
    nodes = data["nodes"]
    index_of_name = {node["name"]: i for i, node in enumerate(nodes)}
    first, last = index_of_name[start], index_of_name[end]
    source = mx.sym.var(start if nodes[first]["op"] == "null" else start + "_output")
    built = {first: source}
    for i in _needed(nodes, last, first):
        node = nodes[i]
        if node["op"] == "null":
            built[i] = mx.sym.var(node["name"], attr=_hidden(node))
        else:
            inputs = [built[n] if len(built[n]) == 1 else built[n][k] for n, k, _ in node["inputs"]]
            built[i] = getattr(mx.sym, node["op"])(*inputs, name=node["name"], **node.get("attrs", {}))
    block = gluon.SymbolBlock(built[last], [source])
    block.collect_params().load_dict({name: p.data() for name, p in params.items()}, mx.cpu(), ignore_extra=True)
    mx.nd.waitall()  # the copies are asynchronous
    return block


def _hidden(node: Any) -> Any:
    return {k: v for k, v in node.get("attrs", {}).items() if k.startswith("__")}


def _needed(nodes: Any, last: int, first: int) -> list[int]:
    """Return the nodes between, in topological order."""
    seen = {last}
    stack = [last]
    while stack:
        for entry in nodes[stack.pop()]["inputs"]:
            if entry[0] not in seen and entry[0] != first:
                seen.add(entry[0])
                stack.append(entry[0])
    return sorted(seen)


def plain_inner(symbol: Any, params: Any, start: str, end: str) -> Any:
    """Cut the Symbol's JSON and load the rest into a stock SymbolBlock over the network's parameters."""
    data = json.loads(symbol.tojson(remove_amp_cast=False))
    nodes = data["nodes"]
    index_of_name = {node["name"]: i for i, node in enumerate(nodes)}
    first, last = index_of_name[start], index_of_name[end]
    kept = [{"op": "null", "name": start + "_output", "inputs": []}]
    new_index = {first: 0}
    for i in _needed(nodes, last, first):
        node = nodes[i]
        node["inputs"] = [[new_index[n], k, v] for n, k, v in node["inputs"]]
        new_index[i] = len(kept)
        kept.append(node)
    data["nodes"] = kept
    data["arg_nodes"] = [i for i, node in enumerate(kept) if node["op"] == "null"]
    data["heads"] = [[new_index[last], 0, 0]]
    del data["node_row_ptr"]
    piece = mx.sym.load_json(json.dumps(data, ensure_ascii=False))
    return gluon.SymbolBlock(piece, [mx.sym.var(start + "_output")], params=params)


def plain_front(symbol: Any, params: Any, start: str, end: str) -> Any:
    """Take an internal output as it is: a piece that starts at the network's own input needs no cut."""
    return gluon.SymbolBlock(symbol.get_internals()[end + "_output"], [mx.sym.var(start)], params=params)


def export_onnx(symbol: Any, params: Any, shape: tuple[int, ...], path: str) -> None:
    """Write the network as an ONNX file with the shapes of all its tensors.

    MXNet 1.9.1 writes operators of opset 13 but states, and checks for, the newest opset there is.
    """
    import onnx

    values = {name: p.data() for name, p in params.items()}
    context = onnx.checker.DEFAULT_CONTEXT
    before = onnx.defs.onnx_opset_version, context.opset_imports, context.ir_version
    onnx.defs.onnx_opset_version, context.opset_imports, context.ir_version = lambda: 13, {"": 13}, 8
    try:
        mx.onnx.export_model(symbol, values, [shape], np.float32, path)
    finally:
        onnx.defs.onnx_opset_version, context.opset_imports, context.ir_version = before
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(path)), path)


def extract_onnx(path: str, target: str, start: str, end: str) -> None:
    """Cut an ONNX file with ONNX's own tool, from file to file; its optional checks and inference are off."""
    import onnx.utils

    options = {"check_model": False, "infer_shapes": False}
    known = inspect.signature(onnx.utils.extract_model).parameters
    onnx.utils.extract_model(path, target, [start], [end], **{k: v for k, v in options.items() if k in known})


def extract_graphsurgeon(path: str, target: str, start: str, end: str) -> None:
    """Cut an ONNX file with NVIDIA's ONNX GraphSurgeon, from file to file."""
    import onnx
    import onnx_graphsurgeon

    graph = onnx_graphsurgeon.import_onnx(onnx.load(path))
    tensors = graph.tensors()
    graph.inputs, graph.outputs = [tensors[start]], [tensors[end]]
    tensors[start].inputs.clear()
    graph.cleanup()
    onnx.save(onnx_graphsurgeon.export_onnx(graph), target)
