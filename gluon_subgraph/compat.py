"""What a current Python or NumPy needs before `import mxnet`.

mxnet 1.9.1 was released for Python 3.8 and NumPy 1.19. Two things it relies on are gone since:

- `numpy.bool`, removed in NumPy 1.24. mxnet reads it whenever an array is indexed, so it is put back for
  good, as the plain `bool` it used to be. NumPy 2 has a `numpy.bool` of its own, which is left alone.
- `distutils.version`, removed from the standard library in Python 3.12. mxnet takes two classes from it
  while it is imported and none later, so a stand-in exists for just that long: a permanent one would tell
  every other package that `distutils` is there.

Where nothing is missing, nothing is touched. `import gluon_subgraph` calls `prepare` first of all, hence
`import gluon_subgraph` before `import mxnet` is all a script has to do.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import sys
import types
import warnings
from typing import Any, Iterator

import numpy as np

__all__ = ["prepare"]

_DISTUTILS_GONE = (3, 12)
_STAND_INS = ("distutils", "distutils.version")


def prepare() -> None:
    """Import mxnet, with what it misses on this Python and NumPy in place.

    Calling it again changes nothing.

    Raises
    ------
    ImportError
        mxnet is not installed, or does not load on this machine.

    Examples
    --------
    >>> prepare()
    >>> import mxnet
    >>> mxnet.__version__
    '1.9.1'
    """
    _restore_bool(np)
    if "mxnet" in sys.modules:
        return
    stand_in = _distutils_stand_in() if sys.version_info >= _DISTUTILS_GONE else contextlib.nullcontext()
    with stand_in:
        importlib.import_module("mxnet")


def _restore_bool(numpy: Any) -> None:
    """Set `numpy.bool` to the builtin where reading it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy 1.20 to 1.26 warn when the name is read
        missing = not hasattr(numpy, "bool")
    if missing:
        numpy.bool = bool


@contextlib.contextmanager
def _distutils_stand_in() -> Iterator[None]:
    """Let `distutils.version` be imported inside the block, and leave `sys.modules` as it was."""
    before = {name: sys.modules[name] for name in _STAND_INS if name in sys.modules}
    package, version = (types.ModuleType(name) for name in _STAND_INS)
    package.version = version  # type: ignore[attr-defined]
    version.StrictVersion = version.LooseVersion = _Version  # type: ignore[attr-defined]
    sys.modules.update(zip(_STAND_INS, (package, version)))
    try:
        yield
    finally:
        for name in _STAND_INS:
            del sys.modules[name]
        sys.modules.update(before)


@functools.total_ordering
class _Version:
    """A version that compares by its numbers: all that mxnet does with one."""

    def __init__(self, text: str) -> None:
        self.numbers = tuple(int(digits) for digits in re.findall(r"\d+", text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Version) and self.numbers == other.numbers

    def __lt__(self, other: _Version) -> bool:
        return self.numbers < other.numbers

    def __hash__(self) -> int:
        return hash(self.numbers)
