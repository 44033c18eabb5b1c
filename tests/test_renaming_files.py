"""Files under old and new names: every naming scheme loads into a renamed network, and a pair of files is renamed."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from random_graphs import random_network
from samples import bits, convolutional, initialised, layers, normal, same, values
from snapshots import unchanged

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.value_files import save_safetensors

nn = gluon.nn
X = (2, 3, 8, 8)


def _exported(block: gluon.HybridBlock, file: str) -> None:
    block.hybridize()
    block(normal(*X))
    block.export(file + "-export")
    Path(file + "-export-0000.params").rename(file)


SCHEMES: dict[str, Callable[[Any, str], None]] = {
    "structural": lambda block, file: block.save_parameters(file),
    "prefixed": lambda block, file: block.collect_params().save(file),
    "arg and aux": _exported,
}
schemes = pytest.mark.parametrize("save", SCHEMES.values(), ids=SCHEMES)


@schemes
@pytest.mark.parametrize("names", ["x_", {"*conv*": "*k*", "batchnorm0_*": "norm_*"}], ids=["prefix", "globs"])
def test_files_of_the_network_and_of_the_renamed_load_into_the_renamed(save: Any, names: Any, tmp_path: Path) -> None:
    def fresh(seed: int) -> gluon.HybridBlock:
        net = convolutional("c_", seed=seed)
        net(normal(*X))
        return net

    for i, source in enumerate([fresh(1), gs.rename(fresh(2), names).net, gs.rename(fresh(3), "other_").net]):
        if i == 2 and save is not SCHEMES["structural"]:
            continue  # names that this network never had
        file = str(tmp_path / f"file{i}")
        save(source, file)
        target = gs.rename(convolutional("c_", seed=9), names).net
        target.load_parameters(file)
        assert list(values(target).values()) == list(values(source).values())
        again = gs.rename(target, lambda name: f"twice_{name}").net
        initialised(again, seed=8)
        again.load_parameters(file)
        assert list(values(again).values()) == list(values(source).values())


def test_every_name_a_parameter_has_had_is_known(tmp_path: Path) -> None:
    file = str(tmp_path / "f")
    net = layers(2)
    first = gs.rename(net, "x_").net
    parent = nn.HybridSequential(prefix="p_")
    parent.add(first)
    second = gs.rename(gs.rename(first, "y_").net, "z_").net
    for target, sources in [(second, [net, first, second]), (gs.rename(parent, "y_").net, [first, parent])]:
        for i, source in enumerate(sources):
            initialised(net, seed=i)
            expected = values(net)
            source.collect_params().save(file)
            initialised(net, seed=9)
            target.load_parameters(file)
            assert values(net) == expected


def test_structural_file_of_a_network_that_holds_a_block_twice_loads_either_way(tmp_path: Path) -> None:
    inner = layers(1)
    net = nn.HybridSequential(prefix="p_")
    net.add(inner, inner)
    renamed, file = gs.rename(net, "x_").net, str(tmp_path / "f")
    before = values(net)
    for source, target in [(net, renamed), (renamed, net)]:
        for options in ({}, {"deduplicate": True}):
            source.save_parameters(file, **options)
            initialised(net, seed=5)
            target.load_parameters(file)
            assert values(net) == before


def test_structural_file_of_the_renamed_loads_into_the_network(tmp_path: Path) -> None:
    file = str(tmp_path / "file")
    gs.rename(convolutional(seed=1), "x_").net.save_parameters(file)
    target = convolutional(seed=2)
    target.load_parameters(file)
    assert values(target) == values(convolutional(seed=1))


@pytest.mark.parametrize("model", ["resnet18_v1"])
def test_zoo_network_loads_its_three_kinds_of_files_under_other_names(model: str, tmp_path: Path) -> None:
    net = mx.gluon.model_zoo.vision.get_model(model, classes=10, prefix="z_")
    x = normal(1, 3, 32, 32)
    initialised(net)(x)
    target = gs.rename(net, {"*batchnorm*": "*bn*", "*stage*": "*block*"}).net
    for name, save in SCHEMES.items():
        file = str(tmp_path / "file")
        if name == "arg and aux":
            net.hybridize()
            net(x)
            net.export(file)
            file += "-0000.params"
        else:
            save(net, file)
        before = values(net)
        expected = net(x)
        for parameter in net.collect_params().values():
            parameter.set_data(parameter.data() * 0)
        target.load_parameters(file)
        assert values(net) == before
        assert same(target(x), expected)


def test_saved_by_name_it_loads_into_a_network_of_those_names(tmp_path: Path) -> None:
    source, target = convolutional("a_", seed=1), convolutional("b_", seed=2)
    renamed = gs.rename(source, "b_").net
    file = str(tmp_path / "f")
    renamed.collect_params().save(file)
    target.collect_params().load(file)
    assert values(target) == values(renamed)
    initialised(target, seed=2)
    renamed.export(file)
    target.collect_params().load(file + "-0000.params")
    assert same(target(normal(*X)), source(normal(*X)))
    renamed.collect_params().save(file, strip_prefix="b_")
    assert sorted(mx.nd.load(file)) == sorted(name[2:] for name in source.collect_params())
    with pytest.raises(gs.SubgraphError, match=r"(?s)strip_prefix='a_' is not what 'b_conv0_weight'.*nothing was wri"):
        renamed.collect_params().save(file, strip_prefix="a_")


def test_renamed_export_is_read_by_stock_gluon_and_module(tmp_path: Path) -> None:
    net, x = convolutional(), normal(*X)
    gs.rename(net, "x_").net.export(str(tmp_path / "p"))
    stock = gluon.SymbolBlock.imports(f"{tmp_path}/p-symbol.json", ["data"], f"{tmp_path}/p-0000.params")
    assert same(stock(x), net(x))
    assert all(name.startswith("x_") for name in stock.collect_params())


def _files(folder: Path, epoch: int = 0) -> tuple[tuple[str, str], gluon.HybridBlock]:
    net = convolutional()
    net.hybridize()
    net(normal(*X))
    net.export(str(folder / "net"), epoch)
    return (f"{folder}/net-symbol.json", f"{folder}/net-{epoch:04d}.params"), net


def _contents(path: str) -> dict[str, Any]:
    return {name: bits(array) for name, array in mx.nd.load(path).items()}


def test_pair_of_files_is_renamed_and_back(tmp_path: Path) -> None:
    pair, net = _files(tmp_path, epoch=7)
    with unchanged(pair):
        renamed = gs.rename(pair, "x_", out=tmp_path / "new")
    assert renamed.net == (f"{tmp_path}/new-symbol.json", f"{tmp_path}/new-0007.params")
    assert _contents(renamed.net[1]) == {
        key[:4] + renamed.mapping[key[4:]]: value for key, value in _contents(pair[1]).items()
    }
    symbol, arguments, auxiliary = mx.model.load_checkpoint(f"{tmp_path}/new", 7)
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", X)], for_training=False)
    module.set_params(arguments, auxiliary)
    module.forward(mx.io.DataBatch([normal(*X)]), is_train=False)
    assert np.allclose(module.get_outputs()[0].asnumpy(), net(normal(*X)).asnumpy(), atol=1e-5)
    assert same(gluon.SymbolBlock.imports(renamed.net[0], ["data"], renamed.net[1])(normal(*X)), net(normal(*X)))
    back = gs.rename(renamed.net, renamed.inverse, out=[tmp_path / "s", tmp_path / "p"])
    assert back.net == (f"{tmp_path}/s", f"{tmp_path}/p")
    assert Path(back.net[1]).read_bytes() == Path(pair[1]).read_bytes()
    assert graph_of_symbol(mx.sym.load(back.net[0])) == graph_of_symbol(mx.sym.load(pair[0]))


@pytest.mark.parametrize("seed", range(4))
def test_pair_of_files_of_any_network_and_kind_of_array_is_renamed_and_back(seed: int, tmp_path: Path) -> None:
    network = random_network(seed, repeat_names=True)
    extra = {
        "half": mx.nd.ones((2, 3), dtype="float16"),
        "sparse": mx.nd.ones((4, 2)).tostype("row_sparse"),
        "csr": mx.nd.ones((4, 2)).tostype("csr"),
        "not a number": mx.nd.array([np.nan, np.inf]),
    }
    pair = str(tmp_path / "s.json"), str(tmp_path / "p.params")
    network.symbol.save(pair[0])
    mx.nd.save(pair[1], {**{f"arg:{n}": a for n, a in network.arg_params.items()}, **network.aux_params, **extra})
    renamed = gs.rename(pair, lambda name: f"ö {name[::-1]}", out=str(tmp_path / "new"))
    assert renamed.net[1] == f"{tmp_path}/new-0000.params"
    assert set(extra) <= set(mx.nd.load(renamed.net[1]))
    back = gs.rename(renamed.net, renamed.inverse, out=str(tmp_path / "back")).net
    assert Path(back[1]).read_bytes() == Path(pair[1]).read_bytes()
    assert graph_of_symbol(mx.sym.load(back[0])) == graph_of_symbol(network.symbol)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_pair_with_another_kind_of_file_is_renamed(suffix: str, tmp_path: Path) -> None:
    net = convolutional("c_", seed=1)
    whole = gs.extract(net, "data", "dropout0_fwd")
    symbol_file, *_ = whole.save(str(tmp_path / "net"))
    file = str(tmp_path / f"net{suffix}")
    arrays = {name: p.data() for name, p in whole.params.items()}
    if suffix == ".npz":
        np.savez(file, **{name: array.asnumpy() for name, array in arrays.items()})
    else:
        save_safetensors(file, arrays)
    x = normal(*X)
    for out in (str(tmp_path / "new"), (str(tmp_path / "new-symbol.json"), str(tmp_path / "new.safetensors"))):
        renamed = gs.rename((symbol_file, file), "new_", out=out)
        piece = gs.load(renamed.net[0], params=renamed.net[1])
        assert set(piece.params) == {renamed.mapping[name] for name in arrays}
        assert same(piece(x), whole(x))


def test_files_are_replaced_only_where_out_says_so(tmp_path: Path) -> None:
    pair, _ = _files(tmp_path)
    expected = gs.rename(pair, "x_", dry_run=True)
    before = sorted(tmp_path.iterdir())
    with unchanged(pair):
        for options in ({}, {"out": 3}, {"out": ("a",)}):
            with pytest.raises(gs.SubgraphError, match=r"(?s)out is .*a pair of files is renamed.*nothing was written"):
                gs.rename(pair, "x_", **options)
        with pytest.raises(gs.NameConflictError, match="is one place for two files"):
            gs.rename(pair, "x_", out=(pair[0], pair[0]))
        with pytest.raises(gs.SubgraphError, match="there is no folder"):
            gs.rename(pair, "x_", out=tmp_path / "none" / "x")
        with pytest.raises(gs.NameConflictError, match="would both be called"):
            gs.rename(pair, lambda name: "x", out=tmp_path / "x")
    assert sorted(tmp_path.iterdir()) == before
    assert gs.rename(pair, "x_", out=tmp_path / "net").mapping == expected.mapping
    assert sorted(tmp_path.iterdir()) == before
    assert all(key[4:6] == "x_" for key in mx.nd.load(pair[1]))


def test_epoch_of_any_length_stays_in_the_name(tmp_path: Path) -> None:
    pair, _ = _files(tmp_path, epoch=12345)
    assert gs.rename(pair, "x_", out=tmp_path / "new").net[1] == f"{tmp_path}/new-12345.params"
    other = tmp_path / "net-0001.params.old"
    Path(pair[1]).rename(other)
    assert gs.rename((pair[0], other), "x_", out=tmp_path / "new").net[1] == f"{tmp_path}/new-0000.params"


def test_file_that_goes_by_blocks_has_nothing_to_rename(tmp_path: Path) -> None:
    pair, net = _files(tmp_path)
    net.save_parameters(pair[1])
    before = sorted(tmp_path.iterdir())
    for is_dry in (False, True):
        with pytest.raises(
            gs.BindingError,
            match=r"(?s)none of the 1\d arrays of '.*' belongs to a variable of '.*'\..*holds '0.weight'.*"
            "variables are 'data'.*save_parameters goes by blocks.*Nothing was written",
        ):
            gs.rename(pair, "x_", out=tmp_path / "x", dry_run=is_dry)
    assert sorted(tmp_path.iterdir()) == before


def test_file_with_an_array_under_a_new_name_is_refused(tmp_path: Path) -> None:
    pair, net = _files(tmp_path)
    mx.nd.save(pair[1], {**mx.nd.load(pair[1]), "arg:other": mx.nd.ones(1)})
    for is_dry in (False, True):
        with pytest.raises(gs.NameConflictError, match="'arg:c_conv0_bias' and 'arg:other' would both be"):
            gs.rename(pair, {"c_conv0_bias": "other"}, out=tmp_path / "x", dry_run=is_dry)
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("name", ["w2.npz", "model.safetensors.index.json"])
def test_out_of_a_format_that_is_not_written_is_refused(name: str, dry_run: bool, tmp_path: Path) -> None:
    files = gs.extract(convolutional(), "data", "dense0_fwd").save(str(tmp_path / "c"))[:2]
    before = sorted(tmp_path.iterdir())
    out = (str(tmp_path / "m.json"), str(tmp_path / name))
    with pytest.raises(gs.SubgraphError, match=r"(?s)is no name for a file of arrays.*nothing was written"):
        gs.rename(files, "x_", out=out, dry_run=dry_run)
    assert sorted(tmp_path.iterdir()) == before
