"""Whatever weights come from or go to: every kind of source and target, and what is refused."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from array_likes import Entry, Lazy, Tensor
from mxnet import gluon
from samples import convolutional, initialised, layers, symbol_block, triple, values
from small_networks import LooksAtShape
from snapshots import unchanged

from gluon_subgraph.lazy_values import dtype_name
from gluon_subgraph.sources import read_weights

nn = gluon.nn


class Opaque(gluon.Block):
    """Computes in Python."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.first = nn.Dense(4, in_units=4, activation="tanh", prefix="dense0_")
            self.second = nn.Dense(4, in_units=4, activation="tanh", prefix="dense1_")

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x))


def arrays_of(net: gluon.Block) -> dict[str, Any]:
    return {name: p.data() for name, p in net.collect_params().items()}


def saved(net: gluon.Block, folder: Path, how: str) -> Any:
    """Return a source of files of `net`."""
    path = str(folder / "net")
    if how == "export":
        net.hybridize()
        net(mx.nd.ones((1, 3, 8, 8)))
        net.export(path)
        return f"{path}-0000.params"
    if how == "pair":
        return f"{path}-symbol.json", saved(net, folder, "export")
    mx.nd.save(path, arrays_of(net))
    return Path(path)


SOURCES = {
    "net": lambda net, _: net,
    "symbol block": lambda net, _: symbol_block(net),
    "piece": lambda net, _: gs.extract(net, "data", "c_dense0_fwd"),
    "triple": lambda net, _: triple(net),
    "parameter dict": lambda net, _: net.collect_params(),
    "arrays": lambda net, _: arrays_of(net),
    "numpy": lambda net, _: {n: a.asnumpy() for n, a in arrays_of(net).items()},
    "torch": lambda net, _: {n: Tensor(a.asnumpy()) for n, a in arrays_of(net).items()},
    "half torch": lambda net, _: {n: Tensor(a.asnumpy(), dtype="bfloat16") for n, a in arrays_of(net).items()},
    "prefixed": lambda net, _: {f"{'aux' if 'running' in n else 'arg'}:{n}": a for n, a in arrays_of(net).items()},
    "export": lambda net, folder: saved(net, folder, "export"),
    "pair": lambda net, folder: saved(net, folder, "pair"),
    "file": lambda net, folder: saved(net, folder, "file"),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_bind_from_every_kind_of_source_gives_its_values(make: Any, tmp_path: Path) -> None:
    source, target = convolutional(seed=2), convolutional(seed=1)
    given = make(source, tmp_path)
    plan = gs.match_params(target, given)
    assert list(plan.mapping) == list(target.collect_params())
    cast = isinstance(given, dict) and "bfloat16" in {dtype_name(a.dtype) for a in given.values()}
    assert gs.bind_params(target, given, cast_dtype=cast).mapping == plan.mapping
    assert values(target) == values(source)
    assert gs.match_params(given, target).mapping == plan.mapping


@pytest.mark.parametrize("name", ["net", "triple", "pair", "piece"])
def test_source_with_a_graph_tells_it_to_the_matcher(name: str, tmp_path: Path) -> None:
    net = convolutional()
    side = read_weights(SOURCES[name](net, tmp_path), "source").side
    assert side.graph is not None
    assert {node.name for _, node in side.graph.variables()} == {*side.shapes, "data"}
    assert dict(side.shapes) == {n: p.shape for n, p in net.collect_params().items()}


def test_source_order_is_that_of_the_file(tmp_path: Path) -> None:
    names = ["z", "a10", "a2", "b"]
    mx.nd.save(str(tmp_path / "x.params"), {f"arg:{n}": mx.nd.ones(2) for n in names})
    assert list(read_weights(str(tmp_path / "x.params"), "source").side.shapes) == names


def test_symbol_with_a_label_and_values_for_it_lists_parameters_only() -> None:
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="f"), name="softmax")
    arrays = {"f_weight": mx.nd.ones((2, 3)), "f_bias": mx.nd.ones(2), "softmax_label": mx.nd.ones(1)}
    assert list(read_weights((symbol, arrays, {}), "source").side.shapes) == ["f_weight", "f_bias"]
    assert list(read_weights(symbol, "target").side.shapes) == ["f_weight", "f_bias"]


def test_block_tells_structural_names() -> None:
    assert list(read_weights(layers(1), "target").side.paths.items()) == [
        ("n_dense0_weight", "0.weight"),
        ("n_dense0_bias", "0.bias"),
    ]


def test_deferred_net_tells_what_its_graph_implies() -> None:
    shapes = read_weights(convolutional(deferred=True), "target").side.shapes
    assert (shapes["c_conv0_weight"], shapes["c_conv0_bias"]) == ((4, 0, 3, 3), (4,))


@pytest.mark.parametrize("wrap", [Entry, lambda a: a, lambda a: Tensor(a.asnumpy())])
def test_match_of_mapping_reads_each_header_once(wrap: Any) -> None:
    net = layers(2)
    source, target = Lazy({n: wrap(a) for n, a in arrays_of(net).items()}), Lazy(arrays_of(net))
    assert gs.match_params(target, source).is_complete
    assert source.read == target.read == list(arrays_of(net))


def test_match_of_headers_alone_plans_and_bind_says_they_hold_nothing() -> None:
    net = layers(1)
    headers = {n: Entry(a) for n, a in arrays_of(net).items()}
    assert gs.match_params((net(mx.sym.var("data")), headers, {}), headers).is_complete
    with unchanged(net), pytest.raises(gs.BindingError, match="(?s)is a Entry of dtype object, no array.*nothing was"):
        gs.bind_params(net, headers)
    with pytest.raises(gs.BindingError, match="is a Entry, which cannot be written in place"):
        gs.bind_params(headers, net)


def test_bind_reads_of_a_lazy_mapping_only_what_it_binds_and_once() -> None:
    source = Lazy({**arrays_of(layers(1, seed=2)), "more": mx.nd.ones(9)})
    target = layers(1)
    plan = gs.match_params(target, source, skip="*bias")
    source.read.clear()
    gs.bind_params(target, plan, ignore_extra=True)
    assert source.read == ["n_dense0_weight"]


@pytest.mark.parametrize("make", [Opaque, lambda prefix: _in_sequential(prefix)], ids=["plain", "sequential"])
def test_bind_of_plain_block_goes_by_names_and_says_so(make: Any) -> None:
    target, source = initialised(make(prefix="n_"), 1), layers(2, seed=2)
    binding = gs.bind_params(target, source)
    assert values(target) == values(source)
    assert binding.notes == ("'n_' by names alone: it is a plain Block, which computes in Python and has no graph",)
    assert set(read_weights(target, "target").side.paths.values()) >= {next(iter(target._children)) + ".weight"}


def _in_sequential(prefix: str) -> gluon.Block:
    net = nn.Sequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    return net


def test_bind_of_block_that_cannot_be_traced_goes_by_names_and_says_why() -> None:
    target = nn.HybridSequential(prefix="n_")
    with target.name_scope():
        target.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4), LooksAtShape())
    initialised(target)
    binding = gs.bind_params(target, layers(2, seed=2))
    assert values(target) == values(layers(2, seed=2))
    assert len(binding.notes) == 1
    assert "'n_' by names alone: network 'n' (HybridSequential) cannot be traced" in binding.notes[0]
    assert binding.notes[0] in str(binding).splitlines()[-2]


def test_two_parameters_of_one_name_go_by_their_structural_names() -> None:
    def twins() -> gluon.HybridBlock:
        net = nn.HybridSequential(prefix="")
        net.add(nn.Dense(2, in_units=2, prefix="d_"), nn.Dense(2, in_units=2, prefix="d_"))
        for child in net:
            child.initialize(mx.init.Normal(1))
        return net

    target, source = twins(), twins()
    pairs = {f"{i}.{k}": f"{i}.{k}" for i in range(2) for k in ("weight", "bias")}
    binding = gs.bind_params(target, source, pairs=pairs)
    assert binding.mapping == pairs
    assert [values(child) for child in target] == [values(child) for child in source]


@pytest.mark.parametrize("shape", [(), (1,)])
def test_step_counters_of_torch_are_no_parameters(shape: Any) -> None:
    source = {**arrays_of(layers(1, seed=2)), "bn.num_batches_tracked": Tensor(np.zeros(shape, "int64"))}
    binding = gs.bind_params(layers(1), source)
    assert binding.extra == ()
    assert binding.is_complete


def test_source_without_values_is_refused() -> None:
    target = layers(1)
    for source in (layers(1, initialise=False), layers(1, initialise=False).collect_params()):
        with unchanged(target), pytest.raises(
            gs.BindingError, match="(?s)2 of 2 source parameters have no value.*noth"
        ):
            gs.bind_params(target, source)


def test_bind_from_a_net_of_unknown_shapes_is_planned_and_then_refused() -> None:
    target, source = nn.Dense(3, in_units=2, prefix="d_"), nn.Dense(3, prefix="d_")
    initialised(target)
    source.initialize()
    plan = gs.match_params(target, source, pairs={"d_weight": "d_weight", "d_bias": "d_bias"})
    assert plan.is_complete
    with unchanged(target), pytest.raises(
        gs.BindingError, match="(?s)1 of 2 source parameters .*no value.*run it once"
    ):
        gs.bind_params(target, plan)


def test_bind_of_numpy_style_net_gives_its_values() -> None:
    def numpy_net(seed: int) -> gluon.HybridBlock:
        net = nn.HybridSequential(prefix="n_")
        with net.name_scope():
            net.add(nn.Dense(4), nn.Dense(2, in_units=4))
        mx.random.seed(seed)
        net.initialize(mx.init.Normal(1))
        return net

    with mx.util.np_shape(True), mx.util.np_array(True):
        target, source = numpy_net(1), numpy_net(2)
        source(mx.np.ones((1, 3)))
        gs.bind_params(target, source)
        assert values(target) == values(source)
        assert isinstance(target[0].weight.data(), mx.np.ndarray)
        again = numpy_net(3)
        gs.bind_params(again, {n: p.data().as_nd_ndarray() for n, p in source.collect_params().items()})
        assert values(again) == values(source)
    array = mx.np.zeros((2, 2))
    gs.bind_params({"a": array}, {"a": np.ones((2, 2), "float32")})
    assert array.asnumpy().tolist() == [[1, 1], [1, 1]]


def test_bind_from_sparse_source_and_to_sparse_parameter_gives_the_values() -> None:
    rows = mx.nd.sparse.row_sparse_array(([[1.0, 2], [3, 4]], [0, 2]), shape=(3, 2))
    target = {"a": mx.nd.zeros((3, 2))}
    gs.bind_params(target, {"a": rows})
    assert target["a"].asnumpy().tolist() == [[1, 2], [0, 0], [3, 4]]
    for stype in ("row_sparse", "csr"):
        places = {"a": mx.nd.zeros((3, 2), stype=stype)}
        gs.bind_params(places, target)
        assert places["a"].asnumpy().tolist() == [[1, 2], [0, 0], [3, 4]]
    parameter = gluon.Parameter("a", shape=(3, 2), stype="row_sparse", grad_stype="row_sparse")
    parameter.initialize()
    gs.bind_params({"a": parameter}, target)
    assert parameter._data[0].asnumpy().tolist() == [[1, 2], [0, 0], [3, 4]]


def test_names_sorted_as_text_are_bound_as_those_in_order(tmp_path: Path) -> None:
    net = layers(12)
    symbol = gs.extract(net, "data", "dense11_fwd")
    target = (symbol._cached_graph[1], {name: p.data() for name, p in symbol.params.items()}, {})
    roles = ("bias", "weight")
    numbered = {f"layers.{i}.{role}": getattr(net[i], role).data() for i in range(12) for role in roles}
    in_text_order = {name: numbered[name] for name in sorted(numbered)}
    assert list(in_text_order) != list(numbered)
    plan = gs.match_params(target, in_text_order)
    assert plan.is_complete
    assert list(plan.mapping.values())[:2] == ["layers.0.weight", "layers.0.bias"]
    assert plan.mapping == gs.match_params(target, numbered).mapping
