"""Networks as text with the shapes of their parameters, and what becomes of them between two people."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Dict, NamedTuple, Tuple

import mxnet as mx
from networks import IMAGE

from gluon_subgraph.codec import json_of_symbol

CLASSES = 10  # of the copy with another head
RESIDUAL = 4  # layers of a residual block of `residual_network`
Shapes = Dict[str, Tuple[int, ...]]


class Model(NamedTuple):
    """The JSON text of a network, the shapes of its parameters, and what each was called in the original."""

    text: str
    shapes: Shapes
    origin: dict[str, str]

    def truth(self, source: Model) -> dict[str, str]:
        """Return {parameter: that of `source`} of all that both have."""
        name_of_origin = {origin: name for name, origin in source.origin.items()}
        return {name: name_of_origin[origin] for name, origin in self.origin.items() if origin in name_of_origin}


def model_of(symbol: Any) -> Model:
    """Return the model of a symbol whose one input is an image named `data`."""
    arguments, _, auxiliaries = symbol.infer_shape(data=IMAGE)
    shapes = dict(zip(symbol.list_arguments(), arguments))
    shapes.update(zip(symbol.list_auxiliary_states(), auxiliaries))
    del shapes["data"]
    return Model(json_of_symbol(symbol), shapes, {name: name for name in shapes})


def opaque(model: Model, random: Random) -> Model:
    """Return the model under meaningless names, its parameters in any order."""
    data = json.loads(model.text)
    new_names = {name: f"p{k:06d}" for k, name in enumerate(random.sample(list(model.shapes), len(model.shapes)))}
    for i, node in enumerate(data["nodes"]):
        if node["name"] != "data":
            node["name"] = new_names.get(node["name"], f"n{i}")
    order = random.sample(list(model.shapes), len(model.shapes))
    shapes = {new_names[name]: model.shapes[name] for name in order}
    return Model(_text(data), shapes, {new_names[name]: model.origin[name] for name in order if name in model.origin})


def changed(model: Model, random: Random, share: float = 0.15) -> Model:
    """Return the model with dropout after a share of its activations, squeeze and excitation after as many others,
    and a head of `CLASSES`.
    """
    data = json.loads(model.text)
    internals = mx.sym.load_json(model.text).get_internals()
    _, outputs, _ = internals.infer_shape(data=IMAGE)
    shape_of = dict(zip(internals.list_outputs(), outputs))
    shapes = dict(model.shapes)
    writer = Writer(shapes)
    place: list[int] = []  # where each old node is now read
    head = max(i for i, node in enumerate(data["nodes"]) if node["op"] == "FullyConnected")
    new_head = {data["nodes"][i]["name"] for i, *_ in data["nodes"][head]["inputs"][1:]}
    for i, node in enumerate(data["nodes"]):
        inputs = [place[entry[0]] for entry in node["inputs"]]
        attrs = {key: value for key, value in node.get("attrs", {}).items() if key != "__shape__"}
        if i == head:
            attrs["num_hidden"] = str(CLASSES)
        place.append(writer.add(node["op"], node["name"], inputs, attrs, [e[1] for e in node["inputs"]]))
        shape = shape_of.get(node["name"] + "_output", ())
        chance = random.random() if node["op"] in ("Activation", "relu") and len(shape) == 4 else 1.0
        if chance < share:
            place[i] = writer.add("Dropout", f"dropout_{i}", [place[i]], {"p": "0.1"})
        elif chance < 2 * share:
            place[i] = writer.squeeze_and_excitation(f"se_{i}", place[i], shape[1])
    for name in new_head:
        shapes[name] = (CLASSES, *shapes[name][1:])
    origin = {name: origin for name, origin in model.origin.items() if name not in new_head}
    return Model(writer.text(place[data["heads"][0][0]]), shapes, origin)


def residual_network(layers: int, *, stage: int = 100, inserted_every: int = 0) -> Model:
    """Return `layers` layers in residual blocks of two convolutions with BatchNorm, `stage` of each width.

    Given `inserted_every`, squeeze and excitation and dropout are put behind a block every so many layers.
    """
    shapes: Shapes = {}
    writer = Writer(shapes)
    last, channels, added = writer.add("null", "data", []), 3, set()
    for block in range(layers // RESIDUAL):
        before, inside = last, channels
        channels = 16 + 8 * (block * RESIDUAL // stage)
        for k, count in enumerate((inside, channels)):
            last = writer.convolution(f"block{block}_conv{k}", last, count, channels)
            last = writer.batch_norm(f"block{block}_bn{k}", last, channels)
            if k == 0:
                last = writer.add("Activation", f"block{block}_relu{k}", [last], {"act_type": "relu"})
        if inside == channels:
            last = writer.add("elemwise_add", f"block{block}_plus", [last, before])
        last = writer.add("Activation", f"block{block}_relu1", [last], {"act_type": "relu"})
        if inserted_every and (block + 1) * RESIDUAL % inserted_every < RESIDUAL:
            known = set(shapes)
            last = writer.squeeze_and_excitation(f"se_{block}", last, channels)
            last = writer.add("Dropout", f"dropout_{block}", [last], {"p": "0.1"})
            added |= set(shapes) - known
    return Model(writer.text(last), shapes, {name: name for name in shapes if name not in added})


class Writer:
    """Writes the nodes of a symbol's text; notes the shapes of the parameters it makes."""

    def __init__(self, shapes: Shapes) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.shapes = shapes

    def add(self, op: str, name: str, inputs: list[int], attrs: Any = None, outputs: list[int] | None = None) -> int:
        """Add a node and return its number; `outputs` says which output of each input it reads."""
        node: dict[str, Any] = {"op": op, "name": name}
        if attrs:
            node["attrs"] = attrs
        node["inputs"] = [[i, out, 0] for i, out in zip(inputs, outputs or [0] * len(inputs))]
        self.nodes.append(node)
        return len(self.nodes) - 1

    def parameters(self, name: str, shapes: Shapes) -> list[int]:
        """Add variables."""
        self.shapes.update({f"{name}_{role}": shape for role, shape in shapes.items()})
        return [self.add("null", f"{name}_{role}", []) for role in shapes]

    def convolution(self, name: str, data: int, inside: int, outside: int) -> int:
        """Add a convolution without a bias."""
        inputs = [data, *self.parameters(name, {"weight": (outside, inside, 3, 3)})]
        attrs = {"kernel": "(3, 3)", "pad": "(1, 1)", "num_filter": str(outside), "no_bias": "True"}
        return self.add("Convolution", name, inputs, attrs)

    def batch_norm(self, name: str, data: int, channels: int) -> int:
        """Add a BatchNorm."""
        roles = dict.fromkeys(("gamma", "beta", "running_mean", "running_var"), (channels,))
        return self.add("BatchNorm", name, [data, *self.parameters(name, roles)], {"fix_gamma": "False"})

    def squeeze_and_excitation(self, name: str, data: int, channels: int) -> int:
        """Add weights for the channels, from two small layers."""
        small = max(1, channels // 16)
        last = self.add("Pooling", f"{name}_pool", [data], {"global_pool": "True", "pool_type": "avg"})
        for inside, outside, function in ((channels, small, "relu"), (small, channels, "sigmoid")):
            own = self.parameters(f"{name}_{function}", {"weight": (outside, inside), "bias": (outside,)})
            last = self.add("FullyConnected", f"{name}_{function}_fc", [last, *own], {"num_hidden": str(outside)})
            last = self.add("Activation", f"{name}_{function}", [last], {"act_type": function})
        last = self.add("Reshape", f"{name}_shape", [last], {"shape": "(0, 0, 1, 1)"})
        return self.add("broadcast_mul", f"{name}_mul", [data, last])

    def text(self, head: int) -> str:
        """Return the text of the network that ends at a node."""
        variables = [i for i, node in enumerate(self.nodes) if node["op"] == "null"]
        rows = list(range(len(self.nodes) + 1))
        return _text({"nodes": self.nodes, "arg_nodes": variables, "node_row_ptr": rows, "heads": [[head, 0, 0]]})


def _text(data: Any) -> str:
    return json.dumps({**data, "attrs": {"mxnet_version": ["int", 10901]}}, indent=2)
