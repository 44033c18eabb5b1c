"""Branches whose layers are counted in any order, a shuffled file: what numbers alone tell is not bound.

What is wrong is decided by computing: a binding that is not the true one is right only if the network, filled through
it, computes what it does when filled with the truth.
"""

from __future__ import annotations

import random
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_name_matching import Builder

from gluon_subgraph.graph import Graph
from gluon_subgraph.matching import match
from gluon_subgraph.name_counters import doubtful_counts
from gluon_subgraph.name_layers import path_of_name
from gluon_subgraph.sides import Side

ROLES = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_var": "running_var"}
WORDS = ["compress", "dw", "expand"]
STYLES = ["words", "numbers", "branches", "letters"]


def _name(style: str, unit: int, number: int, branch: str, kind: str, rng: random.Random) -> str:
    if style == "words":
        return f"unit{unit}.{rng.choice(WORDS)}_{kind}{number}"
    if style == "numbers":
        return f"{kind}{unit}_{number}"
    if style == "branches":
        return f"unit{unit}.branch{number}.{kind}"
    return f"{'res' if kind == 'conv' else 'bn'}{unit}_branch{branch}"


class _Network:
    """Units of two branches, which are summed or concatenated, with names that count their layers in any order."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.net, self.truth = rng, Builder(), {"stem_weight": "stem_weight"}
        self.style = rng.choice(STYLES)
        x, width = self.net.conv("stem", 0, 3, 8), 8
        for unit in range(rng.randint(1, 4)):
            x, width = self._unit(unit, x, width)
        output = self.net.dense("head", x, width, 10)
        self.truth.update(head_weight="head_weight", head_bias="head_bias")
        self.target = self.net.side(output)

    def _unit(self, unit: int, x: int, width: int) -> tuple[int, int]:
        lengths, out = [self.rng.randint(1, 3), self.rng.randint(1, 2)], self.rng.choice([8, 16])
        numbers = list(range(1, sum(lengths) + 1))
        if self.rng.random() < 0.5:
            self.rng.shuffle(numbers)
        first, second = sorted(numbers[: lengths[0]]), sorted(numbers[lengths[0] :])
        ends = [self._branch(unit, b, x, width, out, own) for b, own in enumerate((first, second))]
        if self.rng.random() < 0.5:
            return self.net.add("elemwise_add", f"sum{unit}", *ends), out
        return self.net.add("Concat", f"join{unit}", *(ends if self.rng.random() < 0.5 else ends[::-1])), 2 * out

    def _branch(self, unit: int, branch: int, x: int, width: int, out: int, numbers: list[int]) -> int:
        for k, number in enumerate(numbers):
            size = out if k == len(numbers) - 1 else self.rng.choice([8, out])
            letter = f"{branch + 1}{'abc'[k]}" if len(numbers) > 1 else f"{branch + 1}"
            own, kernel = f"u{unit}b{branch}l{k}", self.rng.choice([1, 1, 3])
            state = self.rng.getstate()
            names = []
            for kind in ("conv", "bn"):
                self.rng.setstate(state)  # the same word for both
                names.append(_name(self.style, unit, number, letter, kind, self.rng))
            x = self.net.norm(f"{own}n", self.net.conv(f"{own}c", x, width, size, kernel), size)
            self.truth[f"{own}c_weight"] = f"{names[0]}.weight"
            self.truth.update({f"{own}n_{role}": f"{names[1]}.{word}" for role, word in ROLES.items()})
            width = size
        return x


def _value(name: str, shape: tuple[int, ...]) -> Any:
    low = 0.5 if name.endswith("var") else -1
    return np.random.RandomState(zlib.crc32(name.encode())).uniform(low, 1, shape)


def _convolve(x: Any, weight: Any) -> Any:
    size = weight.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (size // 2,) * 2, (size // 2,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    return np.tanh(np.einsum("nchwab,ocab->nohw", windows, weight))


def _output(graph: Graph, values: dict[str, Any]) -> Any:
    found: list[Any] = []
    for node in graph.nodes:
        x, *own = [found[entry.node] for entry in node.inputs] or [None]
        if node.op == "null":
            found.append(values.get(node.name, _value("data", (1, 3, 4, 4))))
        elif node.op == "Convolution":
            found.append(_convolve(x, own[0]))
        elif node.op == "BatchNorm":
            scale, shift, mean, var = [v[None, :, None, None] for v in own]
            found.append(np.tanh((x - mean) / np.sqrt(var) * scale + shift))
        elif node.op == "FullyConnected":
            found.append(x.mean((2, 3)) @ own[0].T + own[1])
        else:
            found.append(x + own[0] if node.op == "elemwise_add" else np.concatenate([x, *own], axis=1))
    return found[graph.outputs[0].node]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
@example(3, True)
def test_shuffled_names_of_branches_bind_nothing_wrong(seed: int, is_defined: bool) -> None:
    rng = random.Random(seed)
    network = _Network(rng)
    target, truth = network.target, network.truth
    if len(set(truth.values())) < len(truth):
        return
    items = [(name, target.shapes[own]) for own, name in truth.items()]
    rng.shuffle(items)
    if not is_defined:
        own = list(target.shapes.items())
        rng.shuffle(own)
        target = Side(dict(own), target.graph)
    found = match(target, Side(dict(items))).mapping
    if any(truth[name] != other for name, other in found.items()):
        wanted = {name: _value(other, target.shapes[name]) for name, other in truth.items()}
        given_values = {name: _value(found.get(name, other), target.shapes[name]) for name, other in truth.items()}
        assert np.allclose(_output(target.graph, wanted), _output(target.graph, given_values))


@pytest.mark.parametrize(
    ("names", "places", "doubtful"),
    [
        (["a.dw_conv1", "a.ex_conv2"], {0: 0, 1: 1}, []),
        (["a.dw_conv1", "a.ex_conv2"], {0: 1, 1: 0}, [[0, 1]]),  # against their numbers
        (["a.dw_conv1", "a.dw_conv2"], {0: 1, 1: 0}, []),  # siblings of one word are somebody else's affair
        (["a.dw_conv1", "a.ex_conv1"], {0: 1, 1: 0}, []),  # not counted through
        (["a.dw_conv1", "b.ex_conv2"], {0: 1}, [[0]]),  # the other is not known
    ],
)
def test_doubtful_counts(names: list[str], places: dict[int, int], doubtful: list[list[int]]) -> None:
    found = doubtful_counts([path_of_name(name) for name in names], [1] * len(names), places, lambda a, b: False)
    assert found == doubtful
