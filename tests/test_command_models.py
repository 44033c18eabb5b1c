"""nodes, extract, rename, plot and onnx: they do what the functions do, on files, and never to the files they read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import pytest
from command_calls import call, saved
from samples import normal, same
from small_networks import Skip, filled

PAIR = ("net-symbol.json", "net-0000.params")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    saved(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _contents() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in sorted(os.listdir())}


@pytest.mark.parametrize("model", [["net"], ["net-symbol.json"], ["net", "--epoch", 0], ["arch", "--params", PAIR[1]]])
def test_nodes_lists_what_list_nodes_lists(model: list[object], folder: Path) -> None:
    Path("arch-symbol.json").write_bytes(Path(PAIR[0]).read_bytes())
    options = [*model[1:], "--shape", "data=1,3,8,8"]
    wanted = gs.list_nodes(PAIR, match="*conv*", shapes={"data": (1, 3, 8, 8)})
    assert len(wanted) == 2
    result = call("nodes", model[0], "*conv*", *options, "--json")
    assert json.loads(result.out) == json.loads(json.dumps({"nodes": [node._asdict() for node in wanted]}))
    read = f"read {'arch' if model[0] == 'arch' else 'net'}-symbol.json, {PAIR[1]}"
    assert call("nodes", model[0], "*conv*", *options) == (0, f"{read}\n{wanted.table()}\n", "")


def test_nodes_of_a_symbol_file_alone_are_those_of_the_network(folder: Path) -> None:
    os.rename(PAIR[1], "elsewhere.params")
    wanted = f"read {PAIR[0]}\n{gs.list_nodes((PAIR[0], 'elsewhere.params')).table()}\n"
    assert call("nodes", "net") == (0, wanted, "")
    assert call("nodes", "net", "--params", "elsewhere.params").out == wanted.replace("\n", ", elsewhere.params\n", 1)
    assert call("nodes", "net", "--params", "none").out == wanted


def test_nodes_that_match_nothing_are_status_1_with_the_nearest(folder: Path) -> None:
    wrong = call("nodes", "net", "dense1_fwd")
    assert wrong == (
        1,
        "",
        "no node of 'net' matches 'dense1_fwd'. Nearest: 'n_dense0_fwd', 'n_relu0_fwd', 'n_conv1_fwd'.\n",
    )
    assert call("nodes", "net", "dense1_fwd", "--json")[:2] == (1, '{"nodes": []}\n')


def test_values_are_read_only_of_the_piece(folder: Path) -> None:
    whole = Path(PAIR[1]).read_bytes()
    call("extract", "net", "piece", "relu0_fwd", "dense0_fwd")
    last = Path("piece-0000.params").read_bytes()
    assert len(last) < len(whole)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [("data", "relu0_fwd"), ("relu0_fwd", "dense0_fwd"), ("n_conv0_fwd_output", "relu0_fwd,dense0_fwd")],
)
def test_extracted_piece_computes_what_it_computed_in_the_network(inputs: str, outputs: str, folder: Path) -> None:
    result = call("extract", "net", "piece", inputs, outputs)
    names = outputs.split(",")
    wanted = gs.extract(PAIR, inputs, names if len(names) > 1 else names[0])
    lines = [f"inputs: {', '.join(wanted.input_names)}", f"outputs: {', '.join(wanted.output_names)}"]
    assert result.out.splitlines()[1:3] == lines
    assert (result.status, result.err) == (0, "")
    x = normal(2, 3 if inputs == "data" else 4, 8, 8)
    assert same(gs.load("piece")(x), wanted(x))
    again = call("extract", "net", "piece-symbol.json", inputs, outputs, "--json")  # over the first one
    data = json.loads(again.out)
    assert data["files"] == ["piece-symbol.json", "piece-0000.params"]
    assert [data["inputs"], data["outputs"]] == [list(wanted.input_names), list(wanted.output_names)]


def test_open_cut_is_told_in_options_and_taken_with_add(folder: Path) -> None:
    net = filled(Skip(prefix="k_"))
    gs.extract(net, "data", "post_fwd").save("skip")
    wrong = call("extract", "skip", "piece", "body_fwd", "post_fwd")
    assert wrong.status == 2
    assert "does not close the cut" in wrong.err
    assert not os.path.exists("piece-symbol.json")
    added = call("extract", "skip", "piece", "body_fwd", "post_fwd", "--open-cut", "add", "--json")
    wanted = gs.extract(net, "body_fwd", "post_fwd", open_cut="add")
    assert json.loads(added.out)["inputs"] == list(wanted.input_names)


def test_comma_of_a_name_has_a_backslash(folder: Path) -> None:
    call("rename", "net", "commas", r"relu0_fwd=re,lu", "conv0_weight=we\\=ight")
    assert call("extract", "commas", "piece", r"n_re\,lu", "dense0_fwd").status == 0
    assert gs.load("piece").input_names == ("n_re,lu_output",)
    assert "n_we=ight" in {
        name for node in gs.list_nodes(("commas-symbol.json", "commas-0000.params")) for name in node.parameters
    }


def test_rename_there_and_back_is_the_same_files(folder: Path) -> None:
    before = _contents()
    there = call("rename", "net", "there", "conv*_weight=k*_w", "*_running_*=m*_*", "--json")
    mapping = json.loads(there.out)["mapping"]
    assert mapping == gs.rename(PAIR, {"conv*_weight": "k*_w", "*_running_*": "m*_*"}, dry_run=True).mapping != {}
    back = call("rename", "there", "back", *(f"{new}={old}" for old, new in mapping.items()))
    assert (there.status, back.status) == (0, 0)
    after = _contents()
    assert after["back-0000.params"] == before[PAIR[1]]
    assert json.loads(after["back-symbol.json"])["nodes"] == json.loads(before[PAIR[0]])["nodes"]


def test_rename_prints_the_table_and_dry_run_writes_nothing(folder: Path) -> None:
    before = _contents()
    renamed = gs.rename(PAIR, "q_", dry_run=True)
    read = "read net-symbol.json, net-0000.params\n"
    assert call("rename", "net", "new", "q_", "--dry-run") == (0, f"{read}{renamed.table()}\n", "")
    assert json.loads(call("rename", "net", "new", "q_", "--dry-run", "--json").out)["files"] == []
    assert call("rename", "net", "new", "n_")[:2] == (
        1,
        f"{read}{gs.rename(PAIR, 'n_', dry_run=True).table()}\n",
    )
    assert _contents() == before
    written = call("rename", "net", "new", "q_").out.splitlines()[-2:]
    assert [line.split()[:2] for line in written] == [["wrote", "new-symbol.json"], ["wrote", "new-0000.params"]]


def test_rename_keeps_the_epoch(folder: Path) -> None:
    os.rename(PAIR[1], "net-0012.params")
    assert json.loads(call("rename", "net", "new", "q_", "--json").out)["files"] == [
        "new-symbol.json",
        "new-0012.params",
    ]


@pytest.mark.parametrize("way", ["itself", "path", "link", "hard link", "parameters"])
def test_no_file_that_is_read_is_overwritten(way: str, folder: Path) -> None:
    out = {"itself": "net", "path": f"../{folder.name}/net", "parameters": "other"}.get(way, "linked")
    if way == "link":
        os.symlink(PAIR[0], "linked-symbol.json")
    if way == "hard link":
        os.link(PAIR[1], "linked-0000.params")
    options = []
    if way == "parameters":
        os.rename(PAIR[1], "other-0000.params")
        options = ["--params", "other-0000.params"]
    before = _contents()
    for result in [
        call("extract", "net", out, "data", "relu0_fwd", *options),
        call("rename", "net", out, "q_", *options),
    ]:
        assert (result.status, result.out) == (2, "")
        assert "which is read" in result.err
    assert _contents() == before


def test_several_parameter_files_are_told_in_the_options_there_are(folder: Path) -> None:
    Path("net-0003.params").write_bytes(Path(PAIR[1]).read_bytes())
    assert "Give --epoch, or the file itself as --params;" in call("nodes", "net").err
    assert "Give --source-epoch, or the file itself as --source-params;" in call("match", "net-0003.params", "net").err
    assert call("nodes", "net", "--epoch", 3).status == 0


def test_plot_writes_the_picture_of_the_cut_and_of_the_binding(folder: Path) -> None:
    saved(folder, "other", prefix="other_")
    result = call("plot", "net", "cut.dot", "--inputs", "relu0_fwd", "--outputs", "dense0_fwd", "--json")
    assert json.loads(result.out)["files"] == ["cut.dot"]
    assert Path("cut.dot").read_text(encoding="utf-8") == gs.plot(PAIR, cut=("relu0_fwd", "dense0_fwd")).source
    call("plot", "net", "shapes.dot", "--shape", "data=1,3,8,8", "--expand", "")
    assert (
        Path("shapes.dot").read_text(encoding="utf-8") == gs.plot(PAIR, expand="", shapes={"data": (1, 3, 8, 8)}).source
    )
    assert call("plot", "net", "pair.dot", "--source", "other").status == 0
    other = ("other-symbol.json", "other-0000.params")
    wanted = gs.plot(PAIR, binding=gs.match_params(PAIR, other)).source
    assert sorted(Path("pair.dot").read_text(encoding="utf-8").splitlines())[:5] == sorted(wanted.splitlines())[:5]


def test_onnx_of_a_piece_says_how_near_it_is(folder: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")
    result = call(
        "onnx",
        "net",
        "p.onnx",
        "--shape",
        "n_relu0_fwd_output=1,4,8,8",
        "--inputs",
        "relu0_fwd",
        "--outputs",
        "dense0_fwd",
        "--json",
    )
    data = json.loads(result.out)
    assert (data["files"], data["bytes"]) == (["p.onnx"], os.path.getsize("p.onnx"))
    assert 0 <= data["difference"] < 1e-4
    assert call("onnx", "net", "p.onnx").status == 2
