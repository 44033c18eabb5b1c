"""Pictures as text, bytes and files, with and without a program that draws."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from samples import layers

from gluon_subgraph import engines

needs_engine = pytest.mark.skipif(not engines.is_drawable(), reason="neither graphviz nor pygraphviz is installed")
NAMES = [
    'a"b',
    "back\\slash\\N",
    "<b>bold</b>",
    "&amp;",
    "new\nline",
    "tab\tbell\x07",
    "größe→名前😀",
    "x" * 500,
    "}",
    "]]>",
]


@needs_engine
@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_render_and_save_write_the_format(kind: str, start: bytes, tmp_path: Path, capfd: Any) -> None:
    picture = gs.plot(layers(3))
    assert picture.render(kind).startswith(start)
    path = picture.save(tmp_path / f"net.{kind.upper()}")
    assert Path(path).read_bytes().startswith(start)
    assert os.listdir(tmp_path) == [f"net.{kind.upper()}"]
    assert capfd.readouterr() == ("", "")


@needs_engine
@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_drawn(name: str) -> None:
    symbol = mx.sym.FullyConnected(mx.sym.var(name + "_data"), num_hidden=3, name=name)
    picture = gs.plot(symbol)
    assert b"FullyConnected, 3" in picture.render()
    assert max(len(line) for line in picture.source.splitlines()) < 4000


@needs_engine
def test_drawing_with_cut_repeats_and_frozen_parts() -> None:
    net = mx.gluon.model_zoo.vision.resnet50_v1(prefix="r_")
    gs.freeze(net, upto="pool0_fwd")
    svg = gs.plot(net, cut=("stage2_relu1_fwd", "stage3_activation1")).render().decode()
    for words in [
        "missing input",
        "leak: a path around the inputs",
        "hatched: frozen",
        "features.4.2",
        "2 alike, each:",
    ]:
        assert words in svg


@pytest.mark.parametrize("suffix", [".dot", ".gv"])
def test_text_needs_nothing_that_draws(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_commands", lambda kind: {})
    picture = gs.plot(layers(2))
    assert Path(picture.save(tmp_path / f"n{suffix}")).read_text("utf-8") == picture.source


def test_without_an_engine_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_commands", lambda kind: {})
    picture = gs.plot(layers(2))
    message = r"(?s)nothing that draws is installed.*pip install 'gluon_subgraph\[plot\]'.*apt-get install graphviz"
    with pytest.raises(gs.SubgraphError, match=message):
        picture.save(tmp_path / "n.svg")
    assert os.listdir(tmp_path) == []
    shown = picture._repr_mimebundle_()
    assert set(shown) == {"text/plain"}
    assert "pip install 'gluon_subgraph[plot]'" in shown["text/plain"]


def test_an_engine_that_fails_is_quoted_and_the_next_one_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = ["sh", "-c", "cat >/dev/null; echo no plugin >&2; exit 3"]
    monkeypatch.setattr(engines, "_commands", lambda kind: {"dot": bad})
    with pytest.raises(gs.SubgraphError, match=r"(?s)could not be drawn as svg.*status 3 and said: no plugin") as said:
        gs.plot(layers(2)).render()
    assert "Expand fewer blocks, or save the text as '.dot' and draw it yourself; nothing" in str(said.value)
    assert "install" not in str(said.value)
    monkeypatch.setattr(engines, "_commands", lambda kind: {"gone": ["/no/such/program"], "dot": bad, "other": ["cat"]})
    picture = gs.plot(layers(2))
    assert picture.render() == picture.source.encode()


def test_an_engine_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(engines, "_commands", lambda kind: {"dot": ["dot"]})
    monkeypatch.setattr(engines.subprocess, "run", hangs)
    with pytest.raises(gs.SubgraphError, match=r"dot had not ended after 120 seconds"):
        gs.plot(layers(2)).render()


@pytest.mark.parametrize("path", ["net", "net.jpg", "net.svg/"])
def test_unknown_suffix_is_refused(path: str) -> None:
    with pytest.raises(gs.SubgraphError, match=r"(?s)ends in no suffix of a picture.*\.svg, \.png, \.pdf, \.dot, \.gv"):
        gs.plot(layers(2)).save(path)


@pytest.mark.parametrize("name", ["a\0.svg", "\udfff.svg", "x" * 300 + ".svg", "none/n.svg"])
def test_name_that_no_file_can_have_is_refused_before_anything_is_drawn(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(engines, "rendered", lambda *what: drawn.append(what))
    with pytest.raises(gs.SubgraphError, match=r"null character|no text|has 304 bytes|no folder"):
        gs.plot(layers(2)).save(os.path.join(tmp_path, name))
    assert drawn == []
    assert os.listdir(tmp_path) == []


def test_other_misuse_is_refused(tmp_path: Path) -> None:
    picture = gs.plot(layers(2))
    with pytest.raises(gs.SubgraphError, match=r"format='gif' is no format"):
        picture.render("gif")
    with pytest.raises(gs.SubgraphError, match=r"path is 3 \(int\)"):
        picture.save(3)
    with pytest.raises(gs.SubgraphError, match=r"(?s)there is no folder.*nothing was written"):
        picture.save(tmp_path / "none" / "n.dot")


def test_repr_is_short() -> None:
    assert repr(gs.plot(layers(2))).startswith("<Picture of ")
