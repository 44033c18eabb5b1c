"""The attributes of a node as mx.onnx reads them rightly: what is left out spelled out, what it misreads reworded."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from mxnet.operator import get_operator_arguments

from .graph import VARIABLE, Node

__all__ = ["FLOATS", "NORMS", "Known", "spelled_out"]

NORMS = {"BatchNorm": "BatchNorm", "BatchNorm_v1": "BatchNorm", "_contrib_SyncBatchNorm": "BatchNorm"}
FLOATS = (np.dtype("float16"), np.dtype("float32"), np.dtype("float64"))
_BOOLEANS = {"0": "False", "1": "True", "false": "False", "true": "True"}
_NUMBER = re.compile(r"-?[0-9]+")
_NEGATIVE = re.compile(r"-[0-9]+")
_DEFAULT = re.compile(r"(boolean|int|float|double)\b.*default='?([^']*)'?$")
_FILLED = frozenset({"_zeros", "_ones"})
_REDUCTIONS = frozenset({"sum", "mean", "prod", "max", "min"})
_PLAIN_LAYOUTS = ("NCW", "NCHW", "NCDHW")


class Known(NamedTuple):
    """What is known of a node: the shape of its first input and of its first output, the dtypes of its inputs."""

    read: tuple[int, ...]
    made: tuple[int, ...]
    dtypes: tuple[Any, ...]


def spelled_out(node: Node, known: Known) -> dict[str, str]:
    """Return the attributes of a node as mx.onnx reads them rightly, truth values that are absent included."""
    if node.op == VARIABLE:
        return {k: v for k, v in node.attrs.items() if k in ("__dtype__", "__storage_type__")}
    attrs = _with_defaults(node)
    if attrs.get("layout") in _PLAIN_LAYOUTS:
        del attrs["layout"]  # MXNet's default for each number of axes; mx.onnx knows it for some
    if node.op == "RNN":
        attrs["state_outputs"] = "True"  # mx.onnx refuses without; nothing reads them then
    for spell in (_spell_axes, _spell_whole_scalar, _spell_reduction, _spell_shape):
        spell(node.op, attrs, known)
    return attrs


def _with_defaults(node: Node) -> dict[str, str]:
    """Return the attributes with those that are absent, truth values as True and False."""
    attrs = {k: v for k, v in node.attrs.items() if not k.startswith("__")}
    for name, (kind, default) in _defaults(node.op).items():
        text = attrs.setdefault(name, default)
        if kind == "boolean":
            attrs[name] = _BOOLEANS.get(text, text)
    return attrs


def _spell_axes(op: str, attrs: dict[str, str], known: Known) -> None:
    """Name the axes that are meant, counted from the first, in place."""
    axes = len(known.read)
    if attrs.get("exclude") == "True":
        attrs["exclude"], attrs["axis"] = "False", _other_axes(attrs.get("axis", "()"), axes)
    if op in (*NORMS, "LayerNorm") and _NEGATIVE.fullmatch(attrs.get("axis", "")) and axes:
        attrs["axis"] = str(int(attrs["axis"]) + axes)


def _spell_whole_scalar(op: str, attrs: dict[str, str], known: Known) -> None:
    """Write the number that goes with whole ones as a whole one, in place."""
    if known.dtypes[:1] and known.dtypes[0] not in FLOATS and attrs.get("scalar", "x.1").endswith(".0"):
        attrs["scalar"] = attrs["scalar"][:-2]
    if op in ("_maximum_scalar", "_minimum_scalar") and known.dtypes[0] not in FLOATS:
        attrs["scalar"] = attrs["scalar"].split(".")[0]  # the whole number that MXNet takes; "inf" stays


def _spell_reduction(op: str, attrs: dict[str, str], known: Known) -> None:
    """Leave out the axis of a reduction over all of them, or name all where they are kept, in place."""
    axes = len(known.read)
    if op in _REDUCTIONS and axes and attrs.get("axis", "None") in ("None", "()", "[]"):
        attrs.pop("axis", None)
        if attrs.get("keepdims") == "True":  # mx.onnx forgets it where no axis is named
            attrs["axis"] = str(tuple(range(axes)))


def _spell_shape(op: str, attrs: dict[str, str], known: Known) -> None:
    """Write the shape that is made where ONNX has no word for how it is said, in place; the file holds for it alone."""
    if not known.made:
        return
    if op in _FILLED:  # a size left to be inferred, which mx.onnx takes for 1
        attrs["shape"] = str(tuple(known.made))
    if op in ("Reshape", "broadcast_to"):
        codes = [int(number) for number in _NUMBER.findall(attrs.get("shape", ""))]
        is_plain = op == "Reshape" and min(codes, default=-9) >= -1 and attrs.get("reverse") != "True"
        if not is_plain:  # a code that ONNX does not have
            attrs.clear()
            attrs["shape"] = str(tuple(known.made))


def _other_axes(text: str, axes: int) -> str:
    named = {int(number) % axes for number in _NUMBER.findall(text)} if axes else set()
    return str(tuple(axis for axis in range(axes) if axis not in named))


@lru_cache(maxsize=None)
def _defaults(op: str) -> dict[str, tuple[str, str]]:
    """Return (kind, default) of the attributes of `op` that are numbers or truth values and may be left out."""
    try:
        registered = get_operator_arguments(op)
    except Exception:  # an operator without a record, such as one with a variable number of inputs
        return {}
    found = ((name, _DEFAULT.match(kind)) for name, kind in zip(registered.names, registered.types))
    # For an axis, mx.onnx knows the default, and takes it for a wish it cannot fulfil where it is spelled out.
    return {name: (match[1], match[2]) for name, match in found if match and match[2] != "None" and name != "axis"}
