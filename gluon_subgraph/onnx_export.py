"""to_onnx: a block as an ONNX file that is known to compute what the block computes."""

from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple, Sequence

from .errors import SubgraphError, kind_of
from .files_beside import check_place, write_beside, write_bytes
from .onnx_check import check_model
from .onnx_model import model_of
from .onnx_package import packages
from .onnx_piece import inference_piece

__all__ = ["OnnxFile", "to_onnx"]


class OnnxFile(NamedTuple):
    """An ONNX file, its size in bytes, and how far its outputs were from the block's, relative to the largest."""

    path: str
    size: int
    difference: float


def to_onnx(block: Any, path: str | os.PathLike[str], shapes: Mapping[str, Sequence[int]] | Sequence[int]) -> OnnxFile:
    """Write a block as an ONNX file that onnxruntime has proved to compute the same, or write nothing.

    The same is meant of finite inputs: infinite ones and NaN the two treat differently (a relu of NaN is 0 in MXNet).
    The model takes inputs and returns outputs of the block's names, in its order, for the shapes given; parameters
    keep their names. Loss heads become what they compute at inference, and their labels are no inputs. `block` and
    the onnx package are left as they were; a file that is there already stays whole until the new one is complete.

    Parameters
    ----------
    block : HybridBlock, SymbolBlock, (symbol, arg_params, aux_params), or pair of file paths
        What `extract`, `tie_towers` or `replace_head` returns, or any network whose parameters have values.
    path : str or path
        The file to write.
    shapes : mapping of str to shape, or shape
        The shape of every input, batch included; of a block with one input the shape alone will do.

    Returns
    -------
    OnnxFile
        ``path``, ``size`` in bytes, and ``difference``: the largest difference of an output from the block's own,
        relative to the largest value of that output.

    Raises
    ------
    UnknownNodeError
        `shapes` names an input that the block does not have.
    BindingError
        A parameter has no value.
    SubgraphError
        onnx or onnxruntime is not installed, or onnx was after MXNet was imported; `shapes` lacks an input or does
        not fit; mx.onnx does not translate an operator, or not rightly, or nothing can be proved of it; the values
        exceed 2 GB; or `path` is no name of a file, too long a one, or its folder cannot be written to.

    Notes
    -----
    ``mx.onnx`` translates, at opset 13. It is silently wrong about some operators and attributes. Those known are
    put right or refused before it reads the graph; then MXNet and onnxruntime run on normally and on uniformly
    distributed inputs. The outputs and all nodes between are compared, and each operator by itself on inputs of its
    own, whole numbers also where they overflow. Refused is what differs by more than a thousandth of the largest value
    (a fiftieth in half precision), an output without finite values, and a network most of whose operators compute a
    constant. Loss heads are compared in the form `extract` gives them. Index inputs are float32 in half precision, and
    clipped where MXNet clips them. While it translates, other threads see the onnx package at opset 13. Memory: about
    seven times the parameters, and half a gigabyte of values at most. Time: in proportion to the nodes; a chain of 300
    on tiny arrays takes 2 to 4 seconds, one of 600 twice as long.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx, os, tempfile
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Conv2D(4, 3, in_channels=3), mx.gluon.nn.BatchNorm(in_channels=4), mx.gluon.nn.Dense(2))
    >>> net.initialize()
    >>> piece = gs.extract(net, "data", "batchnorm0_fwd")
    >>> file = gs.to_onnx(piece, os.path.join(tempfile.mkdtemp(), "piece.onnx"), (1, 3, 8, 8))
    >>> file.difference < 1e-5
    True
    """
    file = _checked_path(path)
    packages()
    piece = inference_piece(block, shapes)
    model = model_of(piece)
    worst = check_model(piece, model, model_of)
    write_beside({file: lambda name: write_bytes(name, model)})
    return OnnxFile(file, len(model), worst)


def _checked_path(path: Any) -> str:
    """Return the name of a file that can be written, as it stands now."""
    file = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(file, str) or not file or "\0" in file or not _is_encodable(file):
        msg = (
            f"path={path!r} ({kind_of(path)}) is no name of a file.\n"
            "  A path is text, not empty and without NUL, or a pathlib.Path.\n"
            "  Give such as 'piece.onnx'; nothing was written."
        )
        raise SubgraphError(msg)
    check_place(file)
    return file


def _is_encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True
