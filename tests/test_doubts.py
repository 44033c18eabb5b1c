"""Networks that look alike and are not: what tells two parts apart is seen, and what nothing tells apart is refused."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from types import SimpleNamespace
from typing import Any, Callable

import mxnet as mx
import pytest

from gluon_subgraph import doubts, name_selection
from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.doubts import sliding_places
from gluon_subgraph.matching import match
from gluon_subgraph.name_labels import Labels
from gluon_subgraph.name_layers import NameLayer
from gluon_subgraph.sides import Matching, Side

sym = mx.sym


def dense(name: str, x: Any, units: int = 8) -> Any:
    return sym.FullyConnected(x, name=name, num_hidden=units)


def side_of(symbol: Any, **inputs: Any) -> Side:
    """Return a network with the shapes that follow from those of its inputs."""
    arguments, _, auxiliary = symbol.infer_shape(**inputs)
    shapes = dict(zip(symbol.list_arguments(), arguments))
    shapes.update(zip(symbol.list_auxiliary_states(), auxiliary))
    return Side({name: tuple(s) for name, s in shapes.items() if name not in inputs}, graph_of_symbol(symbol))


def matched(target: Any, source: Any, **inputs: Any) -> Matching:
    return match(side_of(target, **inputs), side_of(source, **inputs))


def head(x: Any) -> Any:
    return dense("head", sym.relu(x), 3)


BRANCHES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "slices": lambda: (
        dense("a", sym.slice_axis(sym.var("data"), axis=1, begin=0, end=4)),
        dense("b", sym.slice_axis(sym.var("data"), axis=1, begin=4, end=8)),
    ),
    "factors": lambda: (2 * dense("a", sym.var("data")), 3 * dense("b", sym.var("data"))),
    "activations": lambda: (
        dense("a2", sym.LeakyReLU(dense("a", sym.var("data")), act_type="elu")),
        dense("b2", sym.LeakyReLU(dense("b", sym.var("data")), act_type="gelu")),
    ),
    "deep": lambda: (_deep("a", sym.tanh), _deep("b", sym.sigmoid)),
}


def _deep(name: str, activation: Any) -> Any:
    x = activation(dense(f"{name}0", sym.var("data")))
    for k in range(1, 6):
        x = x + sym.relu(dense(f"{name}{k}", x))
    return x


@pytest.mark.parametrize("what", BRANCHES)
def test_branches_told_apart_by_operators_alone_are_not_exchanged(what: str) -> None:
    a, b = BRANCHES[what]()
    found = matched(head(a + b), head(b + a), data=(2, 8))
    assert found.mapping == {name: name for name in found.mapping}
    assert not found.missing
    assert not found.ambiguous


def test_towers_over_two_inputs_are_told_apart_by_the_names_of_the_inputs() -> None:
    a, b = dense("a", sym.var("x1")), dense("b", sym.var("x2"))
    found = matched(head(a + b), head(b + a), x1=(2, 8), x2=(2, 8))
    assert len(found.mapping) == 6
    assert found.mapping == {name: name for name in found.mapping}


def test_towers_over_exchanged_inputs_are_not_bound() -> None:
    def net(first: str, second: str) -> Any:
        return head(sym.concat(dense("a", sym.var(first)), dense("b", sym.var(second)), dim=1))

    found = matched(net("x1", "x2"), net("x2", "x1"), x1=(2, 8), x2=(2, 8))
    assert not {"a_weight", "b_weight"} & found.mapping.keys()


def test_parameters_of_a_computed_weight_keep_their_parts() -> None:
    def net(*, is_written_otherwise: bool) -> Any:
        mean, rho = sym.var("mean", shape=(8, 8)), sym.Activation(sym.var("rho", shape=(8, 8)), act_type="softrelu")
        weight = rho + mean if is_written_otherwise else mean + rho
        return head(sym.FullyConnected(sym.var("data"), weight, no_bias=True, num_hidden=8))

    found = matched(net(is_written_otherwise=False), net(is_written_otherwise=True), data=(2, 8))
    assert found.mapping["mean"] == "mean"
    assert found.mapping["rho"] == "rho"


def test_transposed_weight_is_not_the_weight() -> None:
    def net(*, is_transposed: bool) -> Any:
        weight = sym.var("w", shape=(8, 8))
        weight = sym.transpose(weight) if is_transposed else weight
        return head(sym.FullyConnected(sym.var("data"), weight, no_bias=True, num_hidden=8))

    assert "w" not in matched(net(is_transposed=False), net(is_transposed=True), data=(2, 8)).mapping


def test_one_of_several_equal_heads_is_ambiguous() -> None:
    trunk = sym.relu(dense("trunk", sym.var("data")))
    both = sym.Group([dense("first", trunk, 3), dense("second", trunk, 3)])
    found = matched(dense("only", trunk, 3), both, data=(2, 8))
    assert set(found.mapping) == {"trunk_weight", "trunk_bias"}
    assert set(found.ambiguous) == {"only_weight", "only_bias"}


def test_layer_behind_a_concatenation_in_another_order_is_not_bound() -> None:
    def net(*, is_exchanged: bool) -> Any:
        skip = sym.relu(dense("skip", sym.var("data")))
        up = sym.tanh(dense("up", skip))
        parts = (up, skip) if is_exchanged else (skip, up)
        return head(dense("after", sym.concat(*parts, dim=1)))

    found = matched(net(is_exchanged=False), net(is_exchanged=True), data=(2, 8))
    assert "after_weight" not in found.mapping


@pytest.mark.parametrize("removed", range(5))
def test_row_of_equal_layers_with_one_removed_is_not_bound(removed: int) -> None:
    def net(layers: Any) -> Any:
        x = sym.relu(dense("stem", sym.var("data")))
        for k in layers:
            x = sym.relu(dense(f"d{k}", x))
        return dense("head", x, 3)

    found = matched(net([k for k in range(5) if k != removed]), net(range(5)), data=(2, 8))
    assert found.mapping.keys() <= {"head_weight", "head_bias"}


def test_network_of_another_activation_is_another_network() -> None:
    def net(activation: Any) -> Any:
        x = sym.var("data")
        for k in range(4):
            x = activation(dense(f"d{k}", x, 8 + k))
        return x

    found = matched(net(sym.relu), net(sym.tanh), data=(2, 8))
    assert found.mapping == {}
    assert all("operators" in reason for reason in found.missing.values())


@pytest.mark.parametrize(
    ("labels", "paired", "expected"),
    [
        ("aab", [True, False, True], {0}),
        ("abab", [True, True, False, False], {0, 1}),
        ("abcd", [True, False, True, True], set()),
        ("xaaah", [True, True, False, True, True], {1, 3}),
        ("", [], set()),
    ],
)
def test_sliding_places_are_those_an_unpaired_run_may_take(labels: str, paired: list, expected: set) -> None:
    assert sliding_places(labels, paired) == expected


def _with_adapter(name: str, where: str, x: Any) -> Any:
    return dense("up", sym.relu(dense("down", x, 3)), 5) if name == where else x


def _nested(where: str) -> Any:
    """Return a sum of two equal branches of which one begins behind where the other does."""
    x = sym.relu(dense("stem", sym.var("data"), 5))
    first = x + dense("first", x, 5)
    second = first + dense("second", sym.relu(first), 5)
    branches = [
        _with_adapter(name, where, dense(name, sym.relu(start), 5))
        for name, start in (("one", first), ("other", second))
    ]
    return dense("head", sym.relu(branches[0] + branches[1]), 4)


@pytest.mark.parametrize("where", ["one", "other"])
def test_branches_are_told_apart_by_which_begins_behind_the_other(where: str) -> None:
    found = matched(_nested(where), _nested(""), data=(2, 5))
    names = [name for name in _nested("").list_arguments() if name != "data"]
    assert all(found.mapping[name] == name for name in found.mapping)
    assert found.mapping.keys() >= {name for name in names if not name.startswith("one_")}


def _branches(count: int, *, with_adapter: bool) -> Any:
    x = sym.relu(dense("trunk", sym.var("data")))
    branches = [sym.relu(dense(f"b{k}", x)) for k in range(count)]
    if with_adapter:
        branches[0] = _with_adapter("b0", "b0", branches[0])
    return dense("head", sym.concat(*branches, dim=1), 3)


def test_many_equal_branches_take_a_look_at_every_pair_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    way_down = doubts.way_down
    monkeypatch.setattr(doubts, "way_down", lambda *given: made.append(given[-1]) or way_down(*given))
    found = matched(_branches(20, with_adapter=True), _branches(20, with_adapter=False), data=(2, 8))
    assert all(found.mapping[name] == name for name in found.mapping)
    assert len(made) <= 2 * 2 * 20  # each branch of either network, from both sides


def test_orders_too_long_for_an_alignment_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = NameLayer((), ("weight",), ("w",), ((8, 8),), 0)
    sequence: Any = SimpleNamespace(orders=[[0, 1, 2]], layers=[kernel] * 3)
    labels = Labels([1] * 3, [1] * 3)
    monkeypatch.setattr(name_selection, "MOST_CELLS", 8)
    monkeypatch.setattr(name_selection, "_align", None)
    assert name_selection._select_stretch(sequence, [kernel] * 3, labels, is_listed=True) is None
