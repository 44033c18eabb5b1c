"""How the command line refuses: options that contradict, names for OUT, what nobody foresaw; in its own words."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from command_calls import call, saved

from gluon_subgraph import command_cutting, storage
from gluon_subgraph.command_errors import told_on_terminal
from gluon_subgraph.command_line import main
from gluon_subgraph.command_output import print_table
from gluon_subgraph.lazy_values import Header, LazyValues
from gluon_subgraph.tables import Table


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of a network, and go there."""
    saved(tmp_path)
    Path(tmp_path / "arch-symbol.json").write_bytes(Path(tmp_path / "net-symbol.json").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nodes", "net", "--epoch", "0", "--params", "net-0000.params"], "--epoch and --params both say"),
        (["match", "net", "net", "--source-epoch", "0", "--source-params", "x"], "--source-epoch and --source-params"),
        (["nodes", "net", "--shape", "data=1,3,8,8", "--shape", "data=2,3,8,8"], "'data' is to have two shapes"),
        (["match", "arch", "net", "--shape", "data=1", "--shape", "data=2"], "'data' is to have two shapes"),
        (["bind", "arch", "net", "new.npz"], "'new.npz' is the name of one file, and two are written"),
        (["bind", "arch", "net", "new.json"], "ends in .params or .safetensors"),
        (["bind", "arch", "net", "new/"], "'new/' is a folder"),
        (["bind", "arch", "net", "new\udcff"], "has bytes that are no UTF-8"),
        (["extract", "net", "new.params", "data", "relu0_fwd"], "Give what both begin with: 'new'"),
        (["rename", "net", "new.safetensors", "q_"], "is the name of one file, and two are written"),
        (["onnx", "net", "new.json", "--shape", "data=1,3,8,8"], "does not end in '.onnx'"),
        (["plot", "net", "new\udcff.dot"], "has bytes that are no UTF-8"),
        (["match", "net", "net", "--pair", "zork=n_conv0_bias"], "--pair names 'zork'"),
        (["match", "net", "net", "--skip", "zork"], "`gluon-subgraph match TARGET SOURCE` shows the names"),
        (["match", "net", "net", "--skip", "zork"], "nothing was written."),
        (["nodes", "net", "--shape", "dta=1"], "Error: --shape names 'dta'"),
        (["nodes", "net", "--shape", "dta=1"], "Give --shape INPUT=SIZES"),
        (["nodes", "net", "--shape", "data=9999999999"], "such as --shape data=1,3,224,224; 0 is"),
        (
            ["plot", "net", "new.dot", "--source-params", "x.params"],
            "--source-params says which parameters of --source",
        ),
        (["plot", "net", "new.dot", "--source-epoch", "0"], "--source-epoch says which parameters of --source"),
        (
            ["plot", "net", "new.dot", "--source", "net", "--shape", "data=1,3,8,8", "--expand", "a"],
            "--source is given together with --expand, --shape,",
        ),
        (
            ["plot", "net", "new.dot", "--source", "net", "--inputs", "data", "--outputs", "relu0_fwd"],
            "--source is given together with --inputs and --outputs,",
        ),
        *((["extract", "net", f"new{e}", "data", "relu0_fwd"], "two are written") for e in (".pt", ".pth", ".bin")),
        (["extract", "net", "new.onnx", "data", "relu0_fwd"], "`gluon-subgraph onnx` writes that"),
        (["rename", "net", "new.svg", "q_"], "`gluon-subgraph plot` writes that"),
    ],
)
def test_what_contradicts_or_fits_no_file_is_refused_before_work(
    arguments: list[str], words: str, folder: Path
) -> None:
    before = sorted(os.listdir())
    result = call(*arguments)
    assert (result.status, result.out) == (2, "")
    assert words in result.err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("arguments", "option", "is_offered"),
    [
        (["nodes", "net"], "--params", True),
        (["plot", "net", "new.dot"], "--params", True),
        (["match", "net", "net"], "--source-params", True),
        (["extract", "net", "new", "data", "relu0_fwd"], "--params", False),
        (["rename", "net", "new", "q_"], "--params", False),
        (["bind", "net", "net", "new"], "--source-params", False),
    ],
)
def test_help_offers_none_where_it_is_taken(arguments: list[str], option: str, is_offered: bool, folder: Path) -> None:
    words = " ".join(call(arguments[0], "--help").out.partition(f"{option} FILE")[2].partition(" --")[0].split())
    assert words.startswith("The parameter file")
    assert ("or 'none'" in words) == is_offered
    assert (" none says that there are no values" in call(*arguments, option, "none").err) != is_offered


def test_path_that_looks_like_an_argument_is_told_as_it_is(folder: Path) -> None:
    os.makedirs("runs/epoch=3")
    os.rename("arch-symbol.json", "runs/epoch=3/net-symbol.json")
    result = call("extract", "runs/epoch=3/net", "new", "data", "relu0_fwd")
    assert "no file 'runs/epoch=3/net-0000.params'" in result.err
    assert "Give --epoch, or the file itself as --params;" in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("'x' is in both pairs and skip.", "'x' is in both --pair and --skip."),
        ("skip names 'x', which is", "--skip names 'x', which is"),
        (
            "Leave it out of pairs, or call bind_params with on_shape_mismatch='overlap'; nothing",
            "Leave it out of --pair, or give --on-shape-mismatch overlap; nothing",
        ),
        (
            "can be cut: extract((symbol file, params file), inputs, outputs).",
            "can be cut: `gluon-subgraph extract MODEL OUT INPUTS OUTPUTS`.",
        ),
        (
            "Give such as shapes={'image': (1, 3, 8, 8)}; nothing",
            "Give such as --shape image=1,3,8,8; nothing",
        ),
        (
            "such as shapes={'image': (1,), \"it's\": (2, 3)};",
            """such as --shape image=1 --shape 'it'"'"'s=2,3';""",
        ),
        ("shapes lacks 1 of 2 inputs", "--shape lacks 1 of 2 inputs"),
        ("Nothing was loaded.", "Nothing was written."),
        (
            "  Picture.source and Picture.save('picture.dot') need neither; nothing was written.",
            "  An OUT that ends in .dot needs neither; nothing was written.",
        ),
    ],
)
def test_what_is_said_in_python_is_told_in_options(text: str, told: str) -> None:
    assert told_on_terminal(text) == told


def test_what_nobody_foresaw_is_one_line_and_status_2(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        msg = "odd\nthing"
        raise LookupError(msg)

    monkeypatch.setattr(command_cutting, "list_nodes", fails)
    result = call("nodes", "net")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("Error: LookupError: odd thing (unforeseen; with GLUON_SUBGRAPH_TRACEBACK=1 ")
    assert len(result.err.splitlines()) == 1
    monkeypatch.setenv("GLUON_SUBGRAPH_TRACEBACK", "1")
    assert "in fails" in call("nodes", "net").err


def test_full_disk_is_told_with_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_text", full)
    result = call("extract", "net", "new", "data", "relu0_fwd")
    wanted = "Error: No space left on device: 'new-0000.params or new-symbol.json'\n"
    assert (result.status, result.err) == (2, wanted)


def test_damaged_source_is_told_once() -> None:
    def damaged(name: str) -> None:
        msg = f"{name!r} is damaged.\n  Nothing was loaded."
        raise gs.SubgraphError(msg)

    values = LazyValues("file", {"w": Header((2,), "float32")}, damaged)
    with pytest.raises(gs.BindingError, match="cannot be read: 'w' is damaged") as wrong:
        gs.bind_params({"w": mx.nd.ones(2)}, values)
    assert str(wrong.value).lower().count("nothing was loaded") == 1
    assert "SubgraphError" not in str(wrong.value)


@pytest.mark.parametrize(
    ("arguments", "status"), [(["nodes", "net"], 0), (["nodes", "net", "zork"], 1), (["nodes", "zork"], 2)]
)
def test_closed_streams_are_no_failure(
    arguments: list[str], status: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with pytest.raises(SystemExit, match=str(status)):
        main(arguments)


def test_width_of_a_column_counts_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table(["name", "size"], [["a\nb", 1], ["abcdef", 2]], numbers=[1]))
    assert capsys.readouterr().out == "name    size\na\\x0ab     1\nabcdef     2\n"
