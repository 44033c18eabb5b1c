"""Weights that a file keeps in parts, and what else is no parameter of a layer."""

from __future__ import annotations

import re
from math import prod
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import gluon_subgraph as gs
from gluon_subgraph.matching import match
from gluon_subgraph.name_parts import weights_in_parts
from gluon_subgraph.sides import Side

SHAPES = {
    "stem.weight": (8, 3, 3, 3),
    "body.0.weight": (8, 8, 3, 3),
    "body.1.weight": (16, 8, 3, 3),
    "fc.weight": (5, 16),
    "fc.bias": (5,),
}


def _target() -> Side:
    return Side(
        {
            "a_weight": (8, 3, 3, 3),
            "b_weight": (8, 8, 3, 3),
            "c_weight": (16, 8, 3, 3),
            "d_weight": (5, 16),
            "d_bias": (5,),
        }
    )


def _weight_norm(name: str, shape: Any) -> dict[str, Any]:
    return {name + "_g": (shape[0],) + (1,) * (len(shape) - 1), name + "_v": shape}


def _spectral_norm(name: str, shape: Any) -> dict[str, Any]:
    return {name + "_orig": shape, name + "_u": shape[:1], name + "_v": (prod(shape[1:]),)}


def _pruned(name: str, shape: Any) -> dict[str, Any]:
    return {name + "_orig": shape, name + "_mask": shape}


def _parametrized(name: str, shape: Any) -> dict[str, Any]:
    stem = name[: -len("weight")] + "parametrizations.weight.original"
    return {stem + "0": (shape[0],) + (1,) * (len(shape) - 1), stem + "1": shape}


def _adapted(name: str, shape: Any) -> dict[str, Any]:
    stem = name[: -len("weight")]
    return {
        stem + "base_layer.weight": shape,
        stem + "lora_A.default.weight": (2, *shape[1:]),
        stem + "lora_B.default.weight": (shape[0], 2, *(1,) * (len(shape) - 2)),
    }


def _made_by_a_function(name: str, shape: Any) -> dict[str, Any]:
    return {name[: -len("weight")] + "parametrizations.weight.original": shape}


def _with_a_buffer(name: str, shape: Any) -> dict[str, Any]:
    stem = name[: -len("weight")] + "parametrizations.weight."
    return {stem + "original": shape, stem + "0._u": shape[:1], stem + "0._v": (prod(shape[1:]),)}


def _drawn(name: str, shape: Any) -> dict[str, Any]:
    return {name + "_mu": shape, name + "_sigma": shape, name + "_epsilon": shape}


def _scaled(name: str, shape: Any) -> dict[str, Any]:
    return {name: shape, name + "_scale": shape[:1]}


def _masked(name: str, shape: Any) -> dict[str, Any]:
    return {name: shape, name + "_mask": shape}


@pytest.mark.parametrize(
    "parts",
    [
        *(_weight_norm, _spectral_norm, _pruned, _parametrized, _adapted),
        *(_made_by_a_function, _with_a_buffer, _drawn, _scaled, _masked),
    ],
)
def test_part_of_a_weight_is_not_the_weight(parts: Callable[[str, Any], dict[str, Any]]) -> None:
    source: dict[str, Any] = {}
    bias = "fc.base_layer.bias" if parts is _adapted else "fc.bias"
    for name, shape in SHAPES.items():
        source.update(parts(name, shape) if len(shape) > 1 else {bias: shape})
    bases = {one.base for one in weights_in_parts(source)}
    assert len(bases) == 4
    found = match(_target(), Side(source))
    assert found.mapping == {"d_bias": bias}
    assert {a.candidates for a in found.ambiguous.values()} == {(base,) for base in bases}
    assert all(a.reason.startswith("the source's layer computes") for a in found.ambiguous.values())


def test_part_of_one_weight_leaves_the_others() -> None:
    source = {**SHAPES, **_weight_norm("body.0.weight", SHAPES["body.0.weight"])}
    del source["body.0.weight"]
    assert sorted(match(_target(), Side(source)).mapping) == ["a_weight", "c_weight", "d_bias", "d_weight"]


def test_network_that_has_all_parts_takes_them() -> None:
    names = {f"fc.{end}": shape for end, shape in (("weight_g", (8, 1)), ("weight_v", (8, 4)), ("bias", (8,)))}
    assert match(Side(names), Side(names)).mapping == {name: name for name in names}


@pytest.mark.parametrize(
    "names",
    [
        {"attention.pos_bias_u": (4, 8), "attention.pos_bias_v": (4, 8)},  # of Transformer-XL
        {"proj_q": (8, 8), "proj_k": (8, 8), "proj_v": (8, 8)},
        {"gate_g": (8, 8), "gate_v": (8, 8)},  # no length for each output
        {"conv.weight": (8, 3), "conv.bias": (8,)},
        {"bn.scale": (8,), "bn.bias": (8,), "bn.mu": (8,), "bn.std": (8,)},
    ],
)
def test_what_only_ends_so_is_whole(names: dict[str, Any]) -> None:
    assert weights_in_parts(names) == []


def test_error_says_to_make_one_weight_of_the_parts() -> None:
    net = gluon.nn.Dense(8, in_units=4)
    net.initialize()
    before = net.weight.data().asnumpy()
    source = {"fc.weight_g": np.ones((8, 1), "f"), "fc.weight_v": np.ones((8, 4), "f"), "fc.bias": np.ones(8, "f")}
    with pytest.raises(
        gs.BindingError, match=re.escape("make one weight of 'fc.weight_v' and its other parts")
    ) as error:
        gs.bind_params(net, source)
    assert "'fc.weight_g', 'fc.weight_v'" in str(error.value)
    assert "nothing was loaded" in str(error.value)
    assert (net.weight.data().asnumpy() == before).all()
    gs.bind_params(net, source, pairs={net.weight.name: "fc.weight_v"}, ignore_extra=True)
    assert (net.weight.data() == mx.nd.ones((8, 4))).asnumpy().all()


def _behind(slots: list[str]) -> dict[str, Any]:
    return {name + slot: shape for name, shape in SHAPES.items() for slot in ["", *slots]}


@pytest.mark.parametrize(
    "source",
    [
        _behind([".Adam", ".Adam_1"]),
        _behind(["/Momentum"]),
        _behind(["_velocity_0"]),
        _behind(["_moment1_0", "_moment2_0", "_beta1_pow_acc_0"]),
        {f"{name}{slot}:0": shape for name, shape in SHAPES.items() for slot in ("", "/RMSProp")},
        {**SHAPES, **{f"optimizer.state.{k}.exp_avg": shape for k, shape in enumerate(SHAPES.values())}},
        {**{f"params/{n}": s for n, s in SHAPES.items()}, **{f"opt_state/0/mu/{n}": s for n, s in SHAPES.items()}},
    ],
)
def test_what_an_optimizer_keeps_is_no_parameter(source: dict[str, Any]) -> None:
    found = match(_target(), Side(source))
    bare = [re.sub("^params/|:0$", "", name) for name in found.mapping.values()]
    assert bare == list(SHAPES)
    assert len(found.extra) == len(source) - len(SHAPES)


def test_slot_of_no_parameter_is_one() -> None:
    """A layer may be called by an optimizer's name."""
    names = {"Adam": (4, 3), "Momentum": (5, 4)}
    assert match(Side({"a": (4, 3), "b": (5, 4)}), Side({f"net/{n}": s for n, s in names.items()})).extra == ()
