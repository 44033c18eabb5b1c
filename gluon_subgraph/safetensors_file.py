"""The layout of a ``.safetensors`` file: 8 bytes with the length of a JSON header, the header, the values.

The header says of each array its dtype, its shape and where its bytes begin and end. All of it is checked before any
value is looked at: the arrays have to fill the rest of the file without gap or overlap.
"""

from __future__ import annotations

import json
import math
import os
import struct
from typing import Any, BinaryIO, Callable, Mapping, NamedTuple

from .errors import SubgraphError, kind_of, shorten
from .lazy_values import CheckedFile, Header, LazyValues, check_is_file, is_too_large, joined_values, widened

__all__ = ["SAFETENSORS", "SAFETENSORS_INDEX", "open_safetensors_file", "open_safetensors_index", "write_safetensors"]

SAFETENSORS = ".safetensors"
SAFETENSORS_INDEX = ".safetensors.index.json"  # of a model in several files
_LONGEST_HEADER = 100_000_000  # what the format's own library reads
_METADATA = "__metadata__"
_DTYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "C64": "complex64", "BOOL": "bool"},
    **{
        f"{sign}{8 * size}": f"{kind}{8 * size}"
        for size in (1, 2, 4, 8)
        for sign, kind in (("I", "int"), ("U", "uint"))
    },
    **{"F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2"},
}
_BYTES = {"bfloat16": 2, "float8_e4m3": 1, "float8_e5m2": 1, "bool": 1}
_CODES = {name: code for code, name in _DTYPES.items()}


class _DamagedError(Exception):
    pass


class _Place(NamedTuple):
    start: int
    end: int


def open_safetensors_file(path: str) -> LazyValues:
    """Return the arrays of a file in the order of its header; bfloat16 is read as float32.

    Raises
    ------
    SubgraphError
        The file is missing, or is damaged.
    """
    check_is_file(path)
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            headers, places = _read_header(file, state.st_size)
    except _DamagedError as error:
        msg = f"{path!r} is not a safetensors file.\n  {error}\n  Fetch or save it again. Nothing was loaded."
        raise SubgraphError(msg) from None
    checked = CheckedFile(path, state)

    def read(name: str) -> Any:
        shape, dtype = headers[name]
        if dtype == "bfloat16":
            return widened(checked.array(places[name].start, shape or (), "<u2"))
        if dtype in _BYTES and dtype != "bool":
            msg = (
                f"{name!r} in {path!r} is of dtype {dtype}, which NumPy does not have.\n"
                "  Convert it to float16 where it was made; nothing was loaded."
            )
            raise SubgraphError(msg)
        if dtype == "bool" and (checked.array(places[name].start, shape or (), "u1") > 1).any():
            msg = (
                f"{name!r} in {path!r} is of dtype bool, and holds numbers besides 0 and 1.\n"
                "  Save it as uint8; nothing was loaded."
            )
            raise SubgraphError(msg)
        return checked.array(places[name].start, shape or (), dtype)

    return LazyValues(repr(path), headers, read)


def _read_header(file: BinaryIO, size: int) -> tuple[dict[str, Header], dict[str, _Place]]:
    """Return header and place of each array, everything checked against the size of the file."""
    begin = file.read(8)
    if len(begin) < 8:
        msg = f"It has {size} bytes."
        raise _DamagedError(msg)
    (length,) = struct.unpack("<Q", begin)
    if length > min(size - 8, _LONGEST_HEADER):
        msg = f"Its header is to have {length} bytes; the file has {size}, and a header at most {_LONGEST_HEADER}."
        raise _DamagedError(msg)
    entries = _parsed(file.read(length))
    headers, places = {}, {}
    for name, entry in entries.items():
        headers[name], place = _checked_entry(name, entry)
        places[name] = _Place(8 + length + place.start, 8 + length + place.end)
    reached = 8 + length
    for name in sorted(places, key=places.__getitem__):
        if places[name].start != reached:
            msg = f"The values of {name!r} begin at byte {places[name].start}; those before end at {reached}."
            raise _DamagedError(msg)
        reached = places[name].end
    if reached != size:
        msg = f"Its values end at byte {reached}, the file at {size}."
        raise _DamagedError(msg)
    return headers, places


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        msg = f"Its header is not JSON: {error}."
        raise _DamagedError(msg) from None
    if not isinstance(data, dict):
        msg = f"Its header is a {kind_of(data)}, no mapping of name to dtype, shape and place."
        raise _DamagedError(msg)
    data.pop(_METADATA, None)
    return data


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            msg = f"It has the key {key!r} twice."
            raise _DamagedError(msg)
        found[key] = value
    return found


def _checked_entry(name: str, entry: Any) -> tuple[Header, _Place]:
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        msg = f"The header of {name!r} lacks dtype, shape or data_offsets."
        raise _DamagedError(msg)
    dtype, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        msg = f"{name!r} is of dtype {dtype!r}; known are {', '.join(_DTYPES)}."
        raise _DamagedError(msg)
    if not _are_sizes(shape) or not _are_sizes(place) or len(place) != 2 or len(shape) > 32 or is_too_large(shape):
        msg = f"{name!r} has the shape {str(shape)[:99]} and the place {str(place)[:99]}."
        raise _DamagedError(msg)
    wanted = math.prod(shape) * _bytes_per_value(_DTYPES[dtype])
    if place[1] - place[0] != wanted:
        msg = f"{name!r} takes {place[1] - place[0]} bytes; {dtype} of shape {tuple(shape)} takes {wanted}."
        raise _DamagedError(msg)
    return Header(tuple(shape), _DTYPES[dtype]), _Place(*place)


def _are_sizes(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**63 for n in numbers)


def _bytes_per_value(dtype: str) -> int:
    return _BYTES.get(dtype) or int("".join(filter(str.isdigit, dtype))) // 8


def open_safetensors_index(path: str) -> LazyValues:
    """Return the arrays of a model in several files, which a ``model.safetensors.index.json`` lists.

    Raises
    ------
    SubgraphError
        The list is damaged, names a file outside its folder, or an array that a file lacks; a file is damaged.
    """
    check_is_file(path)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LONGEST_HEADER:
                msg = f"It has {size} bytes; such a list has at most {_LONGEST_HEADER}."
                raise _DamagedError(msg)
            file_of_name = _weight_map(_parsed(file.read(size)))
    except _DamagedError as error:
        msg = f"{path!r} is not a list of safetensors files.\n  {error}\n  Fetch or save it again. Nothing was loaded."
        raise SubgraphError(msg) from None
    folder = os.path.dirname(path)
    files = {base: open_safetensors_file(os.path.join(folder, base)) for base in dict.fromkeys(file_of_name.values())}
    gone = [name for name, base in file_of_name.items() if name not in files[base]]
    if gone:
        base = file_of_name[gone[0]]
        msg = (
            f"{len(gone)} of {len(file_of_name)} arrays that {path!r} lists are not where it says: {shorten(gone)}.\n"
            f"  {base!r} holds {len(files[base])}: {shorten(list(files[base]))}.\n"
            "  Fetch the files of the model again, all of one version; nothing was loaded."
        )
        raise SubgraphError(msg)
    return joined_values(repr(path), {name: files[base] for name, base in file_of_name.items()})


def _weight_map(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the file of each array, refused where it is not in the folder of the list."""
    file_of_name = data.get("weight_map")
    if not isinstance(file_of_name, dict) or not all(isinstance(base, str) for base in file_of_name.values()):
        msg = "It has no 'weight_map' of array to file."
        raise _DamagedError(msg)
    outside = [b for b in file_of_name.values() if b != os.path.basename(b) or "\\" in b or not b.endswith(SAFETENSORS)]
    if outside:
        msg = f"It lists {shorten(list(dict.fromkeys(outside)))}, which is no safetensors file in its folder."
        raise _DamagedError(msg)
    return file_of_name


def write_safetensors(path: str, headers: Mapping[str, Header], read: Callable[[str], Any]) -> None:
    """Write arrays to a file, one in memory at a time, listed in the order of `headers`.

    Parameters
    ----------
    path : str
        The file, which is overwritten.
    headers : mapping of str to Header
        Shape and dtype of each array.
    read : callable
        Returns the array of a name as NumPy has it, bfloat16 as unsigned integers of 16 bits.

    Raises
    ------
    SubgraphError
        The format has not such a dtype, or keeps the name for itself.
    """
    unknown = [name for name, header in headers.items() if header.dtype not in _CODES or name == _METADATA]
    if unknown:
        msg = (
            f"{unknown[0]!r} of dtype {headers[unknown[0]].dtype} cannot stand in a safetensors file.\n"
            f"  It takes {', '.join(_CODES)}, and any name but {_METADATA!r}; nothing was written."
        )
        raise SubgraphError(msg)
    # Wide numbers first, so that each array begins at a multiple of what its numbers take.
    order = sorted(headers, key=lambda name: -_bytes_per_value(str(headers[name].dtype)))
    places, reached = {}, 0
    for name in order:
        shape, dtype = headers[name]
        end = reached + math.prod(shape or ()) * _bytes_per_value(str(dtype))
        places[name] = [reached, end]
        reached = end
    entries = {
        name: {"dtype": _CODES[str(h.dtype)], "shape": list(h.shape or ()), "data_offsets": places[name]}
        for name, h in headers.items()
    }
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(read(name).tobytes())
