"""Which parameter is which: networks of the zoo beside copies of them, names alone, and networks of growing length.

Timed first as the goals have it: from the JSON text of both symbols, the shapes of their parameters given, to the
pairs of layers. Every answer is compared with the truth: nothing may be wrong.
"""

from __future__ import annotations

import gc
import json
import re
from random import Random
from typing import Any, Mapping

import mxnet as mx
import peers
import pytest
from copies import Model, changed, model_of, opaque, residual_network
from hrnet import HRNet
from mxnet.gluon.model_zoo import vision
from timing import clock

from gluon_subgraph import tracing
from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.graph_matching import LayerMatching, match_layers
from gluon_subgraph.layers import Form, read_form_of_text
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

pytestmark = pytest.mark.filterwarnings("ignore")

GOALS = {"resnet50_v1": 0.005, "resnet152_v1": 0.012, "densenet201": 0.020, "HRNet-W18": 0.040}  # seconds
COPIES = ("opaque", "changed")
LAYERS = (100, 300, 1_000, 3_000, 10_000)
GROWN = {"opaque": {}, "insertions every 50 layers": {"inserted_every": 50}}
STAGES = 4  # of a network whose stages grow with it
MANY = 15  # rounds


def network(name: str) -> Any:
    """Return a network whose values nobody needs."""
    return HRNet(prefix="h_") if name == "HRNet-W18" else getattr(vision, name)(prefix="r_")


@pytest.fixture(scope="module", params=list(GOALS))
def given(request: Any) -> Any:
    net = network(request.param)
    symbol = net(mx.sym.var("data"))
    case = request.param, net, symbol, model_of(symbol)
    gc.collect()
    gc.freeze()
    yield case
    gc.unfreeze()


@pytest.fixture(scope="module", params=COPIES)
def copy(request: Any, given: Any) -> tuple[str, Model]:
    random = Random(1)
    original = given[3]
    return request.param, opaque(changed(original, random) if request.param == "changed" else original, random)


def form_of(model: Model) -> Form:
    """Return the normal form of a network's text."""
    return read_form_of_text(model.text, model.shapes)


def match_texts(target: Model, source: Model) -> LayerMatching:
    """Return the pairs of layers of two networks given as text."""
    return match_layers(form_of(target), form_of(source))


def bound(found: LayerMatching) -> dict[str, str]:
    """Return {target: source} of the parameters of the pairs."""
    return {t: s for one, other, _ in found.pairs for t, s in zip(one.parameters, other.parameters)}


def share_right(mapping: Mapping[str, str], truth: Mapping[str, str]) -> float:
    """Return which share of the truth was found, and fail where anything is wrong."""
    assert mapping.items() <= truth.items()
    return len(mapping) / len(truth)


def test_from_text(given: Any, copy: tuple[str, Model], measure: Any, benchmark: Any) -> None:
    name, _, _, original = given
    kind, other = copy
    found = measure(
        lambda: match_texts(original, other),
        MANY,
        table="matching",
        network=name,
        copy=kind,
        side="from text",
        layers=sum(step.layer is not None for step in form_of(original).steps),
        goal=GOALS[name] if kind == "opaque" else None,
    )
    right = share_right(bound(found), original.truth(other))
    benchmark.extra_info["right"] = right
    assert right == 1 or kind != "opaque"


def test_match(given: Any, copy: tuple[str, Model], measure: Any) -> None:
    """What the user calls it for: from two graphs to what is known of every parameter."""
    name, _, symbol, original = given
    kind, other = copy
    target = Side(original.shapes, graph_of_symbol(symbol))
    source = Side(other.shapes, graph_of_symbol(mx.sym.load_json(other.text)))
    found = measure(lambda: match(target, source), MANY, table="matching", network=name, copy=kind, side="match")
    share_right(found.mapping, original.truth(other))


@pytest.mark.parametrize("side", ["text alone", "graphs", "load_json", "trace"])
def test_beside(given: Any, copy: tuple[str, Model], side: str, measure: Any) -> None:
    """What both sides cost before they are matched; `trace` is of the one network that is in memory."""
    name, net, symbol, original = given
    kind, other = copy
    symbols = symbol, mx.sym.load_json(other.text)
    calls = {
        "text alone": lambda: [json.loads(model.text) for model in (original, other)],
        "graphs": lambda: [graph_of_symbol(each) for each in symbols],
        "load_json": lambda: [mx.sym.load_json(model.text) for model in (original, other)],
        "trace": lambda: tracing.trace(net),
    }
    measure(calls[side], 5, table="matching", network=name, copy=kind, side=side)


NAMED = ("resnet152_v1", "densenet201")


def named_sides(name: str) -> tuple[Side, Side, dict[str, str]]:
    """Return a network, the names in a file of it that somebody else wrote, and which is which."""
    net = network(name)
    symbol = net(mx.sym.var("data"))
    model = model_of(symbol)
    path_of = {parameter.name: path for path, parameter in net._collect_params_with_prefix().items()}
    shapes = {parameter: model.shapes[parameter] for parameter in path_of}
    theirs = {parameter: f"module.backbone.{path}" for parameter, path in path_of.items()}
    target = Side(shapes, graph_of_symbol(symbol), {parameter: path_of[parameter] for parameter in shapes})
    return target, Side({theirs[parameter]: shape for parameter, shape in shapes.items()}), theirs


@pytest.fixture(scope="module", params=NAMED)
def named(request: Any) -> Any:
    case = request.param, *named_sides(request.param)
    gc.collect()
    gc.freeze()
    yield case
    gc.unfreeze()


@pytest.mark.parametrize("side", ["a network", "names alone"])
def test_names(named: Any, side: str, measure: Any, benchmark: Any) -> None:
    name, target, source, truth = named
    if side == "names alone":
        truth = {target.paths[t]: s for t, s in truth.items()}
        target = Side({target.paths[t]: shape for t, shape in target.shapes.items()})
    found = measure(lambda: match(target, source), 5, table="names", network=name, side=side)
    benchmark.extra_info["right"] = share_right(found.mapping, truth)
    benchmark.extra_info["parameters"] = len(truth)


def test_names_floor(named: Any, measure: Any) -> None:
    """Look once at each name and each shape."""
    network_name, target, source, _ = named
    rows = [*((target.paths[name], shape) for name, shape in target.shapes.items()), *source.shapes.items()]

    def least() -> Any:
        return [(re.split(r"[._]", path), shape) for path, shape in rows]

    measure(least, 5, table="names floor", network=network_name, side="floor")


@pytest.mark.parametrize("strategy", ["isomorphism", "embedding"])
def test_names_rival(named: Any, strategy: str, measure: Any, benchmark: Any) -> None:
    """Its own format on both sides; each tensor has one value, so that nothing is copied."""
    pytest.importorskip("torch_liberator", reason="not installed: see README.md")
    name, target, source, truth = named
    state = dict.fromkeys(target.paths.values(), peers.ONE_VALUE)
    given = dict.fromkeys(source.shapes, peers.ONE_VALUE)

    def ours() -> float:
        start = clock()
        match(target, source)
        return clock() - start

    mapping = measure(
        lambda: peers.associate(state, given, strategy),
        1,
        ours=lambda: min(ours() for _ in range(5)),
        table="names rival",
        network=name,
        side=strategy,
    )
    right = {source_name: target.paths[parameter] for parameter, source_name in truth.items()}
    benchmark.extra_info["right"] = sum(mapping.get(s) == t for s, t in right.items()) / len(right)
    benchmark.extra_info["wrong"] = sum(right[s] != t for s, t in mapping.items())


@pytest.fixture(scope="module", params=LAYERS)
def grown(request: Any) -> Any:
    layers = request.param
    case = (
        layers,
        residual_network(layers),
        {kind: opaque(residual_network(layers, **edit), Random(layers)) for kind, edit in GROWN.items()},
    )
    gc.collect()
    gc.freeze()
    yield case
    gc.unfreeze()


@pytest.mark.parametrize("kind", list(GROWN))
def test_growth(grown: Any, kind: str, measure: Any, benchmark: Any) -> None:
    layers, original, copies = grown
    rounds = max(2, min(MANY, 10_000 // layers))
    facts = {"table": "matching growth", "copy": kind, "side": layers}
    found = measure(lambda: match_texts(original, copies[kind]), rounds, **facts)
    right = share_right(bound(found), original.truth(copies[kind]))
    benchmark.extra_info["right"] = right
    assert right == 1 or kind != "opaque"


@pytest.mark.parametrize("layers", LAYERS[:-1])
@pytest.mark.parametrize("kind", list(GROWN))
def test_growth_of_stages(layers: int, kind: str, measure: Any, benchmark: Any) -> None:
    """Longer and longer stretches of layers that look alike."""
    original = residual_network(layers, stage=layers // STAGES)
    copy = opaque(residual_network(layers, stage=layers // STAGES, **GROWN[kind]), Random(layers))
    facts = {"table": "matching growth", "copy": f"four stages, {kind}", "side": layers}
    found = measure(lambda: match_texts(original, copy), 2, **facts)
    benchmark.extra_info["right"] = share_right(bound(found), original.truth(copy))
