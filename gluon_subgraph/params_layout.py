"""The layout of a ``.params`` file, walked through without reading the values.

MXNet believes every length it finds in such a file; a wrong one makes it allocate without bound and ends the
process. Here the lengths are added up against the size of the file first.
"""

from __future__ import annotations

import array
import math
import os
import struct
from typing import BinaryIO, NamedTuple, Sequence

from .lazy_values import Header, is_too_large

__all__ = ["LIST_MAGIC", "Place", "Reader", "DamagedParamsError", "walk"]

LIST_MAGIC = 0x112
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


class Place(NamedTuple):
    """Where the record of an array is in a file, and its values, unless it is sparse or has none."""

    start: int
    end: int
    values: int | None


class DamagedParamsError(Exception):
    """The lengths in a parameter file do not add up."""


class Reader:
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
            raise DamagedParamsError(msg)
        self.left -= count

    def shape(self, axes: int, layout: str = "q") -> Sequence[int]:
        """Return the sizes of `axes` axes."""
        if not 0 <= axes <= _MOST_AXES:
            msg = f"An array has {axes} axes."
            raise DamagedParamsError(msg)
        sizes = self.numbers(layout * axes)
        if min(sizes, default=0) < 0 or is_too_large(sizes):
            msg = f"An array has the shape {sizes}."
            raise DamagedParamsError(msg)
        return sizes


def walk(reader: Reader) -> tuple[list[Header], list[Place], list[bytes]]:
    """Return the headers, places and names of a file, all its lengths checked.

    Raises
    ------
    DamagedParamsError
        They do not add up.
    """
    magic, _, count = reader.numbers("QQQ")
    if magic != LIST_MAGIC:
        msg = "It does not begin as one does."
        raise DamagedParamsError(msg)
    if count * _LEAST_BYTES > reader.left:
        msg = f"It is to hold {count} arrays, in {reader.left} bytes."
        raise DamagedParamsError(msg)
    headers, places = [], []
    for _ in range(count):
        start = reader.place
        header, values = _skip_array(reader)
        headers.append(header)
        places.append(Place(start, reader.place, values))
    name_count = reader.number("Q")
    if name_count not in (0, count):
        msg = f"It has {count} arrays and {name_count} names."
        raise DamagedParamsError(msg)
    return headers, places, [reader.text() for _ in range(name_count)]


def _skip_array(reader: Reader) -> tuple[Header, int | None]:
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
        raise DamagedParamsError(msg)


def _auxiliary_arrays(storage: int) -> int:
    if storage not in (0, 1, 2):
        msg = f"An array is stored in way {storage}; there are 0 to 2."
        raise DamagedParamsError(msg)
    return storage  # none for a dense, one for a row-sparse, two for a CSR array


def _bytes_per_value(type_number: int) -> int:
    if not 0 <= type_number < len(_BYTES_OF_TYPE):
        msg = f"An array has type {type_number}; there are 0 to {len(_BYTES_OF_TYPE) - 1}."
        raise DamagedParamsError(msg)
    return _BYTES_OF_TYPE[type_number]
