"""to_onnx: what onnxruntime computes of the file is what the block computes, under the block's names."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision
from onnx_models import exported, globals_of_onnx, interface_of, onnx, relative_error, results_of
from samples import CUTS, Fork, Offset, convolutional, initialised, layers, normal, triple, values
from snapshots import unchanged

PIECES = [  # network, image size, cut from, to
    ("resnet18_v1", 32, "pool0_fwd", "stage2_activation1"),
    ("resnet18_v1", 32, "data", "dense0_fwd"),
    ("resnet18_v2", 32, "stage1__plus0", "stage3_activation1"),
    ("mobilenet0.25", 32, "relu2_fwd", "relu14_fwd"),
    ("mobilenetv2_0.25", 32, "data", "output_flatten0_flatten0"),
    ("squeezenet1.1", 224, "pool0_fwd", "relu9_fwd"),
    pytest.param("densenet121", 224, "pool0_fwd", "stage2_concat3", marks=pytest.mark.slow),
    pytest.param("densenet121", 224, "data", "dense0_fwd", marks=pytest.mark.slow),
    pytest.param("inceptionv3", 299, "data", "dense0_fwd", marks=pytest.mark.slow),
    pytest.param("resnet50_v2", 64, "data", "dense0_fwd", marks=pytest.mark.slow),
    pytest.param("vgg11_bn", 64, "data", "dense2_fwd", marks=pytest.mark.slow),
]


def _trained(name: str, size: int) -> Any:
    net = vision.get_model(name, classes=10, prefix="net_")
    mx.random.seed(0)
    net.initialize(mx.init.MSRAPrelu())
    net(normal(1, 3, size, size)).wait_to_read()
    for parameter in net.collect_params(".*(running_mean|beta)").values():
        parameter.set_data(mx.nd.random.normal(scale=0.1, shape=parameter.shape))
    for parameter in net.collect_params(".*(running_var|gamma)").values():
        parameter.set_data(mx.nd.random.uniform(0.5, 1.5, shape=parameter.shape))
    return net


@pytest.mark.parametrize(("name", "size", "start", "end"), PIECES)
def test_export_piece_of_the_zoo_computes_the_same(name: str, size: int, start: str, end: str, tmp_path: Path) -> None:
    net = _trained(name, size)
    piece = gs.extract(net, start, end)
    nodes = {n.name: n.shape for n in gs.list_nodes(net, shapes={"data": (2, 3, size, size)})}
    shape = nodes.get(start) or nodes["net_" + start]
    file, error = exported(piece, tmp_path, {piece.input_names[0]: shape})
    assert max(error, file.difference) < 2e-5
    assert interface_of(file.path)[:2] == ([(piece.input_names[0], shape)], list(piece.output_names))
    assert file.size == Path(file.path).stat().st_size


def test_export_writes_parameters_under_their_names_and_opset_13(tmp_path: Path) -> None:
    piece = gs.extract(convolutional(), CUTS[0], CUTS[1])
    file, _ = exported(piece, tmp_path, (2, 4, 8, 8))
    assert set(interface_of(file.path)[2]) >= set(piece.params) - {"c_body_batchnorm0_gamma"}
    model = onnx.load(file.path)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    assert model.ir_version == 8
    onnx.checker.check_model(model, full_check=True)


def test_export_leaves_the_block_and_the_packages_as_they_were(tmp_path: Path) -> None:
    net = convolutional()
    for parameter in net.collect_params(".*gamma").values():
        parameter.set_data(mx.nd.full(parameter.shape, 2.0))
    before, settings = values(net), globals_of_onnx()
    with unchanged(net), mx.autograd.record():
        gs.to_onnx(net, tmp_path / "net.onnx", (1, 3, 8, 8))
    assert values(net) == before
    assert globals_of_onnx() == settings


@pytest.mark.parametrize("kind", ["triple", "files", "block", "hybridized"])
def test_export_takes_any_network(kind: str, tmp_path: Path) -> None:
    net = convolutional()
    net(normal(1, 3, 8, 8))
    given: Any = net
    if kind == "triple":
        given = triple(net)
    elif kind == "files":
        net.hybridize()
        net(normal(1, 3, 8, 8))
        net.export(str(tmp_path / "n"))
        given = (tmp_path / "n-symbol.json", tmp_path / "n-0000.params")
    elif kind == "hybridized":
        net.hybridize(static_alloc=True)
    file = gs.to_onnx(given, tmp_path / "m.onnx", {"data": (2, 3, 8, 8)})
    assert relative_error(net, file.path, [normal(2, 3, 8, 8)]) < 1e-5
    assert [name for name, _ in interface_of(file.path)[0]] == ["data"]


def test_export_two_inputs_and_two_outputs_in_the_order_of_the_block(tmp_path: Path) -> None:
    net = layers(4)
    names = ["dense2_tanh_fwd", "dense0_fwd", "dense2_fwd"]
    joined = gs.SubgraphBlock(
        [net(mx.sym.var("x")) * 2 + mx.sym.var("y"), mx.sym.var("y") - 1],
        [mx.sym.var("y"), mx.sym.var("x")],
        dict(net.collect_params().items()),
    )
    file, error = exported(joined, tmp_path, {"x": (3, 4), "y": (3, 4)})
    assert error < 1e-5
    assert interface_of(file.path)[:2] == ([("y", (3, 4)), ("x", (3, 4))], list(joined.output_names))
    piece = gs.extract(net, "data", names)
    file, error = exported(piece, tmp_path, (3, 4))
    assert error < 1e-5
    assert interface_of(file.path)[1] == list(piece.output_names)


def test_export_outputs_that_are_inputs_parameters_or_twice_the_same(tmp_path: Path) -> None:
    x = mx.sym.var("x")
    w = mx.sym.var("w", shape=(3,))
    y = mx.sym.broadcast_mul(x, w, name="y")
    net = (mx.sym.Group([y, x, y, w]), {"w": mx.nd.array([1, 2, 3])}, {})
    file = gs.to_onnx(net, tmp_path / "m.onnx", {"x": (2, 3)})
    assert interface_of(file.path)[1] == ["y_output", "x#2", "y_output#2", "w"]
    assert file.difference == 0


@pytest.mark.parametrize("net", [Fork(prefix="f_"), Offset(prefix="o_")], ids=["split", "constant"])
def test_export_blocks_with_several_outputs_and_constants(net: Any, tmp_path: Path) -> None:
    _, error = exported(initialised(net), tmp_path, (2, 3))
    assert error < 1e-5


def test_export_headed_block_and_towers(tmp_path: Path) -> None:
    net = convolutional()
    headed = gs.replace_head(net, nn.Dense(3, in_units=6, prefix="new_"))
    headed.head.initialize()
    _, error = exported(headed, tmp_path, (2, 3, 8, 8))
    towers = gs.tie_towers(net)
    file, error_of_towers = exported(towers, tmp_path, dict.fromkeys(towers.input_names, (2, 3, 8, 8)))
    assert max(error, error_of_towers) < 1e-5
    inputs, outputs, parameters = interface_of(file.path)
    assert ([name for name, _ in inputs], outputs) == (list(towers.input_names), list(towers.output_names))
    assert len(parameters) < 2 * len([*towers.params])


def test_export_frozen_normalisation(tmp_path: Path) -> None:
    net = convolutional()
    gs.freeze(net)
    _, error = exported(gs.extract(net, *CUTS), tmp_path, (2, 4, 8, 8))
    assert error < 1e-5


def test_export_loss_head_takes_no_label(tmp_path: Path) -> None:
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc"), name="softmax")
    arguments = {"fc_weight": normal(3, 4), "fc_bias": normal(3)}
    file = gs.to_onnx((symbol, arguments, {}), tmp_path / "m.onnx", (2, 4))
    assert interface_of(file.path)[:2] == ([("data", (2, 4))], ["softmax_output"])
    piece = gs.extract((symbol, arguments, {}), "data", "softmax")
    assert relative_error(piece, file.path, [normal(2, 4)]) < 1e-6


def test_export_half_precision_normalises_in_single(tmp_path: Path) -> None:
    net = convolutional()
    net(normal(1, 3, 8, 8))
    net.cast("float16")
    file = gs.to_onnx(net, tmp_path / "m.onnx", (2, 3, 8, 8))
    found = results_of(file.path, [normal(2, 3, 8, 8).astype("float16")])[0]
    assert found.dtype == np.float16
    net.cast("float32")
    expected = net(normal(2, 3, 8, 8)).asnumpy()
    assert np.abs(expected - found).max() < 1e-2 * np.abs(expected).max()


def test_export_embedding_whatever_the_indices(tmp_path: Path) -> None:
    net = nn.HybridSequential(prefix="e_")
    with net.name_scope():
        net.add(nn.Embedding(7, 4), nn.LayerNorm(in_channels=4), nn.Dense(2, flatten=False, in_units=4))
    file = gs.to_onnx(initialised(net), tmp_path / "m.onnx", (2, 5))
    assert relative_error(net, file.path, [mx.nd.array(np.arange(10).reshape(2, 5) % 7)]) < 1e-5


def test_export_keeps_an_input_that_is_not_used(tmp_path: Path) -> None:
    class First(nn.HybridBlock):
        def hybrid_forward(self, F: Any, x: Any, y: Any) -> Any:
            return F.relu(x)

    file, error = exported(First(prefix="f_"), tmp_path, {"data1": (4,), "data0": (2, 3)})
    assert interface_of(file.path)[0] == [("data0", (2, 3)), ("data1", (4,))]
    assert error == 0


def test_export_in_four_threads(tmp_path: Path) -> None:
    settings = globals_of_onnx()
    nets = [layers(2, prefix=f"n{i}_", seed=i) for i in range(4)]

    def work(i: int) -> float:
        return gs.to_onnx(nets[i], tmp_path / f"{i}.onnx", (2, 4)).difference

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, range(4))) < 1e-5
    assert globals_of_onnx() == settings
