"""What a picture of a binding shows: every layer once, every pair joined once, in order where that can be."""

from __future__ import annotations

import re
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet.gluon.model_zoo import vision
from samples import initialised, layers

from gluon_subgraph import engines
from gluon_subgraph.plot_pairs import MOST_ROWS, Link, aligned_rows
from gluon_subgraph.plot_sides import BindingView, view_of_binding

needs_engine = pytest.mark.skipif(not engines.is_drawable(), reason="neither graphviz nor pygraphviz is installed")


def viewed(binding: gs.Binding) -> BindingView:
    return view_of_binding(binding, binding._target.side, binding._source.side)


def check_view(binding: gs.Binding) -> BindingView:
    """Check that parameters are in one layer each, layers in one row each, and pairs in one link each."""
    view = viewed(binding)
    for side, weights in zip(view.sides, (binding._target, binding._source)):
        assert sorted(n for piece in side for n in piece.parameters) == sorted(weights.side.shapes)
    for k in (0, 1):
        assert [i for row in view.rows for i in row[k]] == list(range(len(view.sides[k])))
    joined = [pair for link in view.links if link.kind == "bound" for pair in link.pairs]
    assert sorted(joined) == sorted(binding.mapping.items())
    assert sorted(pair for link in view.links if link.kind == "mismatched" for pair in link.pairs) == sorted(
        (t, m.source) for t, m in binding.mismatched.items()
    )
    for link in view.links:
        for target, source in link.pairs:
            assert target in view.sides[0][link.left].parameters
            assert source in view.sides[1][link.right].parameters
    return view


def resnet(name: str, **options: Any) -> Any:
    return vision.get_model(name, **options)


@pytest.mark.parametrize("others", [("resnet18_v1", {}), ("resnet34_v1", {}), ("resnet18_v1", {"classes": 7})])
def test_networks_are_drawn_whole(others: Any) -> None:
    target, source = resnet("resnet18_v1", prefix="a_"), resnet(others[0], prefix="b_", **others[1])
    view = check_view(gs.match_params(target, source))
    assert len(view.rows) <= MOST_ROWS


def test_all_bound_resnet50_is_few_rows_of_joined_stretches() -> None:
    binding = gs.match_params(resnet("resnet50_v1", prefix="a_"), resnet("resnet50_v1", prefix="b_"))
    view = check_view(binding)
    assert binding.is_complete
    assert len(view.rows) <= MOST_ROWS
    assert all(row.left and row.right for row in view.rows)


def test_source_of_names_alone_is_drawn_by_its_layers() -> None:
    net = initialised(resnet("resnet18_v1", prefix="a_"))
    net(mx.nd.zeros((1, 3, 32, 32))).wait_to_read()
    values = {name: p.data() for name, p in net._collect_params_with_prefix().items()}
    values["other.weight"] = mx.nd.zeros((3, 3))
    binding = gs.match_params(net, values)
    view = check_view(binding)
    assert [piece.status for piece in view.sides[1] if "other.weight" in piece.parameters] == ["extra"]


def test_ambiguous_and_missing_are_told_apart() -> None:
    target = initialised(layers(3))
    source = {"x.weight": mx.nd.zeros((4, 4)), "x.bias": mx.nd.zeros(4)}
    binding = gs.match_params(target, source)
    view = check_view(binding)
    assert {piece.status for piece in view.sides[0]} <= {"bound", "missing", "ambiguous", "mismatched", "partly bound"}
    assert {piece.status for piece in view.sides[1]} <= {"bound", "extra", "candidate", "mismatched", "partly bound"}
    candidates = {(t, c) for t, a in binding.ambiguous.items() for c in a.candidates}
    assert {pair for link in view.links if link.kind == "ambiguous" for pair in link.pairs} == candidates


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12, unique=True))
def test_rows_hold_every_layer_in_order_whatever_is_linked(pairs: list[tuple[int, int]]) -> None:
    links = [Link(left, right, "bound", ()) for left, right in pairs]
    rows = aligned_rows((10, 10), links)
    assert [i for row in rows for i in row.left] == list(range(10))
    assert [j for row in rows for j in row.right] == list(range(10))
    if pairs == sorted(pairs) and len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs):
        linked = {(row.left[0], row.right[0]) for row in rows if row.left and row.right}
        increasing = all(a[1] < b[1] for a, b in zip(pairs, pairs[1:]))
        assert not increasing or set(pairs) <= linked


@needs_engine
def test_binding_is_drawn() -> None:
    target, source = resnet("resnet18_v1", prefix="a_"), resnet("resnet18_v1", prefix="b_", classes=7)
    picture = gs.plot(target, binding=gs.match_params(target, source, skip="*dense*"))
    svg = picture.render().decode()
    assert "target: &#39;a_&#39;" in svg or "target: 'a_'" in svg
    assert "skipped" in svg


def dense(widths: list[int], activation: str = "relu", prefix: str = "n_") -> Any:
    net = mx.gluon.nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        for before, width in zip([4, *widths], widths):
            net.add(mx.gluon.nn.Dense(width, activation=activation, in_units=before))
    net.initialize()
    return net


@pytest.mark.parametrize("other", [dense([4, 4, 4]), dense([4, 5]), dense([4, 4], "tanh")])
def test_binding_of_another_network_is_refused(other: Any) -> None:
    binding = gs.match_params(dense([4, 4]), dense([4, 4]))
    with pytest.raises(gs.SubgraphError, match=r"(?s)the binding was not made for.*nothing was drawn"):
        gs.plot(other, binding=binding)


def test_binding_is_drawn_for_the_same_network_made_again_or_frozen() -> None:
    net = dense([4, 4])
    binding = gs.match_params(net, dense([4, 4]))
    picture = gs.plot(net, binding=binding).source
    assert gs.plot(dense([4, 4]), binding=binding).source == picture
    gs.freeze(net)
    assert gs.plot(net, binding=binding).source == picture


class Heads(mx.gluon.HybridBlock):
    """A layer, and heads that read it, all alike."""

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.trunk = mx.gluon.nn.Dense(4, in_units=4, prefix="t_")
            for i in range(count):
                self.register_child(mx.gluon.nn.Dense(2, in_units=4, prefix=f"h{i}_"), f"h{i}")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        y = self.trunk(x)
        return [head(y) for name, head in self._children.items() if name != "trunk"]


def test_legend_counts_the_parameters_of_each_colour_once() -> None:
    binding = gs.match_params(Heads(1, prefix="one_"), Heads(3, prefix="three_"))
    view = check_view(binding)
    candidates = {c for a in binding.ambiguous.values() for c in a.candidates}
    assert len(candidates) == 6
    assert {n for piece in view.sides[1] if piece.status == "candidate" for n in piece.parameters} == candidates
    source = gs.plot(Heads(1, prefix="one_"), binding=binding).source
    for words in ["bound: 2", "may be several: 2", "candidate: 6"]:
        assert f">{words}<" in source
    assert "extra in the source" not in source
    joins = [line for line in source.splitlines() if "dir=none" in line]
    assert len(joins) == 4
    assert all(re.match(r"  l\d+:e -> r\d+:w ", line) for line in joins)


@pytest.mark.parametrize("options", [{"cut": ("a", "b")}, {"expand": "features"}, {"shapes": {"data": (1, 4)}}])
def test_binding_with_another_option_is_refused(options: dict[str, Any]) -> None:
    net = layers(2)
    with pytest.raises(gs.SubgraphError, match=r"(?s)binding and \w+ are given together.*Nothing was drawn"):
        gs.plot(net, binding=gs.match_params(net, net), **options)


def test_all_options_given_with_a_binding_are_named() -> None:
    net = layers(2)
    with pytest.raises(gs.SubgraphError, match="^binding, cut, expand and shapes are given together"):
        gs.plot(net, binding=gs.match_params(net, net), cut=("a", "b"), expand="", shapes={"data": (1, 4)})
