"""What a call is given to find or name a file by: a path, the number of an epoch."""

from __future__ import annotations

import operator
import os
from typing import Any

from .errors import SubgraphError, kind_of

__all__ = ["check_array_name", "checked_epoch", "checked_path"]

_OTHER_FORMATS = (".npz", ".json")


def checked_path(path: Any, argument: str, *, such_as: str = "net", done: str = "written") -> str:
    """Return a path as text.

    Raises
    ------
    SubgraphError
        It is none; the message says that nothing was `done`.
    """
    if isinstance(path, (str, os.PathLike)):
        return os.fsdecode(path)
    msg = (
        f"{argument}={path!r} ({kind_of(path)}) is no path.\n"
        f"  Give that of a file, such as {such_as!r}; nothing was {done}."
    )
    raise SubgraphError(msg)


def checked_epoch(epoch: Any, *, done: str = "written") -> int:
    """Return the number of an epoch, which the name of a parameter file has.

    Raises
    ------
    SubgraphError
        It is none; the message says that nothing was `done`.
    """
    try:
        number = -1 if isinstance(epoch, bool) else operator.index(epoch)
    except TypeError:
        number = -1
    if number < 0:
        msg = (
            f"epoch={epoch!r} is no number of an epoch.\n"
            "  It stands in the name of the parameter file, such as 'net-0000.params'.\n"
            f"  Give 0 or more, or leave it out; nothing was {done}."
        )
        raise SubgraphError(msg)
    return number


def check_array_name(path: str) -> None:
    """Refuse the name of a file of arrays that says it is of a format which is not written.

    Raises
    ------
    SubgraphError
        It ends so.
    """
    if path.endswith(_OTHER_FORMATS):
        msg = (
            f"{path!r} is no name for a file of arrays.\n"
            "  It would be a .params file.\n"
            "  Give a name ending in .params or .safetensors; nothing was written."
        )
        raise SubgraphError(msg)
