"""save and load: the same block again, as it took, returned and learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from samples import Fork, bits, convolutional, initialised, layers, normal, same

nn = gluon.nn


def _joined() -> gs.SubgraphBlock:
    """Return a piece of two inputs, not in the order of the graph."""
    net = convolutional()
    return gs.extract(net, {"right": "c_body_batchnorm0_fwd", "left": "relu0_fwd"}, "dropout0_fwd")


def test_saved_files_load_in_stock_mxnet_with_equal_outputs(tmp_path: Path) -> None:
    net = convolutional()
    gs.freeze(net, upto="dropout0_fwd")
    piece = gs.extract(net, "data", "dense0_fwd")
    files = piece.save(str(tmp_path / "piece"))
    assert files == (str(tmp_path / "piece-symbol.json"), str(tmp_path / "piece-0000.params"), files.size)
    assert files.size == sum(p.stat().st_size for p in tmp_path.iterdir())
    stock = gluon.SymbolBlock.imports(files.symbol_file, ["data"], files.params_file)
    x = normal(4, 3, 8, 8)
    assert bits(stock(x)) == bits(piece(x))
    module = mx.mod.Module(*mx.model.load_checkpoint(str(tmp_path / "piece"), 0)[:1], label_names=None)
    module.bind([("data", (4, 3, 8, 8))], for_training=False)
    module.set_params(*mx.model.load_checkpoint(str(tmp_path / "piece"), 0)[1:])
    module.forward(mx.io.DataBatch([x]), is_train=False)
    assert float((module.get_outputs()[0] - piece(x)).abs().max().asscalar()) < 1e-5


def test_load_keeps_order_of_inputs_and_structure_of_outputs(tmp_path: Path) -> None:
    piece = _joined()
    piece.save(str(tmp_path / "two"))
    again = gs.load(tmp_path / "two")
    assert again.input_names == piece.input_names == ("right", "left")
    arrays = [normal(4, 4, 8, 8, seed=i) for i in range(2)]
    assert same(again(*arrays), piece(*arrays))
    listed = gs.extract(layers(2), "data", ["dense1_tanh_fwd"])
    listed.save(str(tmp_path / "list"))
    assert isinstance(gs.load(tmp_path / "list")(normal(2, 4)), list)
    fork = gs.extract(initialised(Fork(prefix="f_")), "data", [("split", 1), ("split", 0)])
    fork.save(str(tmp_path / "fork"))
    assert same(gs.load(tmp_path / "fork")(normal(2, 3)), fork(normal(2, 3)))


def test_load_restores_how_parameters_learn(tmp_path: Path) -> None:
    net = convolutional()
    net[0].weight.grad_req, net[0].weight.lr_mult, net[0].weight.wd_mult = "add", 0.5, 0.25
    gs.freeze(net, "3")
    piece = gs.extract(net, "data", "dense0_fwd")
    piece.save(str(tmp_path / "p"))
    again = gs.load(tmp_path / "p")
    kept = [tuple(row)[1:] for row in gs.trainable(piece)]
    assert [tuple(row)[1:] for row in gs.trainable(again)] == kept
    assert gs.unfreeze(again) == gs.unfreeze(net)


def test_load_of_a_piece_of_a_loaded_network_has_the_inputs_of_the_piece(tmp_path: Path) -> None:
    _joined().save(str(tmp_path / "two"))
    part = gs.extract(gs.load(tmp_path / "two"), {"left": "left", "r": "right"}, "dropout0_fwd")
    part.save(str(tmp_path / "part"))
    assert gs.load(tmp_path / "part").input_names == ("left", "r")


def test_load_takes_exported_files_epochs_and_files_by_name(tmp_path: Path) -> None:
    net = layers(2)
    net.hybridize()
    x = normal(2, 4)
    net(x)
    for epoch in (0, 3):
        net.export(str(tmp_path / "net"), epoch)
    with pytest.raises(gs.SubgraphError, match=r"there are 2 parameter files.*\n  Give epoch=.*nothing was loaded"):
        gs.load(tmp_path / "net")
    assert same(gs.load(str(tmp_path / "net"), 3)(x), net(x))
    (tmp_path / "net-0003.params").rename(tmp_path / "other.bin")
    assert same(gs.load(tmp_path / "net-symbol.json", params=tmp_path / "other.bin")(x), net(x))
    assert same(gs.load(tmp_path / "net-symbol.json")(x), net(x))


def test_load_of_a_training_symbol_leaves_its_label_out(tmp_path: Path) -> None:
    data = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    symbol = mx.sym.SoftmaxOutput(data, name="softmax")
    values = {"fc_weight": normal(3, 4), "fc_bias": normal(3)}
    mx.model.save_checkpoint(str(tmp_path / "m"), 7, symbol, values, {})
    block = gs.load(tmp_path / "m")
    assert block.input_names == ("data",)
    expected = mx.nd.softmax(mx.nd.FullyConnected(normal(2, 4), *values.values(), num_hidden=3))
    assert float((block(normal(2, 4)) - expected).abs().max().asscalar()) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), r"no symbol file '.*nothing-symbol\.json'\. Beside it are '.*net-symbol\.json'"),
        (("net", 9), r"no file '.*net-0009\.params'"),
        (("net", -1), r"epoch=-1 is no number"),
        (("net", True), r"epoch=True is no number"),
        ((3,), r"path=3 is a int, no path"),
        (("only-symbol.json",), r"no file '.*only-0000\.params'\.\n  Give epoch="),
    ],
    ids=str,
)
def test_load_of_what_is_not_there_says_so(arguments: Any, message: str, tmp_path: Path) -> None:
    gs.extract(layers(1), "data", "dense0_fwd").save(str(tmp_path / "net"))
    (tmp_path / "only-symbol.json").write_text((tmp_path / "net-symbol.json").read_text())
    first, *rest = arguments
    with pytest.raises(gs.SubgraphError, match=message):
        gs.load(str(tmp_path / first) if isinstance(first, str) else first, *rest)


def test_save_of_what_has_no_values_writes_nothing(tmp_path: Path) -> None:
    piece = gs.extract(layers(1, initialise=False), "data", "dense0_fwd")
    with pytest.raises(gs.BindingError, match="have no value"):
        piece.save(str(tmp_path / "p"))
    assert list(tmp_path.iterdir()) == []


def test_export_of_a_piece_of_a_loaded_network_notes_the_interface_of_the_piece(tmp_path: Path) -> None:
    a, b = mx.sym.var("a"), mx.sym.var("b")
    gs.SubgraphBlock(mx.sym.broadcast_sub(a, b, name="h"), [b, a]).save(str(tmp_path / "m"))
    piece = gs.extract(gs.load(tmp_path / "m"), ["a", "b"], "h")
    piece.export(str(tmp_path / "q"))
    arrays = mx.nd.array([5.0]), mx.nd.array([1.0])
    assert same(gs.load(tmp_path / "q")(*arrays), piece(*arrays))
    part = gs.extract(gs.load(tmp_path / "m"), {"other": "b", "a": "a"}, ["h"])
    part.export(str(tmp_path / "r"))
    assert gs.load(tmp_path / "r").input_names == ("other", "a")
    assert isinstance(gs.load(tmp_path / "r")(*arrays), list)


def test_load_of_nested_outputs_and_of_an_output_that_is_an_input(tmp_path: Path) -> None:
    a, b = mx.sym.var("a"), mx.sym.var("b")
    block = gs.SubgraphBlock([[a * 2, b], a], [a, b])
    block.save(str(tmp_path / "m"))
    (doubled, second), first = gs.load(tmp_path / "m")(mx.nd.array([5.0]), mx.nd.array([1.0]))
    assert [v.asscalar() for v in (doubled, second, first)] == [10, 1, 5]


def test_load_in_numpy_mode_returns_numpy_arrays(tmp_path: Path) -> None:
    piece = gs.extract(layers(1), "data", "dense0_tanh_fwd")
    piece.save(str(tmp_path / "m"))
    with mx.util.np_shape(True), mx.util.np_array(True):
        y = gs.load(tmp_path / "m")(mx.np.array(normal(2, 4).asnumpy()))
        assert isinstance(y, mx.np.ndarray)
    assert bits(y.as_nd_ndarray()) == bits(piece(normal(2, 4)))


def test_load_does_not_take_the_values_of_another_model(tmp_path: Path) -> None:
    piece = gs.extract(layers(1), "data", "dense0_tanh_fwd")
    piece.save(str(tmp_path / "m"))
    (tmp_path / "m-0000.params").rename(tmp_path / "m-other-0000.params")
    with pytest.raises(gs.SubgraphError, match=r"no file '.*m-0000\.params'"):
        gs.load(tmp_path / "m")


def test_load_with_epoch_and_params_is_refused(tmp_path: Path) -> None:
    gs.extract(layers(1), "data", "dense0_fwd").save(str(tmp_path / "net"))
    text = r"epoch=3 and params='.*net-0000\.params' each name a parameter file.*\n  Leave out the one .*nothing was"
    with pytest.raises(gs.SubgraphError, match=text):
        gs.load(tmp_path / "net", 3, params=str(tmp_path / "net-0000.params"))


def test_load_takes_an_epoch_of_numpy(tmp_path: Path) -> None:
    piece = gs.extract(layers(1), "data", "dense0_fwd")
    piece.save(str(tmp_path / "net"))
    assert bits(gs.load(tmp_path / "net", np.int64(0))(normal(2, 4))) == bits(piece(normal(2, 4)))
    with pytest.raises(gs.SubgraphError, match="epoch=1.0 is no number of an epoch"):
        gs.load(tmp_path / "net", 1.0)
