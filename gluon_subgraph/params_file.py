"""A ``.params`` file: its headers, its values one by one, a copy under new names."""

from __future__ import annotations

import os
import shutil
import struct
from collections import Counter
from typing import Any, Callable, Mapping

from .errors import SubgraphError, shorten
from .lazy_values import CheckedFile, Header, LazyValues, check_is_file, widened
from .params_layout import LIST_MAGIC, DamagedParamsError, Place, Reader, walk

__all__ = [
    "FILE_PREFIXES",
    "unmarked",
    "PARAMS_MAGIC",
    "damage_of_params_file",
    "is_params_file",
    "open_params_file",
    "copy_under_new_names",
]

FILE_PREFIXES = ("arg:", "aux:")  # of the keys, as Module writes them: an argument, an auxiliary state
PARAMS_MAGIC = struct.pack("<Q", LIST_MAGIC)  # what such a file begins with


def unmarked(key: str) -> str:
    """Return the name of the variable that a key of a file means.

    Examples
    --------
    >>> unmarked("arg:w"), unmarked("w")
    ('w', 'w')
    """
    return key[4:] if key.startswith(FILE_PREFIXES) else key


def is_params_file(path: str) -> bool:
    """Return whether a file begins as a parameter file does."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(PARAMS_MAGIC)) == PARAMS_MAGIC


def damage_of_params_file(path: str) -> str | None:
    """Return what is wrong with a parameter file, None where its lengths add up."""
    try:
        with open(path, "rb") as file:
            walk(Reader(file, os.path.getsize(path)))
    except DamagedParamsError as error:
        return str(error)
    return None


def open_params_file(path: str, read_alone: Callable[[bytes], Any]) -> LazyValues:
    """Return the arrays of a parameter file.

    Parameters
    ----------
    path : str
        A ``.params`` file, of any version of MXNet.
    read_alone : callable
        Returns the array of a parameter file that holds one, or raises SubgraphError with the reason why not: only
        MXNet makes sparse arrays.

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
            try:
                return read_alone(struct.pack("<QQQ", LIST_MAGIC, 0, 1) + record + struct.pack("<QQ", 1, 1) + b"a")
            except SubgraphError as error:
                msg = f"MXNet refuses {name!r} of {path!r}.\n  {error}\n  Save it dense; nothing was loaded."
                raise SubgraphError(msg) from None
        if header.dtype == "bfloat16":
            return widened(file.array(place.values, header.shape, "<u2"))
        return file.array(place.values, header.shape, header.dtype)

    return LazyValues(repr(path), headers, read)


def _opened(path: str) -> tuple[dict[str, Header], dict[str, Place], os.stat_result]:
    """Return header and place of each array by name, and the state of the file they are those of."""
    check_is_file(path)
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            headers, places, names = walk(Reader(file, state.st_size))
        decoded = [name.decode("utf-8") for name in names]
    except (DamagedParamsError, UnicodeDecodeError) as error:
        msg = f"{path!r} is not an MXNet parameter file.\n  {error}\n  Fetch or save it again. Nothing was loaded."
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
        The file to read, which `open_params_file` takes, and the one to write.
    new_of : mapping of str to str
        {name in the file: other name}.
    """
    with open(path, "rb") as file, open(copy, "wb") as other:
        *_, names = walk(Reader(file, os.path.getsize(path)))
        arrays_end = file.tell() - sum(8 + len(name) for name in names) - 8
        file.seek(0)
        shutil.copyfileobj(file, other)
        other.truncate(arrays_end)
        other.seek(arrays_end)
        other.write(struct.pack("<Q", len(names)))
        for name in names:
            new = new_of.get(name.decode("utf-8"), name.decode("utf-8")).encode("utf-8")
            other.write(struct.pack("<Q", len(new)) + new)
