"""How frameworks name the parameters of a network: a layer's word with a running number, and a word for each role."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Mapping, NamedTuple

from gluon_subgraph.graph import Graph

KINDS = {"Convolution": "conv", "FullyConnected": "dense", "BatchNorm": "norm"}
TORCH = (".weight", ".bias", ".running_mean", ".running_var")
MINDSPORE = (".gamma", ".beta", ".moving_mean", ".moving_variance")


class Habit(NamedTuple):
    """The words for layers, the number of the first of a kind, what is between, and the words for roles.

    The words for roles begin with what separates them from the layer's; `first` None leaves the first without a number.
    """

    conv: str
    dense: str
    norm: str
    first: int | None
    between: str
    weight: str
    bias: str
    of_norm: tuple[str, str, str, str]
    start: str = ""


HABITS = {
    "torch": Habit("conv", "fc", "bn", 1, "", ".weight", ".bias", TORCH),
    "keras": Habit(
        "conv2d", "dense", "batch_normalization", None, "_", "/kernel:0", "/bias:0",
        ("/gamma:0", "/beta:0", "/moving_mean:0", "/moving_variance:0"),
    ),
    "keras_1": Habit(
        "convolution2d", "dense", "batchnormalization", 1, "_", "_W_1:0", "_b_1:0",
        ("_gamma_1:0", "_beta_1:0", "_running_mean_1:0", "_running_variance_1:0"),
    ),
    "slim": Habit(
        "Conv", "fc", "BatchNorm", None, "_", "/weights", "/biases",
        ("/gamma", "/beta", "/moving_mean", "/moving_variance"), "net/",
    ),
    "flax": Habit(
        "Conv", "Dense", "BatchNorm", 0, "_", "/kernel", "/bias", ("/scale", "/bias", "/mean", "/var"), "params/",
    ),
    "haiku": Habit(
        "conv2_d", "linear", "batch_norm", None, "_", "/w", "/b",
        ("/scale", "/offset", "/~/mean_ema/average", "/~/var_ema/average"), "net/~/",
    ),
    "tensorpack": Habit("conv", "fc", "bn", 0, "", "/W", "/b", ("/gamma", "/beta", "/mean/EMA", "/variance/EMA")),
    "paddle": Habit("conv2d", "linear", "batch_norm2d", 0, "_", ".w_0", ".b_0", (".w_0", ".b_0", ".w_1", ".w_2")),
    "caffe2": Habit("conv", "fc", "spatbn", 1, "", "_w", "_b", ("_s", "_b", "_rm", "_riv")),
    "chainer": Habit("conv", "fc", "bn", 1, "", "/W", "/b", ("/gamma", "/beta", "/avg_mean", "/avg_var"), "/"),
    "cntk": Habit("conv", "fc", "bn", 1, "", ".W", ".b", (".scale", ".bias", ".runMean", ".runVariance")),
    "mindspore": Habit("conv", "fc", "bn", 1, "", ".weight", ".bias", MINDSPORE),
    "flux": Habit("layer", "layer", "layer", 1, "", ".weight", ".bias", (".γ", ".β", ".μ", ".σ²")),
    "dl4j": Habit("", "", "", 0, "", "_W", "_b", ("_gamma", "_beta", "_mean", "_var")),
    "sequential": Habit("", "", "", 0, "", ".weight", ".bias", TORCH),
}  # fmt: skip


def layers_in_order(graph: Graph, shapes: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return each layer's kind and parameters, in the order in which `shapes` lists them."""
    place = {name: k for k, name in enumerate(shapes)}
    found = []
    for node in graph.nodes:
        names = [graph.nodes[entry.node].name for entry in node.inputs]
        own = [name for name in names if name in place]
        if node.op in KINDS and own:
            found.append((KINDS[node.op], own))
    return sorted(found, key=lambda layer: place[layer[1][0]])


def names_by_habit(habit: Habit, layers: list[tuple[str, list[str]]]) -> dict[str, str]:
    """Return {parameter: its name}, in order."""
    count: Counter[str] = Counter()
    names: dict[str, str] = {}
    for kind, parameters in layers:
        word = {"conv": habit.conv, "dense": habit.dense, "norm": habit.norm}[kind]
        number = count[word]
        count[word] += 1
        if habit.first is None:
            layer = word if number == 0 else f"{word}{habit.between}{number}"
        else:
            layer = f"{word}{habit.between}{number + habit.first}"
        roles = habit.of_norm if kind == "norm" else (habit.weight, habit.bias)
        names.update((name, habit.start + layer + role) for name, role in zip(parameters, roles))
    return names


def numbered_roles(layers: list[tuple[str, list[str]]]) -> dict[str, str]:
    """Return names without words for layers: ``W1``, ``b1``, ``gamma1``."""
    return {
        name: f"{role}{number}"
        for number, (kind, parameters) in enumerate(layers, 1)
        for name, role in zip(parameters, ("gamma", "beta", "mean", "var") if kind == "norm" else ("W", "b"))
    }


def of_one_unit(layers: list[tuple[str, list[str]]]) -> dict[str, str]:
    """Return names that call a normalisation by the convolution before it: ``conv1_w``, ``conv1_gamma``."""
    names: dict[str, str] = {}
    number = 0
    for kind, parameters in layers:
        number += kind != "norm"
        roles = ("gamma", "beta", "running_mean", "running_var") if kind == "norm" else ("w", "b")
        names.update((name, f"conv{number}_{role}") for name, role in zip(parameters, roles))
    return names


NAMING: dict[str, Callable[[list[tuple[str, list[str]]]], dict[str, str]]] = {
    **{name: lambda layers, habit=habit: names_by_habit(habit, layers) for name, habit in HABITS.items()},
    "numbered": numbered_roles,
}
