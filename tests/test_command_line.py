"""The command line as a whole: how it ends, what it suggests, that its help and its JSON are true."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import pytest
from command_calls import call, network, saved
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mxnet import MXNetError

from gluon_subgraph import command_cutting
from gluon_subgraph.command_line import main

COMMANDS = list(main.commands)
FILE_ARGUMENTS = {"nodes": 1, "extract": 2, "match": 2, "bind": 3, "rename": 2, "plot": 2, "onnx": 2}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files that the examples of the help read, and go there."""
    saved(tmp_path, "resnet")
    old = gs.rename(network(seed=1), {"conv*_weight": "conv*_w", "conv*_bias": "conv*_b"}).net
    old.save(str(tmp_path / "old"))
    other = network("other_", seed=2)
    gs.extract(other, "data", "dense0_fwd").save_parameters(str(tmp_path / "old.safetensors"))
    (tmp_path / "old.safetensors").rename(tmp_path / "weights.safetensors")
    gs.extract(other, "data", "dense0_fwd").save_parameters(str(tmp_path / "old.safetensors"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _printed_example(command: str) -> str:
    """Return the example in a command's help."""
    (found,) = re.findall(r"^ +(gluon-subgraph .*)$", call(command, "--help").out, re.MULTILINE)
    return found


def _example(command: str) -> list[str]:
    """Return the arguments of that example, with the names of the small network."""
    small = _printed_example(command).replace("pool0_fwd", "relu0_fwd").replace("stage2_activation1", "dense0_fwd")
    small = small.replace("1,3,224,224", "1,3,8,8").replace("resnet.svg", "resnet.dot")
    return shlex.split(small)[1:]


def test_guide_has_the_examples_of_the_help() -> None:
    guide = Path(__file__).parent.parent.joinpath("GUIDE.md").read_text(encoding="utf-8")
    table = guide.partition("## Command line")[2].partition("##")[0]
    assert re.findall(r"^\|.*`(gluon-subgraph .*)` \|$", table, re.MULTILINE) == list(map(_printed_example, COMMANDS))


@pytest.mark.parametrize("command", COMMANDS)
def test_example_of_the_help_is_right(command: str, folder: Path) -> None:
    if command == "onnx":
        pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")
    result = call(*_example(command))
    assert (result.status, result.err) == (0, "")
    assert result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_all_that_stdout_has(command: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if command == "onnx":
        pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")
    with pytest.raises(SystemExit) as end:
        main([*_example(command), "--json"])
    data = json.loads(capfd.readouterr().out)  # of the process, whoever writes there
    assert end.value.code == 0
    assert isinstance(data, dict)
    documented = re.search(r"--json\s+prints \{(.*)\n *\n", call(command, "--help").out, re.DOTALL)
    assert documented is not None
    assert all(f'"{key}"' in documented.group(1) for key in data if command != "bind" or key in ("files", "unset"))
    for file in data.get("files", []):
        assert os.path.isfile(file)
    assert data.get("bytes") == (sum(map(os.path.getsize, data["files"])) if "files" in data else None)


def test_module_and_version_and_help_print_on_stdout() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "gluon_subgraph", "--version"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (run.returncode, run.stdout) == (0, f"gluon-subgraph, version {gs.__version__}\n")
    result = call("--help")
    assert (result.status, result.err) == (0, "")
    assert [line.split()[0] for line in result.out.partition("Commands:\n")[2].splitlines()] == COMMANDS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["noddes"], "No such command 'noddes'. Did you mean 'nodes'?"),
        (["???"], "It is one of nodes, extract, match, bind, rename, plot, onnx."),
        (["nodes", "resnet", "--shap", "data=1"], "--shape"),
        (["nodes", "resnt"], "Nearest: 'resnet'"),
        (["nodes", "resnet-symbl.json"], "Nearest: 'resnet-symbol.json'"),
        (["nodes", "weights.safetensors"], "holds arrays, and no graph"),
        (["nodes", "resnet", "--epoch", "7"], "resnet-0007.params"),
        (["nodes", "resnet", "--shape", "data=1,x"], "is no shape; give INPUT=SIZES"),
        (["nodes", "resnet", "--shape", "dta=1,3,8,8"], "Nearest: 'data'"),
        (["extract", "resnet", "out", "relu0_fwd", "dens0_fwd"], "Nearest: 'n_dense0_fwd'"),
        (["extract", "resnet", "out", "data,,relu0_fwd", "dense0_fwd"], "has an empty name"),
        (["extract", "resnet", "nowhere/out", "data", "dense0_fwd"], "mkdir -p"),
        (["extract", "resnet", "out", "pool0_fwd", "relu0_fwd"], "lies upstream of input"),
        (["match", "resnet", "old", "--pair", "x"], "give TARGET=SOURCE"),
        (["match", "resnet", "old", "--pair", "dens=x"], "Nearest"),
        (["rename", "resnet", "out", "a", "b"], "give one new prefix, or pairs OLD=NEW"),
        (["rename", "resnet", "out", "cnv0_weight=x"], "Nearest: 'n_conv0_weight'"),
        (["plot", "resnet", "out.dot", "--inputs", "data"], "--inputs is given without --outputs"),
        (["plot", "resnet", "out.doc"], "no suffix of a picture"),
    ],
)
def test_wrong_input_ends_with_2_and_what_is_right(arguments: list[str], words: str, folder: Path) -> None:
    before = sorted(os.listdir())
    result = call(*arguments)
    assert (result.status, result.out) == (2, "")
    assert words in result.err
    assert "Traceback" not in result.err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_dash_is_refused_as_a_file_and_never_made(command: str, folder: Path) -> None:
    before = sorted(os.listdir())
    for place in range(FILE_ARGUMENTS[command]):
        arguments = ["resnet", "old.safetensors", "out"][: FILE_ARGUMENTS[command]]
        arguments[place] = "-"
        result = call(
            command, *arguments, *(["data", "dense0_fwd"] if command == "extract" else ["x"] * (command == "rename"))
        )
        assert (result.status, result.out) == (2, "")
        assert "'-' is no file here" in result.err
    assert sorted(os.listdir()) == before


def test_names_that_begin_with_a_dash_come_after_two(folder: Path) -> None:
    assert call("extract", "--", "resnet", "-x", "data", "relu0_fwd").status == 0
    assert call("nodes", "--json", "--", "-x").status == 0
    assert os.path.isfile("-x-symbol.json")


def test_interrupt_ends_with_130_and_leaves_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = sorted(os.listdir())
    monkeypatch.setattr(gs.storage, "write_text", interrupted)
    result = call("extract", "resnet", "out", "data", "relu0_fwd")
    assert (result.status, result.out, result.err.strip()) == (130, "", "")
    assert sorted(os.listdir()) == before


def test_reader_of_a_pipe_may_go_and_a_full_disk_is_told(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as gone:
        assert call("nodes", "resnet", out=gone) == (0, "", "")
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert call("nodes", "resnet", out=full) == (2, "", "Error: No space left on device: 'stdout'\n")


def test_control_characters_of_a_name_stay_out_of_the_terminal(folder: Path) -> None:
    text = Path("resnet-symbol.json").read_text(encoding="utf-8")
    Path("evil-symbol.json").write_text(text.replace("n_relu0_fwd", "n_\\u001b[2J\\nrelu\u00e9"), encoding="utf-8")
    result = call("nodes", "evil")
    assert result.status == 0
    assert "n_\\x1b[2J\\x0arelu\u00e9" in result.out
    assert "\x1b" not in result.out
    assert "n_\x1b[2J\nrelu\u00e9" in [
        node["name"] for node in json.loads(call("nodes", "evil", "--json").out)["nodes"]
    ]


def test_failure_of_mxnet_is_told_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        msg = "stack\nof calls\nreason"
        raise MXNetError(msg)

    monkeypatch.setattr(command_cutting, "list_nodes", refuses)
    assert call("nodes", "resnet") == (2, "", "Error: MXNet says: reason\n")


WORDS = [*COMMANDS, "resnet", "old", "weights.safetensors", "resnet-symbol.json", "out", "out.params", "out.dot", "."]
WORDS += ["data", "relu0_fwd", "dense0_fwd", "data,relu0_fwd", "*", "x_", "a=b", "*=q_*", "--", "-", "", "0", "-1"]
WORDS += ["--json", "--epoch", "--params", "--shape", "data=1,3,8,8", "data=", "--open-cut", "add", "--inputs"]
WORDS += ["--pair", "--skip", "--allow-missing", "--ignore-extra", "--cast-dtype", "--dry-run", "--outputs", "--expand"]
WORDS += ["--on-shape-mismatch", "skip", "overlap", "--target-params", "--source", "--source-epoch"]
ANY_WORD = st.one_of(st.sampled_from(WORDS), st.text(max_size=6))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(COMMANDS), words=st.lists(ANY_WORD, max_size=7))
def test_any_arguments_end_with_0_1_or_2(command: str, words: list[str], folder: Path) -> None:
    kept = [folder / name for name in ("resnet-symbol.json", "resnet-0000.params", "weights.safetensors")]
    before = [path.read_bytes() for path in kept]
    result = call(command, *words)
    assert result.status in (0, 1, 2)
    assert "Traceback" not in result.err
    assert [path.read_bytes() for path in kept] == before
    assert not os.path.exists("-")
