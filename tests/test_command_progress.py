"""Bars are for terminals, and for what takes long; a table fits the terminal it is printed in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import termios
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import pytest
from command_calls import Called, call, saved

from gluon_subgraph import command_progress, storage
from gluon_subgraph.lazy_values import LazyValues


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[Any, list[bytes]]]:
    """Return a terminal to be written to, and what it shows; all of it once the context is left."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    shown: list[bytes] = []

    def watch() -> None:
        with contextlib.suppress(OSError):  # nobody has it open any more
            while True:
                shown.append(os.read(master, 4096))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with open(slave, "w", encoding="utf-8") as file:
        yield file, shown
    watcher.join()
    os.close(master)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each array take a third of a second to be read, and each file a second and a half to be written."""
    open_file, write = command_progress.open_values_file, storage.write_arrays

    def opened(path: str) -> LazyValues:
        values = open_file(path)

        def read(name: str) -> Any:
            time.sleep(0.35)
            return values[name]

        return LazyValues(values.title, values.headers, read)

    def written(name: str, values: Any) -> None:
        write(name, values)
        time.sleep(1.5)

    monkeypatch.setattr(command_progress, "open_values_file", opened)
    monkeypatch.setattr(storage, "write_arrays", written)


def _extracted(folder: Path) -> tuple[Called, str]:
    """Extract a piece where stderr is a terminal; return also what that shows."""
    with _terminal() as (terminal, shown):
        called = call("extract", folder / "net", folder / "new", "data", "dense0_fwd", err=terminal)
    return called, b"".join(shown).decode()


@pytest.mark.usefixtures("slow")
def test_long_reads_and_writes_show_bars_in_a_terminal(tmp_path: Path) -> None:
    saved(tmp_path)
    called, shown = _extracted(tmp_path)
    assert called.status == 0
    assert "reading net-0000.params" in shown
    assert "writing new-0000.params" in shown
    assert shown.rpartition("\r")[2].strip() == ""  # the bars are taken away
    assert called.out.splitlines()[-1].startswith("wrote ")


@pytest.mark.usefixtures("slow")
def test_long_reads_show_nothing_where_stderr_is_no_terminal(tmp_path: Path) -> None:
    saved(tmp_path)
    called = call("extract", tmp_path / "net", tmp_path / "new", "data", "dense0_fwd", is_terminal=True)
    assert (called.status, called.err) == (0, "")


def test_short_reads_show_nothing(tmp_path: Path) -> None:
    saved(tmp_path)
    called, shown = _extracted(tmp_path)
    assert (called.status, shown) == (0, "")


def test_bar_is_gone_before_an_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    monkeypatch.setattr(command_progress, "_DELAY", 0)
    with _terminal() as (terminal, shown):
        called = call("extract", tmp_path / "net", tmp_path / "new", "data", "dense1_fwd", err=terminal)
    assert called.status == 2
    assert b"".join(shown).decode().rpartition("Error: ")[0].rpartition("\r")[2].strip() == ""


def test_table_is_as_wide_as_the_terminal_and_whole_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path, prefix="a_network_with_a_long_name_")
    monkeypatch.setenv("COLUMNS", "60")
    whole = call("nodes", tmp_path / "net").out.splitlines()[1:]  # without what was read
    fitted = call("nodes", tmp_path / "net", is_terminal=True).out.splitlines()[1:]
    assert max(map(len, whole)) > 60 >= max(map(len, fitted))
    pair = str(tmp_path / "net-symbol.json"), str(tmp_path / "net-0000.params")
    assert whole == str(gs.list_nodes(pair)).splitlines()
    assert len(fitted) == len(whole)
    assert "\x1b" not in "".join(fitted)
