"""Files written beside the place they are for, and renamed when they are whole."""

from __future__ import annotations

import os
import secrets
import stat
from typing import Callable, Mapping

from .errors import SubgraphError

__all__ = ["check_place", "write_beside", "write_bytes", "write_text"]

_MOST_OF_NAME = 40  # characters of a name that the temporary file has, too: names have an end


def write_text(name: str, text: str) -> None:
    """Write a text file."""
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def write_bytes(name: str, content: bytes) -> None:
    """Write a file of bytes."""
    with open(name, "wb") as file:
        file.write(content)


def write_beside(writers: Mapping[str, Callable[[str], None]]) -> None:
    """Call the writer of each path with a new name in the same folder; rename the files when all are written.

    A file that is replaced keeps its permissions, and a link stays one.

    Raises
    ------
    SubgraphError
        A path cannot be written to.
    """
    for path in writers:
        check_place(path)
    made: dict[str, str] = {}
    try:
        for path, write in writers.items():
            mode = _mode_of(path)
            made[path] = _new_beside(path, is_private=mode is not None)
            write(made[path])
            if mode is not None:
                os.chmod(made[path], mode)
        for path in writers:
            os.replace(made[path], os.path.realpath(path))
            del made[path]
    finally:
        for name in made.values():
            os.unlink(name)


def check_place(path: str) -> None:
    """Refuse a path that is no place for a file, or whose folder does not exist or cannot be written to.

    Raises
    ------
    SubgraphError
        It is; nothing has been written.
    """
    path = os.fsdecode(path)
    flaw, way = _flaw_of_name(path) or _flaw_of_place(os.path.realpath(path), path) or ("", "")
    if flaw:
        msg = f"{flaw}.\n  {way}; nothing was written."
        raise SubgraphError(msg)


def _flaw_of_name(path: str) -> tuple[str, str] | None:
    name = os.path.basename(path)
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return f"{path!r} is no text that can be written as UTF-8", "Give another name"
    if "\0" in path:
        return f"{path!r} has a null character", "Give a name without"
    if not name:
        return f"{path!r} names no file", "Give the name of a file"
    return (f"the name {name[:20]!r}... has {length} bytes", "Give one of at most 255") if length > 255 else None


def _flaw_of_place(place: str, path: str) -> tuple[str, str] | None:
    folder = os.path.dirname(place)
    if os.path.isdir(place):
        return f"{path!r} is a folder", "Give the name of a file in it"
    if os.path.exists(place) and not stat.S_ISREG(os.stat(place).st_mode):
        return f"{path!r} is a device, a pipe or a socket, which a file would take the place of", "Give another name"
    if not os.path.isdir(folder):
        return f"there is no folder {folder!r} to write {path!r} to", f"Call os.makedirs({folder!r}) first"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder!r} cannot be written to", "Give another, or change its permissions"
    return None


def _mode_of(path: str) -> int | None:
    """Return the permissions of the file that is replaced, None where there is none."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None


def _new_beside(path: str, *, is_private: bool) -> str:
    """Make an empty file beside `path` and return its name; one that is not private is as any new file.

    The system applies the mask of the process itself: to read it is to change it, for a moment and for all threads.
    """
    folder, base = os.path.split(os.path.realpath(path))
    name = os.path.join(folder, f"{base[:_MOST_OF_NAME]}.{secrets.token_hex(8)}")
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if is_private else 0o666))
    return name
