"""ONNX files run by onnxruntime and compared with blocks, for the tests of to_onnx."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import logging
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="to_onnx needs the onnx extra")
onnxruntime = pytest.importorskip("onnxruntime", reason="to_onnx needs the onnx extra")


def interface_of(path: Any) -> tuple[list[tuple[str, tuple[int, ...]]], list[str], list[str]]:
    """Return (name, shape) of each input, and the names of outputs and of parameters."""
    graph = onnx.load(str(path)).graph
    inputs = [(i.name, tuple(d.dim_value for d in i.type.tensor_type.shape.dim)) for i in graph.input]
    return inputs, [o.name for o in graph.output], [i.name for i in graph.initializer]


def results_of(path: Any, arrays: list[Any]) -> list[Any]:
    """Return what onnxruntime computes of `arrays`, given in the order of the file's inputs."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    assert len(names) == len(arrays)
    return session.run(None, {name: array.asnumpy() for name, array in zip(names, arrays)})


def relative_error(block: Any, path: Any, arrays: list[Any]) -> float:
    """Return the largest difference of an output of the file from the block's, relative to its largest value."""
    expected = block(*arrays)
    expected = list(expected) if isinstance(expected, (list, tuple)) else [expected]
    found = results_of(path, arrays)
    assert [e.shape for e in expected] == [f.shape for f in found]
    worst = max(float(np.abs(e.asnumpy() - f).max() / np.abs(e.asnumpy()).max()) for e, f in zip(expected, found))
    print(f"relative error {worst:.1e}")
    return worst


def exported(block: Any, folder: Path, shapes: Any, *, seed: int = 5) -> tuple[gs.OnnxFile, float]:
    """Return the file of `block`, and its relative error on inputs of the test's own."""
    file = gs.to_onnx(block, folder / "model.onnx", shapes)
    inputs, _, _ = interface_of(file.path)
    random = np.random.RandomState(seed)
    arrays = [mx.nd.array(random.standard_normal(shape)) for _, shape in inputs]
    return file, relative_error(block, file.path, arrays)


def globals_of_onnx() -> list[Any]:
    """Return all that an export pins for the while: in onnx, in mx.onnx and in logging."""
    from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

    context = onnx.checker.DEFAULT_CONTEXT
    return [
        vars(onnx).get("mapping"),
        onnx.defs.onnx_opset_version,
        dict(context.opset_imports),
        context.ir_version,
        MXNetGraph.__dict__["convert_layer"],
        {opset: dict(table) for opset, table in MXNetGraph.registry_.items()},
        list(logging.getLogger().handlers),
    ]
