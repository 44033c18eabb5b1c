"""What the boxes of a picture say: what is alike, what a box stands for, what is shared, what is frozen in part."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet.gluon import nn, rnn
from mxnet.gluon.model_zoo import vision
from test_plot import check_quotient, drawn

from gluon_subgraph.drawing import Box
from gluon_subgraph.plot_collapse import bundles_of_units
from gluon_subgraph.plot_repeats import find_repeats
from gluon_subgraph.plot_units import Marks, Unit

S = mx.sym


def chain(step: Any, count: int = 60) -> Any:
    x = S.var("data")
    for i in range(count):
        x = step(x, i)
    return x


def repeats(net: Any) -> list[Box]:
    return [box for box in drawn(net)[1].boxes if box.kind == "repeat"]


def dense(*widths: int, prefix: str = "n_") -> Any:
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        for before, width in zip((4, *widths), widths):
            net.add(nn.Dense(width, in_units=before))
    net.initialize()
    return net


def branch(data: Any, i: int, length: int) -> Any:
    for k in range(length):
        data = S.FullyConnected(data, num_hidden=3 + k, name=f"{'abcde'[k]}{i}")
    return data


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.integers(12, 28), st.booleans())
def test_branches_side_by_side_are_never_one_chain(length: int, count: int, is_joined: bool) -> None:
    ends = [branch(S.var("data"), i, length) for i in range(count)]
    network, drawing = drawn(S.concat(*ends, name="joined") if is_joined else S.Group(ends))
    check_quotient(network, drawing)
    assert not any(box.kind == "repeat" for box in drawing.boxes)
    nodes = network.graph.nodes
    for box in drawing.boxes:
        operators = [nodes[i] for i in box.nodes if nodes[i].op == "FullyConnected"]
        assert len({node.name[0] for node in operators}) <= 1  # layers of one depth


@given(st.lists(st.integers(1, 3), min_size=8, max_size=60), st.integers(1, 4))
def test_stretches_of_a_repeat_hang_together(steps: list[int], kinds: int) -> None:
    marks, units = Marks(), []
    for i, step in enumerate(steps):
        sources = tuple(sorted({max(0, i - step), max(0, i - 1 - step % 2)})) if i else ()
        units.append(Unit((i,), (), sources, ("x",), (), (), marks, (i % kinds,)))
    for start, period, count in find_repeats(units):
        for first in range(start, start + period * count, period):
            reached = {first}
            for _ in range(period):
                for i in range(first, first + period):
                    if reached & {i, *units[i].sources}:
                        reached |= {i, *(s for s in units[i].sources if s >= first)}
            assert reached == set(range(first, first + period))


def test_many_branches_take_no_more_than_linear_work() -> None:
    marks = Marks()
    units = [Unit((0,), (), (), ("input",), (), (), marks, ("input",))]
    for i in range(1, 9_001):
        units.append(Unit((i,), (), (i - 1 if i % 3 else 0,), ("x",), (), (), marks, (i % 3,)))
    assert find_repeats(units) == []
    assert len(bundles_of_units(units, frozenset())) <= 90


DIFFERENT = {
    "pad": lambda x, i: S.Convolution(x, num_filter=4, kernel=(3, 3), pad=(i % 2, i % 2), name=f"c{i}"),
    "slope": lambda x, i: S.LeakyReLU(S.FullyConnected(x, num_hidden=4, name=f"f{i}"), slope=0.1 + i % 2, name=f"l{i}"),
    "scalar": lambda x, i: S.FullyConnected(x * (1 + i % 2), num_hidden=4, name=f"f{i}"),
    "axis": lambda x, i: S.FullyConnected(S.softmax(x, axis=-1 - i % 2), num_hidden=4, name=f"f{i}"),
    "eps": lambda x, i: S.BatchNorm(
        S.FullyConnected(x, num_hidden=4, name=f"f{i}"), eps=(1 + i % 2) / 1e3, name=f"b{i}"
    ),
    "flatten": lambda x, i: S.FullyConnected(x, num_hidden=4, flatten=bool(i % 2), name=f"f{i}"),
    "order": lambda x, i: S.FullyConnected(
        S.broadcast_sub(*((x, S.var(f"w{i}_weight")) if i % 2 else (S.var(f"w{i}_weight"), x))),
        num_hidden=4,
        name=f"f{i}",
    ),
}


@pytest.mark.parametrize("setting", DIFFERENT)
def test_layers_that_compute_different_things_are_not_alike(setting: str) -> None:
    step = DIFFERENT[setting]
    same = repeats(chain(lambda x, i: step(x, 2 * i)))
    assert len(same) == 1
    for box in repeats(chain(step)):
        assert int(box.title.partition(" ")[0]) <= 30  # pairs of them, which are alike
    drawing = drawn(chain(lambda x, i: step(x, int(i * i % 7 in (2, 4)))))[1]  # no period of two
    titles = [box.title for box in drawing.boxes if box.kind == "repeat"]
    assert not any(title.startswith("59") for title in titles)


def test_a_repeated_layer_says_what_follows_it() -> None:
    (box,) = repeats(chain(lambda x, i: S.relu(S.FullyConnected(x * 2, num_hidden=4, name=f"f{i}"), name=f"r{i}")))
    assert box.title.endswith(" × FullyConnected, 4")
    assert "relu, mul_scalar 2" in box.lines


def test_an_unrolled_cell_names_all_its_operators() -> None:
    cell = rnn.LSTMCell(8, input_size=8, prefix="c_")
    outputs, _ = cell.unroll(20, S.var("seq"), layout="NTC", merge_outputs=True)
    (box,) = repeats(outputs)
    for word in ["FullyConnected, 32", "3 × sigmoid", "2 × tanh", "3 × multiply", "2 × add", "split"]:
        assert any(word in line for line in box.lines)


def test_outputs_inside_a_box_are_named() -> None:
    layers = [S.FullyConnected(S.var("data"), num_hidden=4, name="f0")]
    for i in range(1, 60):
        layers.append(S.FullyConnected(layers[-1], num_hidden=4, name=f"f{i}"))
    (box,) = repeats(S.Group(layers))
    assert [line for line in box.lines if "output" in line] == [f"and {len(box.nodes) - 1} outputs: f0 … f58"]


def lines_of(net: Any, **options: Any) -> list[tuple[str, ...]]:
    return [box.lines for box in drawn(net, **options)[1].boxes]


@pytest.mark.parametrize("layers", [1, 2])
def test_roles_of_recurrent_weights_and_a_partly_frozen_layer_are_told(layers: int) -> None:
    net = rnn.LSTM(4, num_layers=layers, input_size=3, prefix="l_")
    net.initialize()
    words = " ".join(lines_of(net)[-1])
    assert f"{'l0_' if layers > 1 else ''}i2h_weight (16, 3), {'l0_' if layers > 1 else ''}h2h_weight (16, 4)" in words
    assert "partly frozen" not in words
    net.collect_params()["l_l0_i2h_weight"].grad_req = "null"
    drawing = drawn(net)[1]
    assert drawing.boxes[-1].lines[-1] == "partly frozen"
    assert not drawing.boxes[-1].is_frozen
    gs.freeze(net)
    assert drawn(net)[1].boxes[-1].is_frozen
    assert "partly frozen" not in drawn(net)[1].boxes[-1].lines


def test_partly_frozen_layers_are_not_mixed_with_those_that_learn() -> None:
    net = dense(*[4] * 60)
    for layer in net[:30]:
        layer.weight.grad_req = "null"
    boxes = [box for box in drawn(net)[1].boxes if box.kind == "repeat"]
    assert [len(box.nodes) for box in boxes] == [30, 29]
    assert ["partly frozen" in box.lines for box in boxes] == [True, False]


def test_shared_parameters_are_marked_at_each_reader() -> None:
    towers = gs.tie_towers(dense(16, 3, prefix="tw_"), ("left_", "right_"))
    shared = {line for lines in lines_of(towers) for line in lines if "shared" in line}
    assert shared == {f"shared with {side}_tw_dense{i}_fwd" for side in ("left", "right") for i in (0, 1)}
    assert not any("shared" in line for lines in lines_of(dense(16, 3)) for line in lines)
    weight = S.var("w_weight")
    tied = S.FullyConnected(
        S.FullyConnected(S.var("data"), weight, num_hidden=4, name="a"), weight, num_hidden=4, name="b"
    )
    assert [line for lines in lines_of(tied) for line in lines if "shared" in line] == [
        "weight shared with b",
        "weight shared with a",
    ]


def test_expand_takes_every_block_path_that_list_nodes_prints() -> None:
    net = vision.resnet18_v1(prefix="r_")
    paths = sorted({node.path for node in gs.list_nodes(net) if node.path})
    assert len(paths) > 30
    network, drawing = drawn(net, expand=tuple(paths))
    check_quotient(network, drawing)
    assert all(box.kind != "repeat" for box in drawing.boxes)


def test_long_names_can_be_told_apart_and_copied() -> None:
    names = [f"{side}_network_with_many_blocks_{'x' * 22}_stage_1_layer" for side in "ab"]
    data = S.var("data")
    source = gs.plot(S.Group([S.FullyConnected(data, num_hidden=4, name=name) for name in names])).source
    for name in names:
        assert f"→ {name}<" in source


def test_title_counts_parameters_of_unknown_shape_apart_and_no_data() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=3), nn.Dense(2))
    assert drawn(net)[1].title == "n_: 2 operators, 18 parameter values, 1 parameter of unknown shape"
    assert gs.plot(net, shapes={"data": (5, 3)}).title == "n_: 2 operators, 26 parameter values"
    assert drawn(S.relu(S.var("data"), name="r"))[1].title == "r: 1 operators, 0 parameter values"
