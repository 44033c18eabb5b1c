"""Constructors of the model collections: a name such as `mx-resnet18_v1` becomes a `Side`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

for absent in ("torch", "torchvision"):  # the MXNet collections must not pick up another framework
    sys.modules.setdefault(absent, None)  # type: ignore[arg-type]

import graphs  # noqa: E402
import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402
import running  # noqa: E402
from graphs import TORCH, Side  # noqa: E402
from values import random_value  # noqa: E402

TORCH_COLLECTIONS = ("ptcv", "tv", "timm", "hf", "monai")

OWN = {"sym": "classics", "syn": "synthetic", "own": "gluons"}  # modules of this folder
SIZES = {"inception": 299, "xception": 299, "cifar": 32}


def side_of(name: str) -> Side:
    """Return the network `collection-model` traced, with parameters in definition order."""
    collection, model = name.split("-", 1)
    if collection in OWN:
        return importlib.import_module(OWN[collection]).side_of(model)
    with mx.name.NameManager():
        net = BUILDERS[collection](model)
    size = next((pixels for part, pixels in SIZES.items() if part in model), 224)
    return traced(name, net, {"data": (1, 3, size, size)})


def traced(name: str, net: Any, inputs: dict[str, tuple[int, ...]]) -> Side:
    """Return a Gluon network as a side: its graph, its parameters and their paths."""
    output = net(*[mx.sym.var(key) for key in inputs])
    if isinstance(output, (list, tuple)):
        output = output[0]
    symbol = graphs.symbol_of(*graphs.nodes_of(output.tojson()))
    shapes = graphs.all_shapes(symbol, inputs)
    in_graph = {node["name"] for node in graphs.nodes_of(symbol)[0] if node["op"] == "null"}
    params = [(key, shapes[key]) for key in net.collect_params() if key in in_graph]
    structural = {}
    for path, parameter in net._collect_params_with_prefix().items():
        if parameter.name in in_graph:
            structural.setdefault(parameter.name, path)
    return Side(name, symbol, params, structural, dict(inputs))


def _model_zoo(model: str) -> Any:
    return mx.gluon.model_zoo.vision.get_model(model)


def _gluoncv(model: str) -> Any:
    import gluoncv

    return gluoncv.model_zoo.get_model(model, pretrained=False)


def _gluoncv2(model: str) -> Any:
    from gluoncv2.model_provider import get_model

    return get_model(model, pretrained=False)


BUILDERS = {"mx": _model_zoo, "cv": _gluoncv, "osmr": _gluoncv2}

TORCH_FOLDER: Path | None = None


def source_of(name: str) -> running.Run:
    """Return the network `name` with its run on random values."""
    if name.split("-")[0] in TORCH_COLLECTIONS:
        return torch_run(name)
    return running.run_source(side_of(name))


def source_side_of(name: str) -> Side:
    """Return the network `name` without running it."""
    return torch_run(name).side if name.split("-")[0] in TORCH_COLLECTIONS else side_of(name)


def torch_run(name: str) -> running.Run:
    """Return what torch_side.py recorded of a torch network."""
    if TORCH_FOLDER is None:
        msg = f"{name} needs --torch"
        raise ValueError(msg)
    record = json.loads((TORCH_FOLDER / f"{name}.json").read_text())
    arrays = np.load(TORCH_FOLDER / f"{name}.npz")
    params = [(n, tuple(shape)) for n, shape in record["params"]]
    roles = record["roles"]
    values = {n: random_value(n, shape, roles[n]) for n, shape in params if n in roles}
    layers = [
        running.Layer(list(arrays[f"in{k}"]), arrays[f"out{k}"], [tuple(slot) for slot in slots])
        for k, slots in enumerate(record["layers"])
    ]
    inputs = running.input_arrays(Side(name, None, [], {}, record["inputs"]), record["vocabulary"])
    outputs = [arrays[f"output{k}"] for k in range(record["outputs"])]
    return running.Run(Side(name, None, params, {}, {}, TORCH), layers, values, outputs, inputs)
