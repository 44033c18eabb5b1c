"""The layout of a ``.params`` file, walked through without reading the values; then the values, one by one.

MXNet believes every length it finds in such a file; a wrong one makes it allocate without bound and ends the
process. Here the lengths are added up against the size of the file first.
"""

from __future__ import annotations

import array
import math
import os
import shutil
import struct
from collections import Counter
from typing import Any, BinaryIO, Callable, Mapping, NamedTuple, Sequence

from .errors import SubgraphError, shorten
from .lazy_values import CheckedFile, Header, LazyValues, check_is_file, is_too_large, widened

__all__ = [
    "FILE_PREFIXES",
    "PARAMS_MAGIC",
    "Header",
    "damage_of_params_file",
    "headers_of_params_file",
    "open_params_file",
    "copy_under_new_names",
]

FILE_PREFIXES = ("arg:", "aux:")  # of the keys, as Module writes them: an argument, an auxiliary state
_LIST_MAGIC = 0x112
PARAMS_MAGIC = struct.pack("<Q", _LIST_MAGIC)  # what such a file begins with
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_MOST_AXES = 32
_LEAST_BYTES = 4  # of an array
_MOST_VALUES = 2**31 - 1  # of a sparse array, which MXNet has to make dense
_INT64 = 6
_BYTES_OF_TYPE = (4, 8, 2, 1, 4, 1, 8, 1, 2, 2, 4, 8, 2)  # of float32, float64, float16, uint8 ... bfloat16
_NAME_OF_TYPE = (
    *("float32", "float64", "float16", "uint8", "int32", "int8", "int64"),
    *("bool", "int16", "uint16", "uint32", "uint64", "bfloat16"),
)


class _Place(NamedTuple):
    """Where the record of an array is in a file, and its values, unless it is sparse or has none."""

    start: int
    end: int
    values: int | None


def damage_of_params_file(path: str) -> str | None:
    """Return what is wrong with a parameter file, None where its lengths add up."""
    try:
        with open(path, "rb") as file:
            _walk(_Reader(file, os.path.getsize(path)))
    except _DamagedError as error:
        return str(error)
    return None


def headers_of_params_file(path: str) -> dict[str, Header]:
    """Return the header of each array of a parameter file by name, in the order of the file; no value is read.

    Raises
    ------
    SubgraphError
        The file is missing, is no parameter file, or holds arrays without names.
    """
    return _opened(path)[0]


def open_params_file(path: str, read_alone: Callable[[bytes], Any]) -> LazyValues:
    """Return the arrays of a parameter file.

    Parameters
    ----------
    path : str
        A ``.params`` file, of any version of MXNet.
    read_alone : callable
        Returns the array of a parameter file that holds one: only MXNet makes sparse arrays.

    Raises
    ------
    SubgraphError
        The file is missing, is no parameter file, or holds arrays without names.
    """
    headers, places, state = _opened(path)
    file = CheckedFile(path, state)

    def read(name: str) -> Any:
        header, place = headers[name], places[name]
        if header.shape is None:
            msg = f"{name!r} in {path!r} has no value.\n  It was saved without one; nothing was loaded."
            raise SubgraphError(msg)
        if place.values is None:
            record = bytes(file.window(place.start, place.end - place.start))
            return read_alone(struct.pack("<QQQ", _LIST_MAGIC, 0, 1) + record + struct.pack("<QQ", 1, 1) + b"a")
        if header.dtype == "bfloat16":
            return widened(file.array(place.values, header.shape, "<u2"))
        return file.array(place.values, header.shape, header.dtype)

    return LazyValues(repr(path), headers, read)


def _opened(path: str) -> tuple[dict[str, Header], dict[str, _Place], os.stat_result]:
    """Return header and place of each array by name, and the state of the file they are those of."""
    check_is_file(path)
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            headers, places, names = _walk(_Reader(file, state.st_size))
        decoded = [name.decode("utf-8") for name in names]
    except (_DamagedError, UnicodeDecodeError) as error:
        msg = f"{path!r} is not an MXNet parameter file.\n  {error}\n  Nothing was loaded."
        raise SubgraphError(msg) from None
    twice = [name for name, count in Counter(decoded).items() if count > 1]
    if twice:
        msg = (
            f"{path!r} holds {len(twice)} names twice: {shorten(twice)}.\n"
            "  Nothing tells which array is meant.\n  Save each under one name; nothing was loaded."
        )
        raise SubgraphError(msg)
    if len(decoded) < len(headers):
        msg = (
            f"{path!r} holds {len(headers)} arrays without names.\n"
            "  Parameters are found by name: save a dict of name to array; nothing was loaded."
        )
        raise SubgraphError(msg)
    return dict(zip(decoded, headers)), dict(zip(decoded, places)), state


def copy_under_new_names(path: str, copy: str, new_of: Mapping[str, str]) -> None:
    """Write the arrays of a parameter file, byte for byte, to another file, where some have other names.

    The values are not looked at: whatever kind of array MXNet comes to write, it is carried over as it is.

    Parameters
    ----------
    path, copy : str
        The file to read, which `headers_of_params_file` takes, and the one to write.
    new_of : mapping of str to str
        {name in the file: other name}.
    """
    with open(path, "rb") as file, open(copy, "wb") as other:
        *_, names = _walk(_Reader(file, os.path.getsize(path)))
        arrays_end = file.tell() - sum(8 + len(name) for name in names) - 8
        file.seek(0)
        shutil.copyfileobj(file, other)
        other.truncate(arrays_end)
        other.seek(arrays_end)
        other.write(struct.pack("<Q", len(names)))
        for name in names:
            new = new_of.get(name.decode("utf-8"), name.decode("utf-8")).encode("utf-8")
            other.write(struct.pack("<Q", len(new)) + new)


class _DamagedError(Exception):
    pass


class _Reader:
    """Reads numbers of a file and skips what lies between, never past its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = self.left = size

    @property
    def place(self) -> int:
        """How many bytes have been read or skipped."""
        return self.size - self.left

    def numbers(self, layout: str) -> Sequence[int]:
        """Return the little-endian numbers of a `struct` layout."""
        layout = "<" + layout
        return struct.unpack(layout, self._take(struct.calcsize(layout)))

    def number(self, layout: str) -> int:
        """Return one number."""
        return self.numbers(layout)[0]

    def text(self) -> bytes:
        """Return the bytes of a text, which its length precedes."""
        return self._take(self.number("Q"))

    def _take(self, count: int) -> bytes:
        self._count(count)
        return self.file.read(count)

    def skip(self, count: int) -> None:
        """Step over `count` bytes."""
        self._count(count)
        self.file.seek(count, os.SEEK_CUR)

    def places(self, size: int) -> Sequence[int]:
        """Return the row or column numbers in the next `size` bytes."""
        found = array.array("q")
        found.frombytes(self._take(size // 8 * 8))
        return found

    def _count(self, count: int) -> None:
        if count > self.left:
            msg = f"It ends {count - self.left} bytes too early."
            raise _DamagedError(msg)
        self.left -= count

    def shape(self, axes: int, layout: str = "q") -> Sequence[int]:
        """Return the sizes of `axes` axes."""
        if not 0 <= axes <= _MOST_AXES:
            msg = f"An array has {axes} axes."
            raise _DamagedError(msg)
        sizes = self.numbers(layout * axes)
        if min(sizes, default=0) < 0 or is_too_large(sizes):
            msg = f"An array has the shape {sizes}."
            raise _DamagedError(msg)
        return sizes


def _walk(reader: _Reader) -> tuple[list[Header], list[_Place], list[bytes]]:
    """Return the headers, places and names of a file, all its lengths checked."""
    magic, _, count = reader.numbers("QQQ")
    if magic != _LIST_MAGIC:
        msg = "It does not begin as one does."
        raise _DamagedError(msg)
    if count * _LEAST_BYTES > reader.left:
        msg = f"It is to hold {count} arrays, in {reader.left} bytes."
        raise _DamagedError(msg)
    headers, places = [], []
    for _ in range(count):
        start = reader.place
        header, values = _skip_array(reader)
        headers.append(header)
        places.append(_Place(start, reader.place, values))
    name_count = reader.number("Q")
    if name_count not in (0, count):
        msg = f"It has {count} arrays and {name_count} names."
        raise _DamagedError(msg)
    return headers, places, [reader.text() for _ in range(name_count)]


def _skip_array(reader: _Reader) -> tuple[Header, int | None]:
    """Step over one array: format, shapes, context, types, values and, where it is sparse, their places.

    Where the values of a dense one begin is returned with its header.
    """
    magic = reader.number("I")
    auxiliary = _auxiliary_arrays(reader.number("i")) if magic in (_V2, _V3) else 0
    stored = [reader.shape(reader.number("i"))] if auxiliary else []
    if magic in (_V1, _V2, _V3):
        axes = reader.number("i")
        if axes == (-1 if magic == _V3 else 0):
            return Header(None, None), None  # an array without value
        shape = reader.shape(axes)
    elif magic == 0:
        return Header(None, None), None
    else:
        shape = reader.shape(magic, "I")  # before 1.0 an array began with its number of axes
    stored = stored or [shape]
    reader.numbers("ii")  # the context
    types = [reader.number("i")]
    for _ in range(auxiliary):
        types.append(reader.number("i"))
        stored.append(reader.shape(reader.number("i")))
    sizes = [_bytes_per_value(number) * math.prod(sizes) for number, sizes in zip(types, stored)]
    values = None if auxiliary else reader.place
    reader.skip(sizes[0])
    _check_places([reader.places(size) for size in sizes[1:]], shape, stored[0], types[1:])
    return Header(tuple(shape), _NAME_OF_TYPE[types[0]]), values


def _check_places(
    places: Sequence[Sequence[int]], shape: Sequence[int], stored: Sequence[int], types: Sequence[int]
) -> None:
    """Refuse a sparse array whose values lie outside it, `places` being row numbers, or row ends and columns."""
    if not places:
        return
    is_csr = len(places) == 2
    has_axes = len(shape) == 2 and len(stored) == 1 if is_csr else shape and stored and stored[1:] == shape[1:]
    ends = [0, *places[0], stored[0]] if is_csr and has_axes else []
    rises = (a < b for a, b in zip(places[0], places[0][1:]))  # rows, of a row-sparse array
    in_order = [ends[:2] == [0, 0] and ends[-2] == ends[-1]] if is_csr else rises
    fits = (
        has_axes
        and all(in_order)
        and math.prod(shape) < _MOST_VALUES
        and all(number == _INT64 for number in types)
        and all(0 <= k < shape[len(places) - 1] for k in places[-1])
        and (len(places) == 1 or len(ends) == shape[0] + 3)
        and ends == sorted(ends)
        and len(places[-1]) == stored[0]
    )
    if not fits:
        msg = f"The values of a sparse array of shape {tuple(shape)} lie outside it."
        raise _DamagedError(msg)


def _auxiliary_arrays(storage: int) -> int:
    if storage not in (0, 1, 2):
        msg = f"An array is stored in way {storage}; there are 0 to 2."
        raise _DamagedError(msg)
    return storage  # none for a dense, one for a row-sparse, two for a CSR array


def _bytes_per_value(type_number: int) -> int:
    if not 0 <= type_number < len(_BYTES_OF_TYPE):
        msg = f"An array has type {type_number}; there are 0 to {len(_BYTES_OF_TYPE) - 1}."
        raise _DamagedError(msg)
    return _BYTES_OF_TYPE[type_number]
