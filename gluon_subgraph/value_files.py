"""A file of arrays, whatever its format: recognised by its content, opened without reading values."""

from __future__ import annotations

import glob
import os
import re
import zipfile
from typing import Any, Mapping

import mxnet as mx
import numpy as np
from mxnet.ndarray.ndarray import _DTYPE_NP_TO_MX

from .errors import SubgraphError, mxnet_reason, shorten
from .lazy_values import Header, LazyValues, check_is_file, dtype_name
from .npz_file import open_npz_file
from .params_file import PARAMS_MAGIC, open_params_file
from .safetensors_file import (
    SAFETENSORS,
    SAFETENSORS_INDEX,
    open_safetensors_file,
    open_safetensors_index,
    write_safetensors,
)

__all__ = [
    "StoredArray",
    "dtype_of",
    "is_mxnet_dtype",
    "is_safetensors_name",
    "ndarray_of",
    "open_values_file",
    "save_safetensors",
    "stored_arrays",
]

_BFLOAT16 = np.dtype([("bfloat16", np.uint16)])  # as MXNet knows it
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # with members, and without
_PICKLED = (".pt", ".pth", ".pkl", ".pickle")  # and what is called so without beginning as a pickle
_MODEL = "model"  # what the files of a HuggingFace folder are called
_TORCH = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")


def open_values_file(path: str) -> LazyValues:
    """Return the arrays of a file, or of a HuggingFace folder, by name.

    Shapes and dtypes are read and checked, no values. Dense arrays come as NumPy arrays, bfloat16 as float32.

    Parameters
    ----------
    path : str
        A ``.params``, ``.npz`` or ``.safetensors`` file whatever its name, a ``model.safetensors.index.json``, or a
        folder with ``model.safetensors`` or that list.

    Raises
    ------
    SubgraphError
        The file is missing, damaged, pickled or of another format.
    """
    if os.path.isdir(path):
        path = _file_of_folder(path)
    check_is_file(path)
    if path.endswith(SAFETENSORS_INDEX):
        return open_safetensors_index(path)
    with open(path, "rb") as file:
        begin = file.read(16)
    is_safetensors = begin[5:9] == b"\0\0\0{"  # a length of up to a terabyte, and the header it is the length of
    if begin.startswith(PARAMS_MAGIC) and not is_safetensors:
        return open_params_file(path, _read_alone)
    if begin.startswith(_ZIP):
        if _is_pickled_zip(path):
            raise _pickled(path)
        return open_npz_file(path)
    if is_safetensors:
        return open_safetensors_file(path)
    if _is_pickle(begin):
        raise _pickled(path)
    if path.endswith(SAFETENSORS):
        return open_safetensors_file(path)
    if path.endswith(".npz"):
        return open_npz_file(path)
    if path.endswith(".params"):
        return open_params_file(path, _read_alone)
    if begin and path.endswith(_PICKLED):
        raise _pickled(path)
    msg = (
        f"{path!r} is not an MXNet parameter file, nor .npz, nor .safetensors.\n"
        f"  {f'It begins with {begin[:8]!r}' if begin else 'It is empty'}.\n"
        "  Give one of these, or a mapping of name to array; nothing was loaded."
    )
    raise SubgraphError(msg)


def _file_of_folder(folder: str) -> str:
    for name in (_MODEL + SAFETENSORS, _MODEL + SAFETENSORS_INDEX):
        if os.path.isfile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    names = sorted(os.path.basename(name) for name in glob.glob(os.path.join(glob.escape(folder), "*")))
    pickled = [name for name in names if _TORCH.fullmatch(name)]
    if pickled:
        raise _pickled(os.path.join(folder, pickled[0]))
    msg = (
        f"{folder!r} is a folder without {_MODEL + SAFETENSORS!r} or {_MODEL + SAFETENSORS_INDEX!r}.\n"
        f"  It holds {shorten(names) or 'nothing'}.\n"
        "  Give the file that is meant; nothing was loaded."
    )
    raise SubgraphError(msg)


def _is_pickled_zip(path: str) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] == "data.pkl" for name in archive.namelist())
    except Exception:  # whatever it is, the reader of .npz files says it
        return False


def _is_pickle(begin: bytes) -> bool:
    """Return whether a file begins as pickles do since Python 2.3."""
    return begin[:1] == b"\x80" and begin[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _pickled(path: str) -> SubgraphError:
    return SubgraphError(
        f"{path!r} is pickled, and a pickle may run any code when it is loaded.\n"
        "  Convert it once, where torch is installed:\n"
        f"    state = torch.load({path!r}, map_location='cpu', weights_only=True)\n"
        "    safetensors.torch.save_file({k: v.clone().contiguous() for k, v in state.items()}, 'model.safetensors')\n"
        "  and give that file, or give the state dict itself; nothing was loaded."
    )


def _read_alone(content: bytes) -> Any:
    """Return the array of a parameter file that holds one."""
    try:
        with mx.util.np_shape(False):  # MXNet writes sparse arrays in no other mode
            (array,) = mx.nd.load_frombuffer(content).values()
    except mx.MXNetError as error:
        raise SubgraphError(mxnet_reason(error)) from None
    return array


def ndarray_of(value: Any, header: Header) -> Any:
    """Return a value of a file as an NDArray of the dtype it has there.

    Raises
    ------
    SubgraphError
        MXNet has no such dtype.
    """
    if isinstance(value, mx.nd.NDArray):
        return value
    with mx.util.np_shape(not value.size or not value.shape or mx.util.is_np_shape()):
        try:
            array = mx.nd.array(value, dtype=value.dtype)
        except KeyError:
            msg = f"MXNet has no arrays of dtype {value.dtype}.\n  Save it as float32 or int64; nothing was loaded."
            raise SubgraphError(msg) from None
        return array.astype(_BFLOAT16) if header.dtype == "bfloat16" else array


class StoredArray:
    """An array that is still in its file; `read` returns it as an NDArray, each time anew."""

    def __init__(self, values: LazyValues, name: str) -> None:
        self._values = values
        self._name = name
        self._header = values.headers[name]

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Its shape, of which the file speaks ahead of the values."""
        return self._header.shape

    @property
    def dtype(self) -> Any:
        """Its dtype, as MXNet's arrays show theirs."""
        return dtype_of(self._header)

    def read(self) -> Any:
        """Return the array.

        Raises
        ------
        SubgraphError
            The file has changed, is damaged here, or MXNet has no such dtype.
        """
        value = self._values[self._name]
        try:
            return ndarray_of(value, self._header)
        except SubgraphError:
            msg = (
                f"MXNet has no arrays of dtype {self._header.dtype}, which {self._name!r} of"
                f" {self._values.title} has.\n"
                "  Save it as float32 or int64; nothing was loaded."
            )
            raise SubgraphError(msg) from None


def stored_arrays(values: LazyValues) -> dict[str, StoredArray]:
    """Return the arrays of a file by name, none of them read."""
    return {name: StoredArray(values, name) for name in values}


def is_mxnet_dtype(given: Any) -> bool:
    """Return whether what is given is a dtype, or names one, of which MXNet has arrays."""
    try:
        dtype = np.dtype(given)
    except TypeError:
        return False
    return dtype.type in _DTYPE_NP_TO_MX or dtype in _DTYPE_NP_TO_MX


def dtype_of(header: Header) -> Any:
    """Return the dtype of an array in a file as MXNet's arrays show theirs, its name where they have none such."""
    if header.dtype == "bfloat16":
        return _BFLOAT16
    try:
        return np.dtype(header.dtype)
    except TypeError:
        return header.dtype


def is_safetensors_name(path: Any) -> bool:
    """Return whether a file to be written is to be a safetensors file."""
    return os.fsdecode(path).endswith(SAFETENSORS)


def save_safetensors(path: str, values: Mapping[str, Any]) -> None:
    """Write NDArrays to a safetensors file; sparse ones are written dense.

    Raises
    ------
    SubgraphError
        The format cannot take one of them; nothing is written.
    """

    def read(name: str) -> Any:
        value = values[name].as_nd_ndarray()
        array = (value if value.stype == "default" else value.tostype("default")).asnumpy()
        return array.view("uint16") if array.dtype == _BFLOAT16 else array

    headers = {name: Header(tuple(a.shape), dtype_name(a.dtype)) for name, a in values.items()}
    write_safetensors(path, headers, read)
