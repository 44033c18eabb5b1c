"""The layout of an ``.npz`` file: a zip archive of one ``.npy`` file an array. Pickled objects are never loaded.

The list of the archive and the header of each array are read first, and checked against each other and the size of the
file; an array is read when it is asked for.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
import zlib
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .errors import SubgraphError, shorten
from .lazy_values import CheckedFile, Header, LazyValues, check_is_file, is_too_large

__all__ = ["open_npz_file"]

_SUFFIX = ".npy"
_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 65_536
_LOCAL_HEADER = 30  # bytes, ahead of the name of a member
_ENCRYPTED = 1
_MOST_EXPANSION = 1032  # deflate turns a byte into no more
_FIELD = {
    "descr": re.compile(r"""['"]descr['"]\s*:\s*(?:'([^']*)'|"([^"]*)"|(\[))"""),
    "fortran_order": re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)"""),
    "shape": re.compile(r"""['"]shape['"]\s*:\s*\(([\d,\s]*)\)"""),
}
_DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, ValueError, RuntimeError)


class _DamagedError(Exception):
    pass


class _Member(NamedTuple):
    """An array in the archive: its entry, what precedes its values there, and how they are laid out."""

    info: zipfile.ZipInfo
    lead: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    start: int  # of the member's bytes in the file


def open_npz_file(path: str) -> LazyValues:
    """Return the arrays of a file in its order.

    Raises
    ------
    SubgraphError
        The file is missing or damaged, holds Python objects, or promises more than it can hold.
    """
    check_is_file(path)
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            members = _members(file, state.st_size)
    except (_DamagedError, *_DAMAGES) as error:
        raise _not_an_npz(path, error) from None
    checked = CheckedFile(path, state)

    def read(name: str) -> Any:
        member = members[name]
        try:
            content = _content(checked, member)
        except SubgraphError:
            raise
        except (_DamagedError, *_DAMAGES) as error:
            raise _not_an_npz(path, f"{name!r}: {error}") from None
        return _array(member, content)

    return LazyValues(repr(path), {n: Header(m.shape, m.dtype.name) for n, m in members.items()}, read)


def _not_an_npz(path: str, reason: Any) -> SubgraphError:
    return SubgraphError(
        f"{path!r} is not an .npz file of arrays.\n  {reason}\n  Fetch or save it again. Nothing was loaded."
    )


def _members(file: BinaryIO, size: int) -> dict[str, _Member]:
    found: dict[str, _Member] = {}
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(_SUFFIX):
                msg = f"It holds {info.filename!r}, which is no {_SUFFIX} file."
                raise _DamagedError(msg)
            name = info.filename[: -len(_SUFFIX)]
            if name in found:
                msg = f"It holds {info.filename!r} twice."
                raise _DamagedError(msg)
            _check_promise(info, size)
            with archive.open(info) as opened:
                lead, shape, dtype, is_fortran = _read_npy_header(opened, info)
            found[name] = _Member(info, lead, shape, dtype, is_fortran, _start_of(info, file, size))
    return found


def _check_promise(info: zipfile.ZipInfo, size: int) -> None:
    """Refuse a member that is packed in an odd way, or that cannot hold as much as it says."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & _ENCRYPTED:
        msg = f"{info.filename!r} is encrypted, or packed in way {info.compress_type}; NumPy writes 0 and 8."
        raise _DamagedError(msg)
    packed = info.compress_size
    most = packed if info.compress_type == zipfile.ZIP_STORED else packed * _MOST_EXPANSION
    if packed > size or info.file_size > most:
        msg = f"{info.filename!r} is to have {info.file_size} bytes, packed {packed}; the file has {size}."
        raise _DamagedError(msg)


def _read_npy_header(file: Any, info: zipfile.ZipInfo) -> tuple[int, tuple[int, ...], np.dtype[Any], bool]:
    """Return the length of the header, and what it says; nothing in it is evaluated."""
    begin = file.read(12)
    if len(begin) < 12 or begin[:6] != _MAGIC or begin[6] not in (1, 2, 3):
        msg = f"{info.filename!r} does not begin as a {_SUFFIX} file does."
        raise _DamagedError(msg)
    wide = begin[6] > 1
    (length,) = struct.unpack("<I", begin[8:12]) if wide else struct.unpack("<H", begin[8:10])
    lead = (12 if wide else 10) + length
    if lead > min(_LONGEST_HEADER, info.file_size):
        msg = f"The header of {info.filename!r} is to have {length} bytes."
        raise _DamagedError(msg)
    text = (begin[12 if wide else 10 :] + file.read(max(lead - 12, 0))).decode("utf-8")
    fields = {key: pattern.findall(text) for key, pattern in _FIELD.items()}
    if any(len(values) != 1 for values in fields.values()):
        msg = f"The header of {info.filename!r} is {shorten([text[:99].strip()])}."
        raise _DamagedError(msg)
    dtype = _checked_dtype("".join(fields["descr"][0]), info.filename)
    shape = tuple([int(size) for size in fields["shape"][0].replace(",", " ").split()])
    if len(shape) > 32 or is_too_large(shape) or info.file_size != lead + math.prod(shape) * dtype.itemsize:
        msg = f"{info.filename!r} has {info.file_size} bytes, which is not what {dtype} of shape {shape} takes."
        raise _DamagedError(msg)
    return lead, shape, dtype, fields["fortran_order"][0] == "True"


def _checked_dtype(text: str, title: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(text)
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype is not None and dtype.kind in "fiubcSU" and dtype.itemsize:
        return dtype
    what = (
        "Python objects, which are pickled and may run code" if text[-1:] == "O" else f"values of dtype {text[:99]!r}"
    )
    msg = f"{title!r} holds {what}. Save arrays of numbers."
    raise _DamagedError(msg)


def _start_of(info: zipfile.ZipInfo, file: BinaryIO, size: int) -> int:
    """Return where the bytes of a member begin: behind a header, with a name and more of lengths told there."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    start = info.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", header[26:30]))
    if start + info.compress_size > size:
        msg = f"{info.filename!r} ends {start + info.compress_size - size} bytes behind the file."
        raise _DamagedError(msg)
    return start


def _content(checked: CheckedFile, member: _Member) -> Any:
    """Return the bytes of a member, unpacked and compared with its checksum."""
    info = member.info
    content: Any = checked.window(member.start, info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
        content = unpacking.decompress(content, info.file_size + 1)  # a byte more tells that there are more
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        msg = "The values are not those that were saved: length or checksum differ."
        raise _DamagedError(msg)
    return content


def _array(member: _Member, content: Any) -> Any:
    shape = member.shape[::-1] if member.is_fortran else member.shape
    values = np.frombuffer(content, member.dtype, math.prod(shape), member.lead).reshape(shape)
    if member.is_fortran:
        values = values.T
    return values if member.dtype.isnative else values.astype(member.dtype.newbyteorder("="))
