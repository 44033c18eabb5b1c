"""What is read of a file, and when: headers to plan with, the values that are bound, nothing else."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import os
import struct
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from array_files import SAVES, numpy_of, save_by_safetensors, save_params
from samples import convolutional

from gluon_subgraph.lazy_values import CheckedFile, widened

each_format = pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
IN_PLACE = pytest.mark.parametrize("save", [save_params, save_by_safetensors])


@IN_PLACE
def test_binding_two_of_fifty_reads_only_their_bytes(tmp_path: Path, save: Any, monkeypatch: Any) -> None:
    arrays = {f"a{i:02}": np.full((7, i + 1), i, "float32") for i in range(50)}
    save(tmp_path / "x", arrays)
    plan = gs.match_params({n: mx.nd.zeros(arrays[n].shape) for n in ("a03", "a30")}, tmp_path / "x")
    read: list[int] = []
    window = CheckedFile.window
    monkeypatch.setattr(
        CheckedFile, "window", lambda self, start, count: read.append(count) or window(self, start, count)
    )
    target = {n: mx.nd.zeros(arrays[n].shape) for n in ("a03", "a30")}
    gs.bind_params(target, tmp_path / "x", ignore_extra=True)
    assert plan.mapping == {"a03": "a03", "a30": "a30"}
    assert sorted(read) == [arrays[n].nbytes for n in ("a03", "a30")]
    assert [a.asnumpy().max() for a in target.values()] == [3, 30]


@each_format
def test_planning_reads_no_value(tmp_path: Path, save: Any, monkeypatch: Any) -> None:
    net = convolutional()
    save(tmp_path / "x", numpy_of(net))
    monkeypatch.setattr(CheckedFile, "window", lambda *_: pytest.fail("a value was read"))
    assert gs.match_params(net, tmp_path / "x").is_complete
    assert gs.match_params(net, gs.load(tmp_path / "x")).is_complete


def test_reading_a_little_of_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    with open(tmp_path / "x.safetensors", "wb") as file:  # a sparse file of 64 GB
        header = b'{"small":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
        header += b'"big":{"dtype":"F32","shape":[17179869184],"data_offsets":[8,68719476744]}}'
        file.write(struct.pack("<Q", len(header)) + header + np.array([1, 2], "<f4").tobytes())
        file.truncate(8 + len(header) + 68719476744)
    loaded = gs.load(tmp_path / "x.safetensors")
    assert loaded["small"].tolist() == [1, 2]
    assert loaded.headers["big"] == ((17179869184,), "float32")


@IN_PLACE
@pytest.mark.parametrize("how", ["shorter", "other", "gone"])
def test_file_changed_since_it_was_opened_is_refused(tmp_path: Path, save: Any, how: str) -> None:
    path = tmp_path / "x"
    save(path, {"a": np.ones(20_000, "float32"), "b": np.ones(3, "float32")})
    before, after = gs.load(path), gs.load(path)
    assert before["b"].tolist() == [1, 1, 1]
    if how == "shorter":
        os.truncate(path, 5000)
    else:
        path.unlink()
        if how == "other":
            save(path, {"a": np.zeros(20_000, "float32"), "b": np.zeros(3, "float32")})
    with pytest.raises(gs.SubgraphError, match="(?s)has changed, or has gone.*Open it again; nothing was loaded"):
        after["a"]
    with pytest.raises(gs.SubgraphError, match="has changed"):
        before["a"]


@each_format
def test_values_print_as_a_table_in_the_order_of_the_file(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "x", {"a": np.ones((2, 3), "float32"), "long": np.ones(2, "float32")})
    lines = str(gs.load(tmp_path / "x")).splitlines()
    assert lines[0] == f"LazyValues of {str(tmp_path / 'x')!r}: 2 arrays"
    assert lines[1:] == ["  a     float32  (2, 3)", "  long  float32  (2,)"]


@each_format
def test_file_damaged_after_the_plan_was_made_leaves_the_target_alone(tmp_path: Path, save: Any) -> None:
    net = convolutional()
    save(tmp_path / "x", numpy_of(net))
    target = convolutional(seed=3)
    plan = gs.match_params(target, tmp_path / "x")
    before = numpy_of(target)
    os.truncate(tmp_path / "x", (tmp_path / "x").stat().st_size - 1)
    with pytest.raises(gs.SubgraphError, match="(?s)is not an? .*Nothing was loaded"):
        gs.bind_params(target, plan)
    assert [a.tobytes() for a in numpy_of(target).values()] == [a.tobytes() for a in before.values()]


@pytest.mark.parametrize("how", ["save_parameters", "ParameterDict.save", "export", "save_checkpoint"])
def test_file_of_every_naming_of_mxnet_binds_completely(tmp_path: Path, how: str) -> None:
    source, target = convolutional(seed=2), convolutional(prefix="other_", seed=1)
    path = str(tmp_path / "x")
    if how == "save_parameters":
        source.save_parameters(path)
    elif how == "ParameterDict.save":
        source.collect_params().save(path)
    elif how == "export":
        source.hybridize()
        source(mx.nd.ones((1, 3, 8, 8)))
        source.export(path)
        path += "-0000.params"
    else:
        parameters = {n: p.data() for n, p in source.collect_params().items()}
        mx.model.save_checkpoint(path, 3, source(mx.sym.var("data")), parameters, {})
        path += "-0003.params"
    assert gs.bind_params(target, path).is_complete
    assert [a.tobytes() for a in numpy_of(target).values()] == [a.tobytes() for a in numpy_of(source).values()]


def _rewritten(path: Any, first: Any, second: Any) -> Any:
    """Return the arrays of a file from which one was read before it was written again."""
    mx.nd.save(str(path), first)
    values = gs.load(path)
    held = values["a"]
    before = held.copy()
    mx.nd.save(str(path), second)
    mx.nd.waitall()
    assert held.tolist() == before.tolist()  # what was read is a copy
    return values


def test_file_that_was_written_again_after_a_read_is_refused(tmp_path: Any) -> None:
    one, two = mx.nd.array([1, 2]), mx.nd.array([3, 4])
    values = _rewritten(tmp_path / "s.params", {"a": one, "b": two}, {"b": two, "a": one})
    with pytest.raises(gs.SubgraphError, match="has changed, or has gone"):
        values["a"]


def test_array_of_a_file_that_was_cut_off_can_still_be_used(tmp_path: Any) -> None:
    long, short = mx.nd.ones(100_000), mx.nd.ones(3)
    values = _rewritten(tmp_path / "s.params", {"a": long}, {"a": short})
    with pytest.raises(gs.SubgraphError, match="has changed, or has gone"):
        values["a"]


def test_relative_path_is_that_of_the_folder_in_which_it_was_opened(tmp_path: Any, monkeypatch: Any) -> None:
    mx.nd.save(str(tmp_path / "s.params"), {"a": mx.nd.array([1, 2])})
    monkeypatch.chdir(tmp_path)
    values = gs.load("s.params")
    monkeypatch.chdir("/")
    assert values["a"].tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3)], ids=str)
def test_widened_numbers_keep_their_shape_and_cannot_be_written(shape: tuple[int, ...]) -> None:
    wide = widened(np.full(shape, 0x3FC0, "uint16"))
    assert (wide.shape, wide.dtype, wide.flags.writeable) == (shape, np.float32, False)
    assert np.array_equal(wide, np.full(shape, 1.5, "float32"))


@pytest.mark.parametrize("shape", [(), (2,), (0, 2)], ids=str)
def test_array_of_a_file_cannot_be_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(8))
    array = CheckedFile(str(path), os.stat(path)).array(0, shape, "float32")
    assert (array.shape, array.flags.writeable) == (shape, False)
