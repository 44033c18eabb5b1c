"""Networks that keep something of a call, share weights or hold symbols: tracing leaves and names them right."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from mxnet import gluon, nd
from mxnet.gluon import nn
from samples import initialised, normal, same


def test_list_nodes_in_a_new_thread_leaves_the_thread_usable() -> None:
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Dense(4, in_units=4))
    failed: list[Any] = []

    def work() -> None:
        gs.list_nodes(net)
        try:
            mx.sym.relu(mx.sym.var("x"))
            nn.Dense(2)
            net(mx.sym.var("q"))
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []


class Stepped(gluon.HybridBlock):
    """Steps a recurrent cell by hand, and remembers what it returned."""

    def __init__(self, cell: Any) -> None:
        super().__init__(prefix="n_")
        self.seen: list[Any] = []
        with self.name_scope():
            self.cell = cell()
            self.dense = nn.Dense(3, in_units=4)

    def hybrid_forward(self, F: Any, x: Any, h: Any) -> Any:  # noqa: N803 - Gluon's name for it
        self.last = self.dense(self.cell(x, [h])[0])
        self.seen.append(self.last)
        return self.last


def _gru() -> Any:
    return gluon.rnn.GRUCell(4, input_size=4)


@pytest.mark.parametrize("has_run", [False, True])
@pytest.mark.parametrize("cell", [_gru, lambda: gluon.rnn.ZoneoutCell(_gru(), 0.3, 0.3)], ids=["gru", "zoneout"])
def test_extract_from_a_network_with_state_leaves_the_state(cell: Any, has_run: bool) -> None:
    net, x = initialised(Stepped(cell)), nd.ones((2, 4))
    if has_run:
        net(x, x)
    before = {name: value for block in (net, net.cell) for name, value in vars(block).items()}
    seen = list(net.seen)
    names = [node.name for node in gs.list_nodes(net)]
    assert names == [node.name for node in gs.list_nodes(net)]
    piece = gs.extract(net, ["data0", "data1"], names[-1])
    after = {name: value for block in (net, net.cell) for name, value in vars(block).items()}
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] is not after[name]] == []
    assert [a is b for a, b in zip(seen, net.seen)] == [True] * len(net.seen)
    net.cell.reset()
    assert same(piece(x, x), net(x, x))


def test_extract_parameter_called_data_is_not_the_input() -> None:
    class Scaled(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__(prefix="")
            self.data = self.params.get("data", shape=(1, 4), init=mx.init.Constant(3))

        def hybrid_forward(self, F: Any, x: Any, data: Any) -> Any:  # noqa: N803
            return F.relu(F.broadcast_mul(x, data, name="m"), name="r")

    net = Scaled()
    net.initialize()
    assert [node.name for node in gs.list_nodes(net)] == ["data_input", "m", "r"]
    piece = gs.extract(net, "data_input", "r")
    assert piece(nd.ones((1, 4)) * 5).asnumpy().tolist() == [[15.0] * 4]
    assert piece.params["data"] is net.data


def test_extract_from_a_block_with_any_number_of_inputs_is_refused_until_it_has_run() -> None:
    class Sum(gluon.HybridBlock):
        def hybrid_forward(self, F: Any, *xs: Any) -> Any:  # noqa: N803
            return F.add_n(*xs, name="sum")

    net = Sum(prefix="")
    with pytest.raises(gs.SubgraphError, match="hybrid_forward of Sum takes any number of inputs"):
        gs.list_nodes(net)
    net.hybridize()
    net(nd.ones(2), nd.ones(2))
    assert gs.extract(net, ["data0", "data1"], "sum")(nd.ones(2), nd.ones(2)).asnumpy().tolist() == [2.0, 2.0]


def test_piece_of_a_recurrent_layer_takes_no_zero_state() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(4, flatten=False, in_units=3), gluon.rnn.LSTM(5, input_size=4), nn.Dense(2, flatten=False))
    net.initialize()
    piece = gs.extract(net, net[1:3])
    assert piece.input_names == ("n_dense0_fwd_output",)
    x = normal(6, 2, 3)
    assert same(piece(net[0](x)), net(x))


def test_list_nodes_paths_with_tied_weights_are_those_of_the_block_that_made_the_node() -> None:
    class Tied(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__(prefix="n_")
            with self.name_scope():
                self.a = nn.Dense(4, in_units=4)
                self.b = nn.Dense(4, in_units=4, params=self.a.params)

        def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
            return self.b(F.tanh(self.a(F.relu(x, name="pre")), name="mid"))

    paths = [(node.op, node.path) for node in gs.list_nodes(Tied())]
    assert paths == [("input", ""), ("relu", ""), ("FullyConnected", "a"), ("tanh", ""), ("FullyConnected", "b")]


def test_extract_from_a_piece_takes_the_block_paths_it_shows() -> None:
    net = initialised(mx.gluon.model_zoo.vision.resnet18_v1(prefix="r_"))
    whole = gs.extract(net, "pool0_fwd", "dense0_fwd")
    piece = gs.extract(whole, "features.5", "features.6")
    assert piece.graph == gs.extract(net, "features.5", "features.6").graph
    assert gs.extract(piece, "features.5", "features.6.0").output_names == ("r_stage3_activation0_output",)


def _labelled(folder: Path, label: str, values: dict[str, Any]) -> gluon.HybridBlock:
    """Return a network around a SymbolBlock whose label has become a parameter."""
    scores = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    symbol = mx.sym.SoftmaxOutput(scores, mx.sym.var(label), name="softmax")
    files = str(folder / "m-symbol.json"), str(folder / "m-0000.params")
    symbol.save(files[0])
    nd.save(files[1], {"arg:fc_weight": normal(3, 4), "arg:fc_bias": nd.zeros(3), **values})
    net = nn.HybridSequential(prefix="n_")
    net.add(gluon.SymbolBlock.imports(files[0], ["data"], files[1], allow_missing=True))
    return net


@pytest.mark.parametrize("label", ["label", "softmax_label"])
@pytest.mark.parametrize("has_value", [False, True])
def test_extract_head_whose_label_is_a_parameter_takes_its_inference_form(
    tmp_path: Path, label: str, has_value: bool
) -> None:
    net = _labelled(tmp_path, label, {f"arg:{label}": nd.zeros(2)} if has_value else {})
    if not has_value:
        net.collect_params(label).initialize()
    piece = gs.extract(net, "data", "softmax")
    x = normal(5, 4)
    scores = nd.FullyConnected(x, *[p.data() for p in piece.params.values()], num_hidden=3)
    assert list(piece.params.keys()) == ["fc_weight", "fc_bias"]
    assert same(piece(x), nd.softmax(scores))


def test_extract_fused_graph_inside_a_network_is_refused_at_the_front_too() -> None:
    data = mx.sym.var("data")
    symbol = mx.sym.Convolution(data, kernel=(3, 3), num_filter=4, no_bias=True, name="c")
    symbol = mx.sym.Activation(mx.sym.BatchNorm(symbol, name="bn", fix_gamma=False), act_type="relu")
    symbol = mx.sym.FullyConnected(symbol, num_hidden=2, name="fc").get_backend_symbol("MKLDNN")
    net = nn.HybridSequential(prefix="n_")
    net.add(gluon.SymbolBlock(symbol, [data]), nn.Dense(2, prefix="dd_"))
    with pytest.raises(gs.SubgraphError, match="operators of the subgraph are fused by a backend"):
        gs.extract(net, "data", "dd_fwd")


def test_extract_name_of_a_node_and_of_a_block_is_refused() -> None:
    class Both(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__(prefix="n_")
            with self.name_scope():
                self.n_relu = nn.Dense(4, in_units=4)

        def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
            return F.tanh(self.n_relu(F.tanh(F.relu(x, name="relu"), name="t")), name="out")

    with pytest.raises(gs.UnknownNodeError, match="'relu' may mean 2 tensors"):
        gs.extract(Both(), "relu", "out")
