"""Parameters of NumPy mode that are single numbers, inputs that are called as arguments of MXNet, odd arguments."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any, Iterator

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from samples import layers, normal, same, values

from gluon_subgraph.graph import Entry
from gluon_subgraph.listing import tensor_shapes
from gluon_subgraph.network import Network

nn = gluon.nn


@mx.init.register
class _Seven(mx.init.Initializer):
    """Sets a number, which Gluon's own initialisers cannot."""

    def _init_weight(self, name: Any, arr: Any) -> None:
        arr[()] = 7


class _Scaled(gluon.HybridBlock):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.dense = nn.Dense(3, in_units=3)
            self.scale = self.params.get("scale", shape=(), init=_Seven())

    def hybrid_forward(self, F: Any, x: Any, scale: Any) -> Any:
        return self.dense(x) * scale


@pytest.fixture
def numpy_mode() -> Iterator[None]:
    with mx.util.np_shape(True), mx.util.np_array(True):
        yield


def _net(dtype: str = "float32") -> tuple[_Scaled, gs.SubgraphBlock]:
    net = _Scaled(prefix="s_")
    net.initialize(mx.init.Normal(1))
    net.cast(dtype)
    return net, gs.rename(net, "x_").net


def _numbers(net: gluon.Block) -> list[Any]:
    return [p.data().asnumpy().tolist() for p in net.collect_params().values()]


@pytest.mark.parametrize("inside", [True, False], ids=["in NumPy mode", "outside"])
def test_single_number_is_saved_and_loaded(inside: bool, tmp_path: Path) -> None:
    file = str(tmp_path / "f")
    with mx.util.np_shape(True), mx.util.np_array(True):
        net, block = _net()
        block.save_parameters(file)
        before = _numbers(net)
        array = net.scale.data()
        array[()] = 3
    with mx.util.np_shape(inside), mx.util.np_array(inside):
        block.load_parameters(file)
    with mx.util.np_shape(True), mx.util.np_array(True):
        assert _numbers(net) == before
        assert array.item() == 7  # in place: whoever holds the array sees it


@pytest.mark.usefixtures("numpy_mode")
def test_single_number_loads_into_a_block_without_values_and_of_another_dtype(tmp_path: Path) -> None:
    file = str(tmp_path / "f")
    net, block = _net()
    block.save_parameters(file)
    empty = _Scaled(prefix="e_")
    gs.rename(empty, "x_").net.load_parameters(file)
    assert _numbers(empty) == _numbers(net)
    for source, kept in [("current", "float64"), ("saved", "float32")]:
        other, target = _net("float64")
        with pytest.raises(gs.BindingError, match="differs in dtype"):
            target.load_parameters(file)
        target.load_parameters(file, cast_dtype=True, dtype_source=source)
        assert (np.dtype(other.scale.dtype).name, other.scale.data().dtype) == (kept, np.dtype(kept))
        assert _numbers(other) == _numbers(net)


@pytest.mark.usefixtures("numpy_mode")
@pytest.mark.parametrize("wrong", [(4,), (1,)], ids=str)
def test_array_for_a_single_number_loads_nothing(wrong: Any, tmp_path: Path) -> None:
    net, block = _net()
    block.save_parameters(str(tmp_path / "f"))
    arrays = {name: array + 1 for name, array in mx.npx.load(str(tmp_path / "f")).items()}
    before = _numbers(net)
    mx.npx.save(str(tmp_path / "f"), {**arrays, "scale": mx.np.ones(wrong)})
    with pytest.raises(gs.BindingError, match=r"(?s)'scale' differs in shape.*\(\) <- file \(\d,\).*Nothing was loa"):
        block.load_parameters(str(tmp_path / "f"))
    mx.npx.save(str(tmp_path / "f"), {**arrays, "dense.bias": mx.np.array(1.0)})
    with pytest.raises(gs.BindingError, match=r"'dense.bias' differs in shape"):
        block.load_parameters(str(tmp_path / "f"))
    assert _numbers(net) == before


@pytest.mark.parametrize("is_np", [False, True], ids=["classic", "NumPy"])
@pytest.mark.parametrize("name", ["self", "partial"])
def test_input_of_any_name_lets_shapes_be_inferred(name: str, is_np: bool) -> None:
    with mx.util.np_shape(is_np), mx.util.np_array(is_np):
        net = nn.HybridSequential(prefix="n_")
        with net.name_scope():
            net.add(nn.Dense(4), nn.BatchNorm(), nn.Dense(2))
        net.initialize()
        block = gs.rename(net, {"data": name, "dense0_bias": "self_"}).net
        x = mx.np.ones((2, 3)) if is_np else normal(2, 3)
        assert same(block(x), net(x))
        assert (block.input_names, net[0].weight.shape) == ((name,), (4, 3))
        shapes = {node.name: node.shape for node in gs.list_nodes(block, shapes={name: (2, 3)})}
        assert shapes["n_dense1_fwd"] == (2, 2)
        assert block.symbol.list_arguments()[0] == name


@pytest.mark.parametrize("value", [3, None, b"f", ["f"]], ids=str)
def test_what_is_no_path_is_refused(value: Any) -> None:
    net = layers(1)
    before = values(net)
    with pytest.raises(gs.SubgraphError, match=r"(?s)filename=.* is no path.*nothing was loaded"):
        gs.rename(net, "x_").net.load_parameters(value)
    assert values(net) == before


@pytest.mark.parametrize("ctx", ["cpu", 3, [], ["cpu"], [mx.cpu(), None]], ids=str)
def test_what_is_no_context_is_refused(ctx: Any, tmp_path: Path) -> None:
    net = layers(1, initialise=False)
    layers(1).save_parameters(str(tmp_path / "f"))
    block = gs.rename(net, "x_").net
    with pytest.raises(gs.SubgraphError, match=r"(?s)ctx=.* is no context.*nothing was loaded"):
        block.load_parameters(str(tmp_path / "f"), ctx=ctx)
    assert net[0].weight._data is None
    block.load_parameters(str(tmp_path / "f"), ctx=(mx.cpu(0), mx.cpu(1)))
    assert net[0].weight.list_ctx() == [mx.cpu(0), mx.cpu(1)]


def test_shape_of_a_number_is_known(numpy_mode: None) -> None:
    net = _Scaled(prefix="s_")
    net.initialize()
    network = Network.of(net)
    found = tensor_shapes(network, {"data": (2, 3)})
    scale = next(i for i, node in network.graph.variables() if node.name == "s_scale")
    assert found[Entry(scale)] == ()
    assert network.known_shapes()["s_scale"] == ()
    assert found[network.graph.outputs[0]] == (2, 3)
