"""to_onnx with arguments, packages or places that will not do: one clear error, nothing written or left changed."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import sys
from pathlib import Path
from typing import Any

import mxnet as mx
import pytest
from mxnet.gluon import nn
from onnx_models import globals_of_onnx, onnx
from samples import convolutional, layers, triple

TWO = gs.SubgraphBlock(mx.sym.var("left") + mx.sym.var("right"), [mx.sym.var("left"), mx.sym.var("right")])


class BytesPath:
    """A path of bytes."""

    def __fspath__(self) -> bytes:
        return b"m.onnx"


@pytest.mark.parametrize(
    ("shapes", "kind", "message"),
    [
        ({"left": (2, 3)}, gs.SubgraphError, "shapes lacks 1 of 2 inputs of .*: 'right'.*\n.*list_nodes"),
        ((2, 3), gs.SubgraphError, r"shapes=\(2, 3\) \(tuple\) is no mapping, and .* has 2 inputs: 'left', 'right'"),
        ({"left": (2, 3), "rigth": (2, 3)}, gs.UnknownNodeError, "(?s)'rigth', no input.*Nearest: 'right'"),
        *(
            (
                {"left": (2, 3), "right": shape},
                gs.SubgraphError,
                f"(?s)the shape of 'right' is {shown}.*nothing was wri",
            )
            for shape, shown in [
                ((0, 3), r"\(0, 3\)"),
                ((2, -1), r"\(2, -1\)"),
                ((), r"\(\)"),
                ((True, 3), r"\(True, 3\)"),
                ((2, 3.0), r"\(2, 3.0\)"),
                ((2, 2**40), r"\(2, 1099511627776\)"),
                ({2, 3}, r"\{2, 3\}"),
                ("ab", "'ab'"),
                (6, "6"),
                (None, "None"),
            ]
        ),
        ({"left": (2, 3), 0: (2, 3)}, gs.UnknownNodeError, "(?s)'0', no input.*Its inputs are 'left', 'right'"),
        ({"left": (2, 3), "right": (4, 5)}, gs.SubgraphError, "the shapes given do not fit"),
        (None, gs.SubgraphError, "shapes=None"),
    ],
    ids=str,
)
def test_export_with_wrong_shapes_is_refused(shapes: Any, kind: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=message):
        gs.to_onnx(TWO, tmp_path / "m.onnx", shapes)
    assert list(tmp_path.iterdir()) == []


def test_export_of_what_has_no_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(gs.BindingError, match=r"(?s)2 of 2 parameters have no value.*nothing was written"):
        gs.to_onnx(nn.Dense(2, in_units=3, prefix="d_"), path, (1, 3))
    symbol, arguments, auxiliary = triple(layers(1))
    with pytest.raises(gs.SubgraphError, match="(?s)is the Symbol .* alone.*arg_params"):
        gs.to_onnx(symbol, path, (1, 4))
    del arguments["n_dense0_weight"]
    with pytest.raises(gs.SubgraphError, match="(?s)lacks .*'n_dense0_weight' is read as a parameter but has no value"):
        gs.to_onnx((symbol, arguments, auxiliary), path, {"data": (1, 4)})
    with pytest.raises(gs.SubgraphError, match="holds no network"):
        gs.to_onnx(None, path, (1, 4))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", "is a folder"),
        ("absent/m.onnx", "there is no folder"),
        ("m" * 256, "m'... has 256 bytes"),
        (3, r"path=3 \(int\) is no name of a file"),
        (None, r"path=None \(NoneType\) is no name of a file"),
        (b"m.onnx", r"path=b'm.onnx' \(bytes\) is no name of a file"),
        (BytesPath(), r"path=.* \(BytesPath\) is no name of a file"),
        ("a\0b", r"path='.*a\\x00b' \(str\) is no name of a file"),
        ("\ud800", r"\(str\) is no name of a file"),
    ],
)
def test_export_to_a_place_that_will_not_do_is_refused(name: Any, message: str, tmp_path: Path) -> None:
    path = f"{tmp_path}/{name}" if isinstance(name, str) else name
    with pytest.raises(gs.SubgraphError, match=f"(?s){message}.*nothing was written"):
        gs.to_onnx("is not looked at before", path, (1, 4))
    with pytest.raises(gs.SubgraphError, match=r"path='' \(str\) is no name of a file"):
        gs.to_onnx(layers(1), "", (1, 4))


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_export_without_a_package_names_the_extra(package: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(gs.SubgraphError, match=rf"(?s)to_onnx needs {package} .*pip install 'gluon_subgraph\[onnx\]'"):
        gs.to_onnx(layers(1), tmp_path / "m.onnx", (1, 4))


def test_export_with_onnx_installed_after_mxnet_was_imported_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

    monkeypatch.setattr(MXNetGraph, "registry_", {})  # as mx.onnx is where its import of onnx has failed
    message = r"(?s)onnx was installed after MXNet was imported.*Start Python anew; nothing was written"
    with pytest.raises(gs.SubgraphError, match=message):
        gs.to_onnx(layers(1), tmp_path / "m.onnx", (1, 4))


def test_export_larger_than_the_format_allows_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("gluon_subgraph.onnx_piece._MOST_BYTES", 100)
    with pytest.raises(gs.SubgraphError, match="(?s)An ONNX file holds 2 GB at most.*float16; nothing was written"):
        gs.to_onnx(layers(2), tmp_path / "m.onnx", (1, 4))


@pytest.fixture
def sigmoid_for_tanh(monkeypatch: Any) -> None:
    """Let mx.onnx translate every activation into another."""
    from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

    def translate(node: Any, **options: Any) -> Any:
        name = options["outputs_lookup"][node["inputs"][0][0]][0].name
        return [onnx.helper.make_node("Sigmoid", [name], [node["name"]])]

    monkeypatch.setitem(MXNetGraph.registry_[12], "Activation", translate)


@pytest.mark.usefixtures("sigmoid_for_tanh")
def test_export_that_computes_something_else_names_the_first_node_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")
    settings = globals_of_onnx()
    message = (
        r"(?s)differs from 'n_' at 'n_dense0_tanh_fwd' \(Activation, block '0.act'\): by .*the first node to differ"
    )
    with pytest.raises(gs.SubgraphError, match=message):
        gs.to_onnx(layers(3), path, (2, 4))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("m.onnx", b"old")]
    assert globals_of_onnx() == settings


def test_export_that_stumbles_leaves_the_packages_as_they_were(tmp_path: Path) -> None:
    settings = globals_of_onnx()
    symbol = mx.sym.Pooling(mx.sym.var("data"), kernel=(2, 2), pool_type="sum")
    with pytest.raises(gs.SubgraphError, match="mx.onnx does not translate"):
        gs.to_onnx((symbol, {}, {}), tmp_path / "m.onnx", (1, 3, 4, 4))
    assert globals_of_onnx() == settings


def test_export_with_an_onnx_that_has_no_mapping(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delattr(onnx, "mapping", raising=False)
    monkeypatch.setitem(sys.modules, "onnx.mapping", None)
    assert gs.to_onnx(convolutional(), tmp_path / "m.onnx", (1, 3, 8, 8)).difference < 1e-5
    assert not hasattr(onnx, "mapping")


def test_export_of_control_flow_names_the_loop(tmp_path: Path) -> None:
    def step(x: Any, state: Any) -> Any:
        return x + state, x + state

    result, _ = mx.sym.contrib.foreach(step, mx.sym.var("data"), mx.sym.var("state"), name="loop")
    with pytest.raises(gs.SubgraphError, match=r"not among the operators.*\n  '.*' \(_foreach\)"):
        gs.to_onnx((result, {}, {}), tmp_path / "m.onnx", {"data": (3, 2), "state": (2,)})
