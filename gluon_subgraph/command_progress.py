"""Progress bars for reading and writing arrays: on stderr, only in a terminal, only where it takes a second."""

from __future__ import annotations

import contextlib
import glob
import math
import os
import sys
import threading
from types import TracebackType
from typing import Any, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from .lazy_values import Header, LazyValues
from .value_files import dtype_of, ndarray_of, open_values_file

__all__ = ["Progress"]

_DELAY = 1.0
_BETWEEN_LOOKS = 0.2


class Progress:
    """The bars of one command: what it reads through this, and writes under it, shows how far it is.

    It is a context; at its end the bars are gone from the terminal, and what is printed does not meet them.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "x.params")
    >>> mx.nd.save(path, {"a": mx.nd.ones(2)})
    >>> with Progress() as progress:
    ...     progress.opened(path)["a"].tolist()
    [1.0, 1.0]
    """

    def __init__(self) -> None:
        self._bars: list[Any] = []

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def _close(self) -> None:
        for bar in self._bars:
            bar.close()
        self._bars.clear()

    def opened(self, path: str, *, in_part: bool = False) -> LazyValues:
        """Return the arrays of a file; with `in_part` nothing is said of how much there is to be read.

        Raises
        ------
        SubgraphError
            The file is missing, damaged or of an unknown format.
        """
        values = open_values_file(path)
        sizes = {name: _size_of(header) for name, header in values.headers.items()}
        bar = self._bar(f"reading {os.path.basename(path)}", None if in_part else sum(sizes.values()))

        def read(name: str) -> Any:
            with _named(path):
                value = values[name]
            bar.update(sizes[name])
            return value

        return LazyValues(values.title, values.headers, read)

    def read(self, path: str) -> dict[str, Any]:
        """Return the arrays of a file as NDArrays, all of them read.

        Raises
        ------
        SubgraphError
            The file is missing, damaged, of an unknown format, or changes while it is read.
        """
        values = self.opened(path)
        arrays = {name: ndarray_of(values[name], header) for name, header in values.headers.items()}
        self._close()
        return arrays

    @contextlib.contextmanager
    def writing(self, files: Sequence[str], total: int | None = None) -> Iterator[None]:
        """Show how much of `files` is written while the block runs.

        MXNet writes a file in one call, which says nothing of how far it is; what grows is a new file beside the one
        that is meant, and its size is looked at.
        """
        if not sys.stderr.isatty():
            with _named(" or ".join(files)):
                yield
            return
        self._close()  # one bar at a time: two would need two lines
        bar = self._bar(f"writing {os.path.basename(files[0])}", total)
        before = _beside(files).keys()
        done = threading.Event()

        def look() -> None:
            while not done.wait(_BETWEEN_LOOKS):
                size = sum(size for name, size in _beside(files).items() if name not in before)
                bar.update(max(size - bar.n, 0))

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            with _named(" or ".join(files)):
                yield
        finally:
            done.set()
            watcher.join()

    def _bar(self, title: str, total: int | None) -> Any:
        bar = tqdm(
            desc=title,
            total=total,
            unit="B",
            unit_scale=True,
            delay=_DELAY,
            mininterval=_BETWEEN_LOOKS,
            leave=False,
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
        )
        self._bars.append(bar)
        return bar


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Add the file to an error of the system that does not tell it: a disk is full when a file is written to."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = file
        raise


def _size_of(header: Header) -> int:
    """Return how many bytes an array takes of which a file says shape and dtype, 0 where it does not."""
    try:
        return math.prod(header.shape or ()) * np.dtype(dtype_of(header)).itemsize if header.shape is not None else 0
    except TypeError:
        return 0  # of a dtype that NumPy has not: whoever reads it says so


def _beside(files: Sequence[str]) -> dict[str, int]:
    """Return the size of each file that is called like one of `files` and more."""
    sizes = {}
    for file in files:
        for name in glob.glob(glob.escape(os.path.realpath(file)) + ".*"):
            with contextlib.suppress(OSError):  # it has its final name by now
                sizes[name] = os.path.getsize(name)
    return sizes
