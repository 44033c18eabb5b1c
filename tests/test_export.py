"""Exported files: they import as an equal block, and a write that fails changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from mxnet import gluon
from samples import CUTS, Offset, Scale, convolutional, initialised, layers, normal, same, values

nn = gluon.nn
X = (2, 4, 8, 8)  # the shape at CUTS[0]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "p")


def _files(piece: gs.SubgraphBlock, base: Any, epoch: int = 0) -> tuple[str, list[str], str]:
    """Return what `imports` takes to load what `export` wrote."""
    return f"{base}-symbol.json", list(piece.input_names), f"{base}-{epoch:04d}.params"


def _piece(prefix: str = "c_", seed: int = 0) -> gs.SubgraphBlock:
    return gs.extract(convolutional(prefix, seed=seed), CUTS[0], CUTS[1])


def test_export_before_any_forward_imports_equal(path: str, tmp_path: Path) -> None:
    piece = _piece()
    piece.export(path, epoch=3)
    files = _files(piece, path, epoch=3)
    for block in (gluon.SymbolBlock.imports(*files), gs.SubgraphBlock.imports(*files)):
        assert same(block(normal(*X)), piece(normal(*X)))
    assert values(gs.SubgraphBlock.imports(*files)) == values(piece)
    assert sorted(os.listdir(tmp_path)) == ["p-0003.params", "p-symbol.json"]


def test_export_before_any_forward_by_a_stock_symbol_block_writes_no_parameter(path: str) -> None:
    piece = _piece()
    gluon.SymbolBlock(piece.symbol, mx.sym.var(piece.input_names[0]), piece.collect_params()).export(path)
    assert mx.nd.load(f"{path}-0000.params") == []


def test_export_keeps_every_setting(path: str) -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Embedding(6, 3, sparse_grad=True), Offset(), nn.BatchNorm(in_channels=2))
    piece = gs.extract(initialised(net), "data", net)
    net(mx.sym.var("data"))  # what the graph notes of its parameters is now older than what follows
    net[1].dense.weight.lr_mult, net[1].dense.weight.wd_mult = 0.5, 0.0
    net[1].dense.bias.grad_req, net[2].gamma.grad_req = "null", "add"
    piece.export(path)
    files = f"{path}-symbol.json", f"{path}-0000.params"
    settings = {n: (p.grad_req, p.lr_mult, p.wd_mult, p._grad_stype, p.shape) for n, p in piece.params.items()}
    extracted = gs.extract(files, "data", piece.output_names[0])
    for block in (gs.SubgraphBlock.imports(files[0], "data", files[1]), extracted):
        found = {n: (p.grad_req, p.lr_mult, p.wd_mult, p._grad_stype, p.shape) for n, p in block.params.items()}
        assert found == settings


def test_imports_makes_constants_and_statistics_untrainable(path: str) -> None:
    piece = gs.extract(initialised(Offset(prefix="o_")), "relu", "dense")
    piece.export(path)
    files = _files(piece, path)
    stock, block = gluon.SymbolBlock.imports(*files), gs.SubgraphBlock.imports(*files)
    block.collect_params().setattr("grad_req", "write")
    assert stock.params["o_offset"].grad_req == "write"
    assert block.params["o_offset"].grad_req == "null"


def test_imports_of_half_precision_keeps_the_dtypes(path: str) -> None:
    net = nn.HybridSequential(prefix="h_")
    net.add(
        nn.Activation("relu", prefix="h_r_"), Scale(4, prefix="h_scale_"), nn.BatchNorm(in_channels=4, prefix="h_bn_")
    )
    piece = gs.extract(initialised(net), "r_fwd", net)
    piece.cast("float16")
    piece.export(path)
    block = gs.SubgraphBlock.imports(*_files(piece, path))
    assert values(block) == values(piece)
    x = normal(2, 4).astype("float16")
    assert same(block(x), piece(x))


def test_imports_errors_name_what_is_wrong(path: str, tmp_path: Path) -> None:
    piece, imports = _piece(), gs.SubgraphBlock.imports
    piece.export(path)
    symbol, names, params = _files(piece, path)
    with pytest.raises(gs.SubgraphError, match="input 'data' is no variable of the symbol"):
        imports(symbol, "data", params)
    with pytest.raises(gs.SubgraphError, match="no file '.*missing'"):
        imports(symbol, names, str(tmp_path / "missing"))
    with pytest.raises(gs.SubgraphError, match="is not an MXNet symbol file"):
        imports(params, names, symbol)
    mx.nd.save(params, {"zzz": mx.nd.zeros(1)})
    with pytest.raises(gs.BindingError, match="6 of 6 parameters are not in"):
        imports(symbol, names, params)


def test_save_without_values_is_refused_and_writes_nothing(path: str, tmp_path: Path) -> None:
    piece = gs.extract(layers(2, initialise=False), "dense0_fwd", "dense1_fwd")
    for write in (piece.export, piece.save_parameters):
        with pytest.raises(
            gs.BindingError, match="(?s)2 of 2 parameters have no value: '(n_dense1_)?weight', .*nothing was written"
        ):
            write(path)
    assert os.listdir(tmp_path) == []


def test_save_that_fails_leaves_the_old_files(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = _piece()
    piece.export(path)
    piece.save_parameters(path)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    initialised(piece, seed=5)

    def fail(name: str, *_: Any) -> None:
        Path(name).write_bytes(b"half")
        raise OSError("disk full")

    for target in ("mxnet.nd.save", "gluon_subgraph.storage.write_text"):
        with monkeypatch.context() as patch:
            patch.setattr(target, fail)
            for write in (piece.export, piece.save_parameters) if target == "mxnet.nd.save" else (piece.export,):
                with pytest.raises(OSError, match="disk full"):
                    write(path)
        assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
