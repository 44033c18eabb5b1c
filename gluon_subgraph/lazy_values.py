"""The arrays of a file by name: shapes and dtypes at hand, values read one by one when they are asked for."""

from __future__ import annotations

import math
import os
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np

from .errors import SubgraphError

__all__ = [
    "Header",
    "LazyValues",
    "CheckedFile",
    "check_is_file",
    "dtype_name",
    "is_too_large",
    "joined_values",
    "widened",
]


class Header(NamedTuple):
    """What a file says of one array ahead of its values; None where the array has no value."""

    shape: tuple[int, ...] | None
    dtype: str | None


class LazyValues(Mapping[str, Any]):
    """A mapping of name to array; an array is read when it is asked for, each time anew, and never kept.

    What comes back is a NumPy array that cannot be written; an NDArray where it is sparse. A file that has changed
    since it was opened is refused.

    Parameters
    ----------
    title : str
        What messages call the file.
    headers : mapping of str to Header
        Shape and dtype of each array, in the order of the file.
    read : callable
        Returns the array of a name.

    Examples
    --------
    >>> values = LazyValues("'x.npz'", {"a": Header((2,), "float32")}, lambda name: np.ones(2, "float32"))
    >>> values
    LazyValues of 'x.npz': 1 array
      a  float32  (2,)
    >>> values["a"].tolist()
    [1.0, 1.0]
    """

    def __init__(self, title: str, headers: Mapping[str, Header], read: Callable[[str], Any]) -> None:
        self.title = title
        self.headers = dict(headers)
        self._read = read

    def __getitem__(self, name: str) -> Any:
        if name not in self.headers:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name: Any) -> bool:
        return name in self.headers

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)

    def __repr__(self) -> str:
        count = len(self.headers)
        width = max(map(len, self.headers), default=0)
        kinds = max((len(str(header.dtype)) for header in self.headers.values()), default=0)
        lines = [f"  {name:{width}}  {str(h.dtype):{kinds}}  {h.shape}" for name, h in self.headers.items()]
        return "\n".join([f"LazyValues of {self.title}: {count} array{'s' if count != 1 else ''}", *lines])


def joined_values(title: str, parts: Mapping[str, LazyValues]) -> LazyValues:
    """Return the arrays of several files as one mapping; `parts` says which file each name is read from."""
    return LazyValues(title, {name: part.headers[name] for name, part in parts.items()}, lambda name: parts[name][name])


def check_is_file(path: str) -> None:
    """Refuse a path at which there is no file.

    Raises
    ------
    SubgraphError
        There is none.
    """
    if not os.path.isfile(path):
        msg = f"no file {path!r}.\n  Give the path of an existing file; nothing was loaded."
        raise SubgraphError(msg)


class CheckedFile:
    """The bytes of a file, read part by part, as long as it is the one whose list of arrays was checked.

    The parts are copies. Memory that a file is mapped into changes when somebody writes the file, and is gone, with the
    process, when somebody cuts it off: MXNet's own saving does both.

    Parameters
    ----------
    path : str
        A file that has just been checked.
    state : os.stat_result
        What `os.fstat` said of it then.
    """

    def __init__(self, path: str, state: os.stat_result) -> None:
        self._path = os.path.abspath(path)
        self._title = path
        self._state = _key_of(state)

    def window(self, start: int, count: int) -> memoryview:
        """Return `count` bytes from `start` on, which lie inside the file.

        Raises
        ------
        SubgraphError
            The file is no longer the one that was checked.
        """
        try:
            with open(self._path, "rb") as file:
                before = _key_of(os.fstat(file.fileno()))
                file.seek(start)
                content = file.read(count)
                after = _key_of(os.fstat(file.fileno()))
        except OSError:
            raise self._has_changed() from None
        if not before == after == self._state or len(content) < count:
            raise self._has_changed()
        return memoryview(content)

    def array(self, start: int, shape: Sequence[int], dtype: Any) -> Any:
        """Return the array of this shape and dtype that begins at `start`; it cannot be written.

        Raises
        ------
        SubgraphError
            The file is no longer the one that was checked.
        """
        count = math.prod(shape)
        if not count:
            return _unwritable(np.zeros(shape, dtype))
        return np.frombuffer(self.window(start, count * np.dtype(dtype).itemsize), dtype).reshape(shape)

    def _has_changed(self) -> SubgraphError:
        return SubgraphError(
            f"{self._title!r} has changed, or has gone, since its list of arrays was read.\n"
            "  Open it again; nothing was loaded."
        )


def _key_of(state: os.stat_result) -> tuple[int, ...]:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def is_too_large(shape: Sequence[int], itemsize: int = 16) -> bool:
    """Return whether NumPy cannot make an array of this shape, even an empty one.

    Examples
    --------
    >>> is_too_large((2**62, 0)), is_too_large((3, 0))
    (True, False)
    """
    return math.prod([size for size in shape if size]) * itemsize >= 2**63


def widened(array: Any) -> Any:
    """Return bfloat16 numbers, given as unsigned integers of 16 bits, as float32, exactly; they cannot be written.

    Examples
    --------
    >>> widened(np.array([0x3FC0], "uint16")).tolist()
    [1.5]
    """
    flat = array.reshape(-1)  # shifted as it is, an array of no axes becomes a scalar of another type
    return _unwritable((flat.astype("uint32") << 16).view("float32").reshape(array.shape))


def _unwritable(array: Any) -> Any:
    array.flags.writeable = False
    return array


def dtype_name(dtype: Any) -> str | None:
    """Return the name of a dtype of NumPy, MXNet or another library; None stands for one not known.

    Examples
    --------
    >>> import numpy as np
    >>> dtype_name(np.float16), dtype_name("int8")
    ('float16', 'int8')
    """
    if dtype is None:
        return None
    try:
        known = np.dtype(dtype)
    except TypeError:
        return str(dtype).rpartition(".")[2]  # torch.float32
    return known.names[0] if known.names else known.name  # MXNet's bfloat16 is a record of one field
