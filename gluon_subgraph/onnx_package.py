"""mx.onnx as it has to be called: the packages, their globals pinned for the while, and what comes out read back."""

from __future__ import annotations

import importlib
import logging
import os
import tempfile
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Iterator, Mapping, Sequence

import mxnet as mx
import numpy as np

from .errors import SubgraphError
from .graph import VARIABLE

__all__ = ["packages", "supported_operators", "translate", "run"]

_OPSET = 13  # the newest that mx.onnx knows; it stamps whichever the onnx package has
_IR_VERSION = 8  # of the time of opset 13; what onnx stamps by itself may be too new for a runtime
_DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_LOCK = threading.RLock()
_ABSENT = object()


def packages() -> tuple[Any, Any]:
    """Return the modules ``onnx`` and ``onnxruntime``.

    Raises
    ------
    SubgraphError
        One is not installed, or was installed after MXNet was imported.
    """
    found, missing = [], []
    for name in ("onnx", "onnxruntime"):
        try:
            found.append(importlib.import_module(name))
        except ImportError as error:
            missing.append(f"{name} ({error})")
    if missing:
        msg = (
            f"to_onnx needs {' and '.join(missing)}.\n"
            "  onnx writes the file, onnxruntime proves that it computes what the block does.\n"
            "  Type pip install 'gluon_subgraph[onnx]' and start Python anew; nothing was written."
        )
        raise SubgraphError(msg)
    if VARIABLE not in supported_operators():
        msg = (
            "onnx was installed after MXNet was imported, and mx.onnx does not see it.\n"
            "  Start Python anew; nothing was written."
        )
        raise SubgraphError(msg)
    return found[0], found[1]


def supported_operators() -> frozenset[str]:
    """Return the operators that mx.onnx translates."""
    return frozenset(_mx_onnx().get_operator_support(_OPSET))


def _mx_onnx() -> Any:
    return importlib.import_module("mxnet.onnx")


@contextmanager
def _pinned(onnx: Any, current: list[str]) -> Iterator[None]:
    """Let mx.onnx work with any onnx, noting which node it is at, and put all back as it was.

    Other threads that use onnx at the same time see opset 13; those that come here wait.
    """
    translator = importlib.import_module("mxnet.onnx.mx2onnx._export_onnx").MXNetGraph
    convert = translator.convert_layer
    context = onnx.checker.DEFAULT_CONTEXT

    def noted(node: Mapping[str, Any], **options: Any) -> Any:
        current[:] = [node["name"]]
        return convert(node, **options)

    pinned = [
        (onnx, "mapping", _mapping(onnx)),  # onnx 1.19 has it no more
        (onnx.defs, "onnx_opset_version", lambda: _OPSET),
        (context, "opset_imports", {"": _OPSET}),
        (context, "ir_version", _IR_VERSION),
        (translator, "convert_layer", staticmethod(noted)),
    ]
    silent = logging.NullHandler()  # without any handler, logging sets one up for good
    with _LOCK:
        before = [_own(owner, name) for owner, name, _ in pinned]
        logging.getLogger().addHandler(silent)
        try:
            for owner, name, value in pinned:
                setattr(owner, name, value)
            yield
        finally:
            logging.getLogger().removeHandler(silent)
            for (owner, name, _), value in zip(pinned, before):
                if value is _ABSENT:
                    delattr(owner, name)
                else:
                    setattr(owner, name, value)


def _own(owner: Any, name: str) -> Any:
    """Return an attribute as it is stored, a static method as one; a marker where there is none."""
    stored = getattr(owner, "__dict__", {})
    return stored[name] if name in stored else getattr(owner, name, _ABSENT)


def _mapping(onnx: Any) -> SimpleNamespace:
    """Return what ``onnx.mapping`` was."""
    dtypes = [np.dtype(name) for name in (*_DTYPES, "bool")]
    number_of_dtype = {dtype: onnx.helper.np_dtype_to_tensor_dtype(dtype) for dtype in dtypes}
    return SimpleNamespace(
        NP_TYPE_TO_TENSOR_TYPE=number_of_dtype,
        TENSOR_TYPE_TO_NP_TYPE={number: dtype for dtype, number in number_of_dtype.items()},
    )


def translate(
    symbol: mx.sym.Symbol, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[Any]]
) -> tuple[Any, str, str]:
    """Return the model mx.onnx makes of `symbol`, all of whose variables are inputs.

    Values of parameters are left to the caller: mx.onnx would turn each number into a Python object.

    Parameters
    ----------
    symbol : Symbol
        A graph of `form_for_onnx`.
    shapes, dtypes : sequence of shape and of dtype
        One per variable, in the order of ``symbol.list_inputs()``.

    Returns
    -------
    model : onnx.ModelProto or None
        None where mx.onnx failed.
    node, reason : str
        The node it was at then, and what it said.
    """
    onnx, _ = packages()
    current = [""]
    with tempfile.TemporaryDirectory() as folder, _pinned(onnx, current):
        file = os.path.join(folder, "model.onnx")
        try:
            _mx_onnx().export_model(symbol, {}, in_shapes=list(shapes), in_types=list(dtypes), onnx_file_path=file)
        except Exception as error:  # whatever a converter stumbles over
            said = str(error).strip().splitlines() or [""]
            return None, current[0], f"{type(error).__name__}: {' '.join(said[0].split())}"
        model = onnx.load(file)
    model.ir_version = _IR_VERSION
    return model, "", ""


def run(model: bytes, samples: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the outputs of an ONNX model for each set of inputs, computed by onnxruntime on the CPU.

    Raises
    ------
    Exception
        onnxruntime refuses the model, or stumbles; its classes have no base of their own.
    """
    _, runtime = packages()
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is raised
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    taken = {i.name for i in session.get_inputs()}
    return [session.run(None, {n: value for n, value in sample.items() if n in taken}) for sample in samples]
