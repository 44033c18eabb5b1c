"""tie_towers: each tower is the network, under its own names and over the same parameters."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any

import mxnet as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon
from random_graphs import evaluate, node_of, pure_graphs, random_network, stock_block
from samples import Fork, Offset, convolutional, initialised, layers, normal, same, symbol_block, triple
from small_networks import an_input
from snapshots import unchanged
from test_control_flow import cond, foreach, while_loop

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.errors import BindingError, NameConflictError, SubgraphError, UnknownNodeError
from gluon_subgraph.graph import VARIABLE, Entry, Graph
from gluon_subgraph.towers import graph_of_towers

SIDES = ("left_", "right_")
THREE = ("a_", "b_", "c_")
IMAGES = [normal(2, 3, 8, 8, seed=seed) for seed in (1, 2)]


@given(pure_graphs(), st.sampled_from([SIDES, THREE, ("only_",)]), st.data())
def test_graph_of_towers_computes_the_network_once_per_tower(graph: Graph, prefixes: Any, data: Any) -> None:
    variables = [i for i, _ in graph.variables()]
    own = data.draw(st.sets(st.sampled_from(variables)))

    towers = graph_of_towers(graph, prefixes, own)

    assert all(e.node < i for i, node in enumerate(towers.nodes) for e in node.inputs)
    assert len(towers) == len(graph) * len(prefixes) - (len(variables) - len(own)) * (len(prefixes) - 1)
    names = [node.name for node in towers.nodes]
    assert len(set(names)) == len(names)
    numbers: dict[Any, int] = {}
    fed = {(k, graph.nodes[i].name): -1 - k * len(graph) - i for k in range(len(prefixes)) for i in own}
    found = evaluate(towers, numbers, {prefixes[k] + name: number for (k, name), number in fed.items()})
    expected = []
    for k in range(len(prefixes)):
        alone = evaluate(graph, numbers, {name: number for (of, name), number in fed.items() if of == k})
        expected += [alone[e] for e in graph.outputs]
    assert [found[e] for e in towers.outputs] == expected


def test_graph_of_towers_takes_a_chain_of_ten_thousand_nodes() -> None:
    nodes = [node_of(VARIABLE, "data"), *(node_of("relu", f"n{i}", [i]) for i in range(10_000))]
    towers = graph_of_towers(Graph(tuple(nodes), (Entry(10_000),)), THREE, {0})
    assert (len(towers), towers.nodes[-1].name) == (30_003, "c_n9999")


def _sources(folder: Path) -> dict[str, tuple[Any, Any]]:
    """Return every kind of network that is taken, of the same values, with what stands for each parameter."""
    net = convolutional()
    symbol, arguments, auxiliary = triple(net)
    mx.model.save_checkpoint(str(folder / "net"), 0, symbol, arguments, auxiliary)
    block = symbol_block(net)
    piece = gs.extract(net, "data", "dense0_fwd")
    return {
        "HybridBlock": (net, net.collect_params()),
        "SymbolBlock": (block, block.collect_params()),
        "SubgraphBlock": (piece, net.collect_params()),
        "triple": ((symbol, arguments, auxiliary), None),
        "files": ((str(folder / "net-symbol.json"), str(folder / "net-0000.params")), None),
    }


@pytest.mark.parametrize("kind", ["HybridBlock", "SymbolBlock", "SubgraphBlock", "triple", "files"])
def test_each_tower_returns_what_the_network_returns(kind: str, tmp_path: Path) -> None:
    net, parameters = _sources(tmp_path)[kind]
    with unchanged(net):
        towers = gs.tie_towers(net)
    assert towers.input_names == ("left_data", "right_data")
    assert towers.output_names == ("left_c_dense0_fwd_output", "right_c_dense0_fwd_output")
    reference = convolutional()
    assert same(towers(*IMAGES), [reference(x) for x in IMAGES])
    assert sorted(towers.params.keys()) == sorted(reference.collect_params().keys())
    if parameters is not None:
        assert all(towers.params[name] is parameters[name] for name in towers.params)


def test_arrays_of_a_triple_are_shared() -> None:
    symbol, arguments, auxiliary = triple(layers(2))
    towers, x = gs.tie_towers((symbol, arguments, auxiliary)), normal(2, 4)
    before = towers(x, x)
    for array in arguments.values():
        array[:] = array * 2
    after = towers(x, x)
    assert same(after[0], after[1])
    assert not same(before, after)
    assert same(after[0], gs.extract((symbol, arguments, auxiliary), "data", "n_dense1_tanh_fwd")(x))


def test_graph_of_the_block_is_that_of_its_symbol() -> None:
    towers = gs.tie_towers(convolutional())
    read = graph_of_symbol(towers.symbol)
    assert tuple(node._replace(path="") for node in towers.graph.nodes) == read.nodes
    assert towers.graph.outputs == read.outputs
    assert towers.symbol.list_inputs().count("c_conv0_weight") == 1


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_towers_of_random_networks_compute_the_network(seed: int, is_bare: bool) -> None:
    network = random_network(seed)
    values = {**network.arg_params, **network.aux_params}
    whole = stock_block(network.symbol, list(network.inputs), values)
    fed = {side + n: normal(*x.shape, seed=k) for k, side in enumerate(SIDES) for n, x in network.inputs.items()}
    if is_bare:
        towers = stock_block(gs.tie_towers(network.symbol), list(fed), values)
    else:
        towers = gs.tie_towers((network.symbol, network.arg_params, network.aux_params))
        assert towers.input_names == tuple(fed)
    expected = [y for side in SIDES for y in _listed(whole(*(fed[side + n] for n in network.inputs)))]
    assert same(towers(*fed.values()), expected)


def _listed(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else [outputs]


@pytest.mark.parametrize("net", [initialised(Fork(prefix="f_")), initialised(Offset(prefix="o_"))], ids=["2", "1"])
def test_outputs_come_tower_by_tower(net: gluon.HybridBlock) -> None:
    inputs = [normal(2, 3, seed=seed) for seed in range(3)]
    towers = gs.tie_towers(net, THREE)
    expected = [y for x in inputs for y in _listed(net(x))]
    assert same(towers(*inputs), expected)
    names = gs.extract(net, "data", list(gs.list_nodes(net)[-1].outputs)).output_names
    assert towers.output_names == tuple(prefix + name for prefix in THREE for name in names)
    assert towers.hybridize() is None
    assert same(towers(*inputs), expected)


class Reader(gluon.HybridBlock):
    """Takes four inputs, reads them in another order and one of them not at all."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.dense = gluon.nn.Dense(4, in_units=4, flatten=False)

    def hybrid_forward(self, F: Any, query: Any, unused: Any, item: Any, weight: Any) -> Any:
        return F.broadcast_mul(self.dense(F.broadcast_mul(weight, item)), query)


@pytest.mark.parametrize(
    ("common", "names"),
    [
        ((), ("left_data0", "left_data2", "left_data3", "right_data0", "right_data2", "right_data3")),
        ("data0", ("left_data2", "left_data3", "right_data2", "right_data3", "data0")),
        (["data3", "data0"], ("left_data2", "right_data2", "data0", "data3")),
        (["data2", "data0", "data3"], ("data0", "data2", "data3")),
    ],
)
def test_inputs_come_tower_by_tower_in_the_network_s_order_then_the_common_ones(common: Any, names: Any) -> None:
    net = initialised(Reader(prefix="r_"))
    values = {name: normal(2, 4, seed=seed) for seed, name in enumerate(names)}
    towers = gs.tie_towers(net, common=common)
    assert towers.input_names == names
    expected = []
    for side in SIDES:
        query, item, weight = (values.get(side + n, values.get(n)) for n in ("data0", "data2", "data3"))
        expected.append(net(query, query, item, weight))
    assert same(towers(*values.values()), expected)
    block = gluon.SymbolBlock(net(*map(mx.sym.var, "wxyz")), [mx.sym.var(n) for n in "wyz"])
    assert gs.tie_towers(block).input_names == ("left_w", "left_y", "left_z", "right_w", "right_y", "right_z")


def test_extract_of_a_tower_is_the_network() -> None:
    net = convolutional()
    towers, whole = gs.tie_towers(net), gs.extract(net, "data", "dense0_fwd")
    for side, x in zip(SIDES, IMAGES):
        tower = gs.extract(towers, side + "data", side + "c_dense0_fwd")
        assert same(tower(x), net(x))
        assert all(tower.params[name] is p for name, p in whole.params.items())
        bare = [n._replace(name=n.name.replace(side, ""), path="", outputs=()) for n in tower.graph.nodes]
        assert bare == [n._replace(path="", outputs=()) for n in whole.graph.nodes]


def test_block_paths_begin_with_the_prefix() -> None:
    net = convolutional()
    towers = gs.tie_towers(net)
    paths = {node.name: node.path for node in gs.list_nodes(net) if node.op != "input"}
    assert {node.name: node.path for node in gs.list_nodes(towers) if node.op != "input"} == {
        side + name: path and side + path for side in SIDES for name, path in paths.items()
    }
    assert same(gs.extract(towers, "right_data", "right_3")(IMAGES[0]), gs.extract(net, "data", net[3])(IMAGES[0]))


def test_towers_of_towers_are_towers() -> None:
    net = convolutional()
    four = gs.tie_towers(gs.tie_towers(net), ("x_", "y_"))
    assert four.input_names == tuple(outer + side + "data" for outer in ("x_", "y_") for side in SIDES)
    assert same(four(*IMAGES, *IMAGES), [net(x) for x in IMAGES * 2])
    assert sorted(four.params.keys()) == sorted(net.collect_params().keys())


def test_common_inputs_alone_make_towers_that_differ_by_dropout_only() -> None:
    net = gluon.nn.Dropout(0.5, prefix="d_")
    towers, x = gs.tie_towers(net, common="data"), mx.nd.ones((8, 32))
    assert towers.input_names == ("data",)
    assert same(towers(x), [x, x])
    with mx.autograd.record():
        left, right = towers(x)
    assert not same(left, right)


def test_bare_symbol_gives_a_symbol_and_a_common_variable_is_one_argument() -> None:
    scaled = mx.sym.broadcast_mul(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc"), mx.sym.var("s"))
    assert gs.tie_towers(scaled).list_arguments() == [
        *("left_data", "fc_weight", "fc_bias", "left_s"),
        *("right_data", "right_s"),
    ]
    assert gs.tie_towers(scaled, common="s").list_arguments() == [
        *("left_data", "fc_weight", "fc_bias", "s"),
        "right_data",
    ]


def test_numpy_style_network_has_towers() -> None:
    with mx.util.np_shape(True), mx.util.np_array(True):
        net = gluon.nn.Dense(2, in_units=3, prefix="n_")
        net.initialize()
        x, y = (mx.np.random.uniform(size=(4, 3)) for _ in range(2))
        assert [a.tolist() for a in gs.tie_towers(net)(x, y)] == [net(x).tolist(), net(y).tolist()]


@pytest.mark.parametrize("construct", [foreach, while_loop, cond])
def test_control_flow_is_copied_with_what_it_captures_shared(construct: Any) -> None:
    symbol, weight = construct(mx.sym.var("data")), mx.nd.array([0.7])
    towers, whole = (
        gs.tie_towers((symbol, {"w": weight}, {})),
        gs.extract((symbol, {"w": weight}, {}), "data", "around"),
    )
    inputs = [an_input(seed=3), -an_input(seed=4)]
    assert towers.symbol.list_arguments().count("w") == 1
    assert same(towers(*inputs), [whole(x) for x in inputs])


def test_network_fused_by_a_backend_is_refused() -> None:
    block = symbol_block(convolutional())
    block.hybridize(backend="MKLDNN")
    block(IMAGES[0])
    with pytest.raises(SubgraphError, match="fused by a backend"):
        gs.tie_towers(block)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"prefixes": "left_"}, SubgraphError, r"is one string\.(.|\n)*prefixes=\('left_', 'right_'\)"),
        ({"prefixes": ()}, SubgraphError, r"prefixes=\(\) \(tuple\)(.|\n)*one per tower"),
        ({"prefixes": ("a_", "")}, SubgraphError, "'' is none"),
        ({"prefixes": ("a_", 3)}, SubgraphError, "3 is none"),
        ({"prefixes": None}, SubgraphError, "prefixes=None"),
        ({"prefixes": ("a_", "b_", "a_")}, NameConflictError, "prefix 'a_' is given to two towers"),
        ({"common": "date"}, UnknownNodeError, r"'date' is no input(.|\n)*inputs are 'data'(.|\n)*common='data'"),
        ({"common": ["data", "n_dense0_weight"]}, UnknownNodeError, "'n_dense0_weight' is no input"),
        ({"common": 1}, SubgraphError, "common=1"),
    ],
)
def test_arguments_that_name_no_towers_are_refused(options: Any, error: type[Exception], words: str) -> None:
    net = layers(2)
    with unchanged(net), pytest.raises(error, match=words):
        gs.tie_towers(net, **options)


def test_names_that_would_meet_are_refused() -> None:
    with mx.name.NameManager():  # blocks without a prefix are counted over all networks
        net = convolutional(prefix="")
    with pytest.raises(NameConflictError, match="'elu' of tower 'r' .* 'relu', as 'lu' of tower 're' is already"):
        gs.tie_towers(mx.sym.relu(mx.sym.relu(mx.sym.var("x"), name="lu"), name="elu"), ("re", "r"))
    with pytest.raises(NameConflictError, match="'weight' of tower 'conv1_' .* as a parameter"):
        gs.tie_towers(gs.extract(net, {"weight": "conv0_fwd"}, "dense0_fwd"), ("left_", "conv1_"))
    with pytest.raises(SubgraphError, match="holds no network"):
        gs.tie_towers(3)


def test_values_that_lack_a_parameter_are_refused_unless_it_is_common() -> None:
    symbol, arguments, auxiliary = triple(layers(2))
    weight = arguments.pop("n_dense1_weight")
    with pytest.raises(
        BindingError, match=r"1 parameter without a value: 'n_dense1_weight'(.|\n)*common=\['n_dense1_w"
    ):
        gs.tie_towers((symbol, arguments, auxiliary))
    towers, x = gs.tie_towers((symbol, arguments, auxiliary), common="n_dense1_weight"), normal(2, 4)
    assert towers.input_names == ("left_data", "right_data", "n_dense1_weight")
    assert same(towers(x, x, weight), [layers(2)(x)] * 2)


def test_unknown_common_input_of_a_set_is_the_first_by_name() -> None:
    names = {f"x{i:02}" for i in range(40)}
    with pytest.raises(UnknownNodeError, match="common: 'x00' is no input"):
        gs.tie_towers(layers(), SIDES, common=names)
