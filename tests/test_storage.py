"""Files of a block: what is written loads again, everywhere; what does not fit loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from samples import CUTS, Scale, bits, convolutional, initialised, layers, normal, same, values

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


def test_save_parameters_loads_into_the_same_block(path: str) -> None:
    piece = _piece()
    before = values(piece)
    piece.save_parameters(path)
    initialised(piece, seed=5)
    assert values(piece) != before
    piece.load_parameters(path)
    assert values(piece) == before


def test_save_parameters_of_a_stock_symbol_block_does_not_load_again(path: str) -> None:
    piece = _piece()
    stock = gluon.SymbolBlock(piece.symbol, mx.sym.var(piece.input_names[0]), piece.collect_params())
    stock.save_parameters(path)
    with pytest.raises(AssertionError, match="is missing in file"):
        stock.load_parameters(path)


@pytest.mark.parametrize("wrap", [False, True], ids=["bare", "in a parent"])
def test_save_parameters_loads_across_prefixes(path: str, wrap: bool) -> None:
    blocks: list[Any] = [_piece("a_", seed=1), _piece("b_", seed=2)]
    if wrap:
        parents = [nn.HybridSequential(prefix=f"parent{i}_") for i in range(2)]
        for parent, block in zip(parents, blocks):
            parent.add(block)
        blocks = parents
    blocks[0].save_parameters(path)
    blocks[1].load_parameters(path)
    assert list(values(blocks[1]).values()) == list(values(blocks[0]).values())
    assert same(blocks[1](normal(*X)), blocks[0](normal(*X)))


def test_save_parameters_of_one_parameter_loads_across_prefixes(path: str) -> None:
    def piece(prefix: str, value: float) -> gs.SubgraphBlock:
        net = nn.HybridSequential(prefix=prefix)
        net.add(nn.Activation("relu", prefix="r_"), Scale(3, prefix=prefix + "scale_"))
        net.initialize(mx.init.One())
        net[1].weight.set_data(mx.nd.full(3, value))
        return gs.extract(net, "r_fwd", net)

    left, right = piece("a_", 2), piece("b_", 3)
    left.save_parameters(path)
    assert list(mx.nd.load(path)) == ["weight"]
    right.load_parameters(path)
    assert right.params["b_scale_weight"].data().asnumpy().tolist() == [2, 2, 2]


def test_save_parameters_with_names_that_contain_each_other_round_trips(path: str) -> None:
    data = mx.sym.var("data")
    symbol = data * mx.sym.var("a_a_w") + mx.sym.var("a_w")
    block = gs.SubgraphBlock(symbol, data)
    for i, parameter in enumerate(block.params.values()):
        parameter.shape = (1,)
        parameter.initialize(mx.init.Constant(i + 1))
    before = values(block)
    block.save_parameters(path)
    block.initialize(mx.init.Zero(), force_reinit=True)
    block.load_parameters(path)
    assert values(block) == before


def test_save_parameters_without_parameters_round_trips(path: str, tmp_path: Path) -> None:
    piece = gs.extract(convolutional(), CUTS[0], "relu0_fwd")
    piece.save_parameters(path)
    piece.load_parameters(path)
    piece.export(str(tmp_path / "q"))
    block = gs.SubgraphBlock.imports(*_files(piece, tmp_path / "q"))
    assert same(block(normal(*X)), piece(normal(*X)))


@pytest.mark.parametrize("keys", ["{}", "arg:{}", "aux:{}"])
def test_load_parameters_takes_full_names(path: str, keys: str) -> None:
    source, target = _piece(seed=1), _piece(seed=2)
    mx.nd.save(path, {keys.format(n): p.data() for n, p in source.params.items()})
    target.load_parameters(path)
    assert values(target) == values(source)


@pytest.mark.parametrize(("cut", "added"), [("c_body_", ""), ("", "arg:")], ids=["structural", "full"])
def test_load_parameters_that_do_not_fit_loads_nothing(path: str, cut: str, added: str) -> None:
    target = _piece()
    good = {added + n[len(cut) :]: p.data() + 1 for n, p in target.params.items()}
    last = list(good)[-1]
    rest = {k: v for k, v in good.items() if k != last}
    cases = {
        r"1 of 6 parameters are not in '.*p': '.*running_var'.*allow_missing=True.*nothing was loaded": rest,
        r"1 of 7 arrays in '.*p' belong to no parameter: 'zzz'.*ignore_extra=True.*nothing was loaded": {
            **good,
            "zzz": mx.nd.zeros(1),
        },
        r"differs in shape.*\(4,\) <- file \(5,\).*Load the .*Nothing was loaded": {**rest, last: mx.nd.zeros(5)},
        r"differs in dtype.*float32 <- file float16.*cast_dtype=True.*nothing was loaded": {
            **rest,
            last: good[last].astype("float16"),
        },
    }
    before = values(target)
    for message, arrays in cases.items():
        mx.nd.save(path, arrays)
        with pytest.raises(gs.BindingError, match=f"(?s){message}"):
            target.load_parameters(path)
        assert values(target) == before


def test_load_parameters_of_another_rank_is_refused(path: str) -> None:
    target = gs.extract(layers(2), "dense0_fwd", "dense1_fwd")
    mx.nd.save(path, {"weight": mx.nd.zeros((4, 4, 1)), "bias": mx.nd.zeros(4)})
    with pytest.raises(gs.BindingError, match=r"\(4, 4\) <- file \(4, 4, 1\)"):
        target.load_parameters(path)


def test_load_parameters_on_another_context_is_refused(path: str) -> None:
    target = _piece()
    target.save_parameters(path)
    with pytest.raises(gs.BindingError, match=r"(?s)is on \[cpu\(0\)\], to be loaded on \[cpu\(1\)\].*reset_ctx"):
        target.load_parameters(path, ctx=mx.cpu(1))


def test_load_parameters_with_unknown_dtype_source_is_refused(path: str) -> None:
    with pytest.raises(gs.SubgraphError, match="(?s)dtype_source='file'.*nothing was loaded"):
        _piece().load_parameters(path, dtype_source="file")


def test_load_parameters_with_options_loads_the_rest(path: str) -> None:
    target = _piece()
    mx.nd.save(path, {"zzz": mx.nd.zeros(1), "conv0_bias": mx.nd.ones(4, dtype="float64")})
    target.load_parameters(path, allow_missing=True, ignore_extra=True, cast_dtype=True)
    bias = target.params["c_body_conv0_bias"].data()
    assert (bias.dtype, bias.asnumpy().tolist()) == (np.float32, [1, 1, 1, 1])


@pytest.mark.parametrize("content", [b"", b"no parameters", b"\x12\x01\x00\x00\x00\x00\x00\x00\xff"], ids=len)
def test_load_parameters_of_a_damaged_file_is_refused(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    target = _piece()
    before = values(target)
    with pytest.raises(gs.SubgraphError, match="is not an MXNet parameter file"):
        target.load_parameters(path)
    assert values(target) == before


def test_save_parameters_through_a_link_keeps_the_link(path: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    piece = _piece()
    piece.save_parameters(str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    piece.load_parameters(path)


def test_save_parameters_over_contexts_writes_the_mean_of_floats_alone(path: str) -> None:
    symbol = mx.sym.broadcast_add(mx.sym.var("data"), mx.sym.var("a_float"), name="sum")
    symbol = mx.sym.broadcast_add(symbol, mx.sym.cast(mx.sym.var("a_int"), "float32"))
    values = {"a_float": np.array([1.0], "float32"), "a_int": np.array([100], "int8")}
    piece = gs.extract((symbol, values, {}), "data", symbol.name)
    piece.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    piece.params["a_float"].data(mx.cpu(1))[:] = 2
    piece.save_parameters(path)
    assert {k: v.asnumpy().tolist() for k, v in mx.nd.load(path).items()} == {
        "float": [1.5],
        "int": [100],
    }


def test_save_parameters_of_a_numpy_style_block_round_trips(path: str, tmp_path: Path) -> None:
    with mx.util.np_shape(True), mx.util.np_array(True):
        net = nn.HybridSequential(prefix="n_")
        with net.name_scope():
            net.add(nn.Dense(4, in_units=3), nn.Dense(2, in_units=4))
        piece, x = gs.extract(initialised(net), "dense0_fwd", "dense1_fwd"), mx.np.ones((2, 4))
        expected = bits(piece(x))
        piece.save_parameters(path)
        piece.export(str(tmp_path / "q"))
        initialised(piece, seed=5)
        assert bits(piece(x)) != expected
        piece.load_parameters(path)
        files = _files(piece, tmp_path / "q")
        for block in (piece, gs.SubgraphBlock.imports(*files)):
            assert (type(block(x)), bits(block(x))) == (mx.np.ndarray, expected)


def test_load_parameters_on_a_context_this_machine_lacks_loads_nothing(path: str) -> None:
    gs.extract(layers(), "dense0_fwd", "dense2_fwd").save_parameters(path)
    piece = gs.extract(layers(initialise=False), "dense0_fwd", "dense2_fwd")
    with pytest.raises(gs.SubgraphError, match=r"(?s)there is no gpu\(99\) here.*nothing was loaded"):
        piece.load_parameters(path, ctx=mx.gpu(99))
    assert all(p._data is None for p in piece.collect_params().values())


@pytest.mark.parametrize("name", ["s.npz", "model.safetensors.index.json"])
def test_name_of_a_format_that_is_not_written_is_refused(tmp_path: Path, name: str) -> None:
    piece = gs.extract(layers(initialise=False), "dense0_fwd", "dense2_fwd")  # refused before a value is asked for
    match = r"(?s)is no name for a file of arrays.*It would be a .params file.*nothing was written"
    with pytest.raises(gs.SubgraphError, match=match):
        piece.save_parameters(str(tmp_path / name))
    with pytest.raises(gs.SubgraphError, match=match):
        _piece().collect_params().save(str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [None, 3, b"f"], ids=str)
def test_what_is_no_path_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    monkeypatch.chdir(tmp_path)
    piece = _piece()
    with pytest.raises(gs.SubgraphError, match=r"(?s)^path=.* is no path.*nothing was written"):
        piece.export(value)
    with pytest.raises(gs.SubgraphError, match=r"(?s)^path=.* is no path.*nothing was written"):
        piece.save(value)
    with pytest.raises(gs.SubgraphError, match=r"(?s)^filename=.* is no path.*nothing was written"):
        piece.save_parameters(value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("epoch", [-1, "best", 1.5, None], ids=str)
def test_epoch_that_is_no_number_of_one_is_refused(tmp_path: Path, epoch: Any) -> None:
    with pytest.raises(gs.SubgraphError, match=r"(?s)^epoch=.* is no number of an epoch.*nothing was written"):
        _piece().export(str(tmp_path / "x"), epoch)
    assert list(tmp_path.iterdir()) == []


def test_export_takes_a_path_and_a_numpy_epoch(tmp_path: Path) -> None:
    files = _piece().export(tmp_path / "x", np.int64(7))
    assert files[:2] == (str(tmp_path / "x-symbol.json"), str(tmp_path / "x-0007.params"))
