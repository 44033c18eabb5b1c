"""What the commands print: tables for people, one JSON object for programs, and what was written with its size."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from typing import Any, Iterable, Sequence

from .command_errors import printable
from .tables import Table

__all__ = ["print_lines", "print_table", "print_json", "print_read", "print_files", "files_data"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout; whoever closes the other end of a pipe early has had enough, and is no error."""
    text = "".join(f"{printable(line)}\n" for line in lines)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _close_stdout()
        if not isinstance(error, BrokenPipeError):
            error.filename = "stdout"
            raise


def _close_stdout() -> None:
    """Send what is left of stdout nowhere: Python would fail on it once more at exit, with a status of its own."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return  # stdout is no file, or is closed


def print_table(table: Table) -> None:
    """Print a table, as wide as it is; in a terminal, no wider than that."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    rows = [[printable(str(cell)) for cell in row] for row in table.rows]  # longer than they were: before widths
    print_lines(replace(table, rows=rows).lines(width))


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object; a character that is not ASCII as its number, so that every terminal and pipe takes it."""
    print_lines([json.dumps(data)])


def files_data(files: Sequence[str]) -> dict[str, Any]:
    """Return the entries of a JSON object that say what was written."""
    return {"files": list(files), "bytes": sum(os.path.getsize(file) for file in files)}


def print_read(*files: str) -> None:
    """Print which files were read: they are found by what their names begin with."""
    print_lines([f"read {', '.join(files)}"])


def print_files(files: Sequence[str]) -> None:
    """Print which files were written, and their sizes."""
    print_lines(f"wrote {file} ({_size_text(os.path.getsize(file))})" for file in files)


def _size_text(size: int) -> str:
    """Return a number of bytes as people read it.

    Examples
    --------
    >>> _size_text(999), _size_text(46_800_000)
    ('999 bytes', '46.8 MB')
    """
    value, unit = float(size), 0
    while value >= 999.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} bytes"
