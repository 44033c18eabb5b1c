"""Networks of several heads of which some are new, and branches that what they read or lead to tells apart."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from typing import Any, Callable, Sequence

import mxnet as mx
import pytest

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

sym = mx.sym


def _dense(name: str, x: Any, units: int = 8) -> Any:
    return sym.FullyConnected(x, name=name, num_hidden=units)


def _conv(name: str, x: Any, channels: int = 8) -> Any:
    return sym.Convolution(x, name=name, num_filter=channels, kernel=(3, 3), pad=(1, 1))


def _side(symbol: Any, shape: Sequence[int], *, names: Sequence[str] = ()) -> Side:
    """Return a network in the order of definition, which is that of `names` if these are given."""
    arguments, _, auxiliary = symbol.infer_shape(data=tuple(shape))
    shapes = dict(zip(symbol.list_arguments(), arguments))
    shapes.update(zip(symbol.list_auxiliary_states(), auxiliary))
    return Side({name: tuple(shapes[name]) for name in (names or shapes) if name != "data"}, graph_of_symbol(symbol))


def _detector(scales: int, classes: Sequence[int]) -> Side:
    """Return a network with two heads at each scale: one of so many classes, one of boxes."""
    x, scores, boxes = sym.var("data"), [], []
    for k in range(scales):
        x = sym.relu(_conv(f"conv{k}", x))
        scores.append(sym.flatten(_conv(f"cls{k}", x, classes[k])))
        boxes.append(sym.flatten(_conv(f"box{k}", x, 4)))
        x = sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max")
    both = sym.concat(sym.concat(*scores, dim=1), sym.tanh(sym.concat(*boxes, dim=1)), dim=1)
    return _side(both, (1, 3, 32, 32))


def _tasks(units: Sequence[int]) -> Side:
    trunk = sym.relu(_dense("trunk", sym.var("data")))
    heads = [_dense(f"out{k}", sym.relu(_dense(f"hidden{k}", trunk)), count) for k, count in enumerate(units)]
    return _side(sym.concat(*heads, dim=1), (1, 5))


def _same(target: Side, source: Side) -> dict[str, str]:
    """Return what is one by name and shape: both networks have the same names."""
    return {name: name for name, shape in target.shapes.items() if source.shapes[name] == shape}


@pytest.mark.parametrize("scales", [3, 4, 6])
def test_detector_with_other_classes_keeps_all_else(scales: int) -> None:
    target, source = _detector(scales, [7] * scales), _detector(scales, [21] * scales)
    found = match(target, source)
    assert found.mapping == _same(target, source)
    assert set(found.mismatched) == {f"cls{k}_{role}" for k in range(scales) for role in ("weight", "bias")}


@pytest.mark.parametrize("new", [0, 1, 2])
def test_one_new_head_of_several_leaves_the_others(new: int) -> None:
    units = [3, 3, 3]
    units[new] = 5
    target, source = _tasks(units), _tasks([3, 3, 3])
    assert match(target, source).mapping == _same(target, source)
    assert match(source, target).mapping == _same(source, target)


def test_other_layers_in_the_middle_are_still_another_network() -> None:
    def net(units: int) -> Side:
        x = sym.relu(_dense("a", sym.var("data")))
        for k in range(3):
            x = sym.relu(_dense(f"b{k}", sym.relu(_dense(f"c{k}", x, units))))
        return _side(_dense("out", x, 3), (1, 5))

    found = match(net(16), net(12))
    assert found.mapping == {}
    assert all("the networks differ" in reason for reason in found.missing.values())


def test_gates_with_adapters_are_told_apart_by_what_they_read() -> None:
    def highway(*, has_adapters: bool) -> Side:
        x = sym.var("data")
        for k in range(3):
            gate, value = _dense(f"t{k}", x), _dense(f"h{k}", x)
            if has_adapters and k == 1:
                gate = _dense("up", sym.relu(_dense("down", gate, 5)))
                value = value + _dense("up2", sym.relu(_dense("down2", value, 5)))
            gate = sym.sigmoid(gate)
            x = gate * sym.relu(value) + (1 - gate) * x
        return _side(_dense("end", x, 3), (1, 8))

    target, source = highway(has_adapters=True), highway(has_adapters=False)
    assert match(target, source).mapping == {name: name for name in source.shapes}


def test_weights_made_of_constants_alone_are_no_obstacle() -> None:
    def net(classes: int) -> Side:
        x = _conv("conv", sym.var("data"))
        x = sym.Convolution(x, sym.ones((8, 8, 3, 3)), name="blur", no_bias=True, num_filter=8, kernel=(3, 3))
        x = sym.broadcast_add(sym.flatten(x), sym.arange(8 * 14 * 14).reshape((1, -1)))
        return _side(_dense("fc", x, classes), (1, 3, 16, 16))

    target, source = net(5), net(7)
    found = match(target, source)
    assert found.mapping == {"conv_weight": "conv_weight", "conv_bias": "conv_bias"}
    assert set(found.mismatched) == {"fc_weight", "fc_bias"}


@pytest.mark.parametrize("classes", [5, 33])
def test_names_alone_allow_a_new_head_before_another(classes: int) -> None:
    """A second head may be defined, and computed, after the first."""

    def net(count: int) -> Side:
        x = sym.var("data")
        for k in range(4):
            x = sym.relu(_conv(f"body{k}", x, 8 + k))
        first = _conv("head1", sym.relu(_conv("head0", x)), count)
        second = _conv("aux1", sym.relu(_conv("aux0", x, 6)), count)
        return _side(sym.Group([first, second]), (1, 3, 16, 16))

    target, source = net(classes), net(21)
    named = Side({name.replace("_", "."): shape for name, shape in source.shapes.items()})
    found = match(target, named).mapping
    assert found == {name: name.replace("_", ".") for name in _same(target, source)}


def _summed(order: str) -> Any:
    x = sym.var("data")
    parts = {"a": sym.tanh(_dense("a", x)), "b": _dense("b", x), "c": _dense("c", sym.tanh(x))}
    first, second, third = (parts[name] for name in order)
    return first + second + third


def _grouped(order: str) -> Any:
    x = sym.var("data")
    parts = {"a": sym.softmax(_dense("a", x)), "b": _dense("b", x), "c": sym.sigmoid(_dense("c", x))}
    return sym.Group([parts[name] for name in order])


@pytest.mark.parametrize("net", [_summed, _grouped])
@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_parts_in_another_order_are_not_exchanged(net: Callable[[str], Any], order: str) -> None:
    target, source = _side(net("abc"), (1, 8)), _side(net(order), (1, 8))
    found = match(target, source).mapping
    assert found.items() <= {name: name for name in target.shapes}.items()
    if order == "abc":
        assert len(found) == len(target.shapes)


def test_opposite_gates_are_not_told_apart_by_what_they_read() -> None:
    def highway(*, is_opposite: bool) -> Side:
        x = sym.var("data")
        for k in range(2):
            gate, value = sym.sigmoid(_dense(f"t{k}", x)), sym.relu(_dense(f"h{k}", x))
            x = value * (1 - gate) + x * gate if is_opposite else value * gate + x * (1 - gate)
        return _side(_dense("end", x, 3), (1, 8))

    found = match(highway(is_opposite=True), highway(is_opposite=False))
    assert not {name for name in found.mapping if name.startswith("h")}
