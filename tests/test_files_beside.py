"""Files are replaced whole or not at all, and nothing but files is replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from samples import layers

from gluon_subgraph.files_beside import check_place, write_beside
from gluon_subgraph.storage import save_arrays


def test_file_keeps_its_permissions_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("before")
    old.chmod(0o640)
    write_beside({str(path): lambda name: Path(name).write_text("after") for path in (old, new)})
    mask = os.umask(0)
    os.umask(mask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o640, 0o666 & ~mask]
    assert old.read_text() == new.read_text() == "after"
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


@pytest.mark.parametrize("fails", [0, 1])
def test_failure_of_either_writer_leaves_both_files_as_they_were(tmp_path: Path, fails: int) -> None:
    def fail(name: str) -> None:
        Path(name).write_text("half")
        raise OSError("full")

    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("before")
    writers = {str(path): fail if i == fails else (lambda name: None) for i, path in enumerate(paths)}
    with pytest.raises(OSError, match="full"):
        write_beside(writers)
    assert [path.read_text() for path in paths] == ["before", "before"]
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_parameter_file_cut_off_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "p.params")
    save_arrays(path, {"a": mx.nd.ones((9, 9))})
    before = Path(path).read_bytes()
    save = mx.nd.save

    def cut_off(name: str, arrays: dict) -> None:
        save(name, arrays)
        os.truncate(name, os.path.getsize(name) - 5)

    monkeypatch.setattr(mx.nd, "save", cut_off)
    with pytest.raises(gs.SubgraphError, match="Is the disk full"):
        save_arrays(path, {"a": mx.nd.zeros((9, 9))})
    with pytest.raises(gs.SubgraphError, match="Is the disk full"):
        gs.extract(layers(), "data", "dense1_fwd").save(path[: -len(".params")])
    assert Path(path).read_bytes() == before
    assert os.listdir(tmp_path) == ["p.params"]


def test_what_is_no_place_for_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in [
        ("pipe", "is a device, a pipe or a socket"),
        ("", "names no file"),
        ("a\0b", "null character"),
        ("\udfff", "no text that can be written as UTF-8"),
        ("n" * 256, "has 256 bytes"),
        ("no/such", "there is no folder"),
    ]:
        with pytest.raises(gs.SubgraphError, match=message):
            check_place(os.path.join(tmp_path, name))
    with pytest.raises(gs.SubgraphError, match="is a folder"):
        check_place(str(tmp_path))
    write_beside({str(tmp_path / ("n" * 255)): lambda name: None})


def test_new_file_takes_the_mask_of_now_and_never_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o077)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")
            write_beside({str(tmp_path / "new"): lambda name: Path(name).write_text("after")})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
