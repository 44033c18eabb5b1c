"""What operators imply of the shapes of their parameters is what MXNet infers, as far as it is known."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path

import mxnet as mx
import pytest

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.deferred import known_sizes
from gluon_subgraph.implied_shapes import implied_shapes


def network() -> mx.sym.Symbol:
    x = mx.sym.var("data")
    x = mx.sym.Convolution(x, num_filter=8, kernel=(3, 2), num_group=1, name="conv")
    x = mx.sym.BatchNorm(x, fix_gamma=False, name="norm")
    x = mx.sym.LeakyReLU(x, act_type="prelu", name="prelu")
    x = mx.sym.Deconvolution(x, num_filter=4, kernel=(2, 2), num_group=2, no_bias=True, name="up")
    x = mx.sym.InstanceNorm(x, name="instance")
    return mx.sym.FullyConnected(x, num_hidden=5, name="dense")


def test_implied_sizes_are_those_that_mxnet_infers() -> None:
    symbol = network()
    arguments, _, auxiliary = symbol.infer_shape(data=(2, 3, 9, 9))
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    inferred = dict(zip(names, [*arguments, *auxiliary]))
    implied = implied_shapes(graph_of_symbol(symbol))
    assert set(implied) == set(names) - {"data"}
    for name, shape in implied.items():
        assert tuple(size if known else 0 for size, known in zip(inferred[name], shape)) == shape
        assert len(shape) == len(inferred[name])


@pytest.mark.parametrize("attrs", [{"num_filter": "many"}, {"kernel": "(3,"}, {"kernel": "[[1]]"}, {}])
def test_attributes_that_are_no_numbers_imply_nothing(attrs: dict[str, str]) -> None:
    graph = graph_of_symbol(network())
    nodes = tuple(n._replace(attrs=attrs) if n.name == "conv" else n for n in graph.nodes)
    implied = implied_shapes(type(graph)(nodes, graph.outputs))
    assert "conv_weight" not in implied  # nor the number of its axes


@pytest.mark.parametrize("name", ["conv", "up"])
def test_kernel_that_python_2_wrote_is_read(name: str) -> None:
    graph = graph_of_symbol(network())
    nodes = [n._replace(attrs={**n.attrs, "kernel": "(3L, 2L)"}) if n.name == name else n for n in graph.nodes]
    expected = (8, 0, 3, 2) if name == "conv" else (0, 2, 3, 2)
    assert implied_shapes(type(graph)(tuple(nodes), graph.outputs))[f"{name}_weight"] == expected


def test_a_symbol_without_shapes_binds_to_a_network_with_other_names() -> None:
    symbol = network()
    arguments, _, auxiliary = symbol.infer_shape(data=(2, 3, 9, 9))
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    values = {n: mx.nd.ones(s) for n, s in zip(names, [*arguments, *auxiliary]) if n != "data"}
    renamed = gs.rename((symbol, values, {}), "other_").net
    for source in (renamed, (symbol, values, {}), values):
        plan = gs.match_params(symbol, source)
        assert plan.is_complete
        assert [name.replace("other_", "") for name in plan.mapping.values()] == list(plan.mapping)


def test_the_stem_takes_the_one_shape_that_no_other_layer_takes() -> None:
    own = {"stem": (16, 0, 3, 3), **{f"c{i}": (16, 16, 3, 3) for i in range(3)}}
    other = {"a": (16, 1, 3, 3), **{f"b{i}": (16, 16, 3, 3) for i in range(3)}}
    assert known_sizes(own, None, other) == {"stem": (16, 1, 3, 3)}
    assert known_sizes(own, None, {**other, "more": (16, 16, 3, 3)}) == {}


def test_a_variable_that_gluon_notes_as_a_parameter_is_one_wherever_it_is_read() -> None:
    position = mx.sym.var("position", shape=(1, 4), init=mx.init.Zero(), lr_mult=1.0)
    symbol = mx.sym.FullyConnected(mx.sym.broadcast_add(mx.sym.var("data"), position), num_hidden=2, name="dense")
    values = {"position": mx.nd.ones((1, 4)), "dense_weight": mx.nd.ones((2, 4)), "dense_bias": mx.nd.ones(2)}
    for source in ((symbol, values, {}), values):
        plan = gs.match_params(symbol, source)
        assert plan.mapping == {name: name for name in values}


@pytest.mark.parametrize("layer", [mx.gluon.rnn.LSTM, mx.gluon.rnn.GRU])
def test_a_recurrent_network_is_bound_from_its_symbol_alone(layer: type, tmp_path: Path) -> None:
    net = layer(3, input_size=4, prefix="r_")
    net.initialize()
    net.hybridize()
    net(mx.nd.ones((5, 2, 4)), net.begin_state(2))
    net.export(str(tmp_path / "r"))
    plan = gs.match_params(mx.sym.load(str(tmp_path / "r-symbol.json")), net)
    assert plan.is_complete
    assert len(plan.mapping) == 4
