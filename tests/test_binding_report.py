"""A Binding prints as a table that says what goes where, what is left over, and whether the network is complete."""

from __future__ import annotations

import dataclasses

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from samples import layers

from gluon_subgraph.binding_report import Binding
from gluon_subgraph.graph import Graph
from gluon_subgraph.sides import Ambiguity, Mismatch, Side
from gluon_subgraph.sources import Weights


def weights(**shapes: tuple[int, ...] | None) -> Weights:
    return Weights(Side(shapes), dict.fromkeys(shapes), dict, "'n_'", "arrays")


def test_binding_prints_all_its_parts() -> None:
    binding = Binding(
        mapping={"conv_weight": "w", "scale": "g", "fc": "d"},
        missing={"new": "nothing is like it"},
        extra=("old", "older"),
        mismatched={"head": Mismatch("classes", "10 rows, not 1000")},
        ambiguous={"left": Ambiguity(("a", "b"), "both fit")},
        evidence={"conv_weight": "same place", "scale": "same place", "fc": "name"},
        transforms={"conv_weight": "same", "scale": "ones", "fc": "transpose"},
        skipped=("bias",),
        notes=("'n_' by names alone: it is plain",),
        _target=weights(conv_weight=(4, 3, 3, 3), scale=(4,), fc=(2, 5), head=(10, 4), new=(3,), left=(1,)),
        _source=weights(w=(4, 3, 3, 3), g=(4,), d=(5, 2), classes=(1000, 4), a=(1,), b=(1,)),
    )
    assert str(binding).splitlines() == [
        "target       source  shape                          evidence",
        "conv_weight  w       (4, 3, 3, 3)                   same place",
        "scale        g       (4,) set to ones               same place",
        "fc           d       (2, 5) transposed from (5, 2)  name",
        "missing: 1",
        "  new: nothing is like it",
        "extra: 2",
        "  old",
        "  older",
        "mismatched: 1",
        "  head (10, 4) <- classes (1000, 4): 10 rows, not 1000",
        "ambiguous: 1",
        "  left: a or b: both fit",
        "skipped: 1",
        "  bias",
        "note: 'n_' by names alone: it is plain",
        "The network is not completely bound: 3 of 7 parameters.",
    ]


def test_binding_of_everything_says_so() -> None:
    net = layers(1)
    lines = str(gs.match_params(net, net)).splitlines()
    assert lines[0].split() == ["target", "source", "shape", "evidence"]
    assert lines[1].split()[:4] == ["n_dense0_weight", "n_dense0_weight", "(4,", "4)"]
    assert lines[3:] == [
        "missing: 0",
        "extra: 0",
        "mismatched: 0",
        "ambiguous: 0",
        "The network is completely bound: 2 of 2 parameters.",
    ]


def test_binding_repr_is_shortened_and_print_is_not() -> None:
    arrays = {f"a{i}": np.zeros((i + 1, 2)) for i in range(50)}
    binding = gs.match_params(arrays, arrays)
    assert len(str(binding).splitlines()) == 1 + 50 + 4 + 1
    assert len(repr(binding).splitlines()) == 1 + 30 + 1 + 4 + 1
    assert "... and 20 more; print(binding) shows them" in repr(binding)
    assert repr(binding).splitlines()[-1] == str(binding).splitlines()[-1]


def test_binding_of_unknown_shapes_prints() -> None:
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="f")
    assert "f_weight" in str(gs.match_params(symbol, symbol))


@pytest.mark.parametrize("is_np", [False, True])
def test_sizes_not_known_are_told_from_empty_arrays(is_np: bool) -> None:
    graph = None if is_np else Graph((), ())
    target = Weights(Side({"a": (2, 0), "b": (0, 3)}, graph), {}, dict, "'n_'", "arrays")
    source = Weights(Side({"c": (3, 4), "d": None}, graph), {}, dict, "'s_'", "arrays")
    reasons = {"a": Mismatch("c", "no"), "b": Mismatch("d", "no")}
    binding = Binding({}, {}, (), reasons, {}, {}, {}, _target=target, _source=source)
    assert str(binding).splitlines()[4:6] == [
        f"  a (2, {0 if is_np else '?'}) <- c (3, 4): no",
        f"  b ({0 if is_np else '?'}, 3) <- d of unknown shape: no",
    ]


def test_binding_made_by_hand_prints() -> None:
    assert str(Binding({"a": "b"}, {}, (), {}, {}, {}, {"a": "same"})).splitlines()[1] == "a       b"


def test_binding_is_frozen_and_compares_by_what_it_says() -> None:
    binding, other = (gs.match_params(net, net) for net in (layers(2), layers(2, seed=3)))
    assert binding == other
    assert binding != gs.match_params(layers(2), layers(2), skip="*bias")
    with pytest.raises(dataclasses.FrozenInstanceError):
        binding.mapping = {}  # type: ignore[misc]
