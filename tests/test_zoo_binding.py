"""Networks of the model zoo, disturbed in every way people do, against the network they were made from.

Nothing is ever bound wrongly. What is determined is bound completely; whether a stretch is, is decided by brute
force: it fits as often as its operators, in order and reading each other likewise, occur in the whole.
"""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import functools
import random
import zlib
from typing import Any, NamedTuple

import mxnet as mx
import pytest
from disturbances import (
    Model,
    bottlenecks,
    shuffled,
    stretch,
    with_exchanged_inputs,
    with_head,
    with_inserted,
    with_opaque_names,
    with_prefix,
)
from mxnet.gluon.model_zoo import vision

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.graph import VARIABLE
from gluon_subgraph.matching import match
from gluon_subgraph.operators import kind_of_node
from gluon_subgraph.sides import Matching, Side

SAMPLE = ["resnet18_v1", "resnet18_v2", "mobilenetv2_0.25", "squeezenet1.1", "vgg11_bn"]
OTHERS = [
    "resnet34_v1", "resnet50_v1", "resnet101_v1", "resnet152_v1", "resnet34_v2", "resnet50_v2", "resnet101_v2",
    "resnet152_v2", "vgg11", "vgg13", "vgg16", "vgg19", "vgg13_bn", "vgg16_bn", "vgg19_bn", "alexnet", "densenet121",
    "densenet161", "densenet169", "densenet201", "squeezenet1.0", "inceptionv3", "mobilenet1.0", "mobilenet0.75",
    "mobilenet0.5", "mobilenet0.25", "mobilenetv2_1.0", "mobilenetv2_0.75", "mobilenetv2_0.5",
]  # fmt: skip
NETWORKS = [*SAMPLE, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
STRETCHES = 6  # of each network


@functools.lru_cache(maxsize=2)
def _model(name: str) -> Model:
    """Return a network of the zoo; the shapes are inferred, nothing is initialised."""
    net = vision.get_model(name)
    symbol = net(mx.sym.var("data"))
    size = 299 if name == "inceptionv3" else 224
    arguments, _, auxiliary = symbol.infer_shape(data=(1, 3, size, size))
    shapes = dict(zip(symbol.list_arguments(), arguments))
    shapes.update(zip(symbol.list_auxiliary_states(), auxiliary))
    names = list(net.collect_params())
    return Model(graph_of_symbol(symbol), {n: shapes[n] for n in names}, {n: n for n in names})


def _random(name: str, what: str) -> random.Random:
    return random.Random(zlib.crc32(f"{name} {what}".encode()))


def _match(target: Model, source: Model) -> Matching:
    """Return the matching, after asserting that it is the truth as far as it goes."""
    found = match(Side(target.shapes, target.graph), Side(source.shapes, source.graph))
    assert found.mapping.items() <= _truth(target, source).items()
    return found


def _truth(target: Model, source: Model) -> dict[str, str]:
    name_of_origin = {origin: name for name, origin in source.origin.items()}
    return {t: name_of_origin[o] for t, o in target.origin.items() if o in name_of_origin}


def _everything(model: Model, rng: random.Random) -> Model:
    """Return the network with things inserted, another writer's order of sums, opaque names and a shuffled file."""
    for what in ("se", "dropout"):
        model = with_inserted(model, rng, what)
    return with_exchanged_inputs(with_opaque_names(model, rng), rng)


DISTURBANCES: dict[str, Any] = {
    "opaque": lambda model, rng: with_opaque_names(model, rng),
    "shuffled": lambda model, rng: shuffled(model, rng),
    "prefix": lambda model, rng: with_prefix(model, f"net{rng.randrange(1000)}_"),
    "exchanged": lambda model, rng: with_exchanged_inputs(model, rng),
    "dropout": lambda model, rng: with_inserted(model, rng, "dropout"),
    "se": lambda model, rng: with_inserted(model, rng, "se"),
    "adapter": lambda model, rng: with_inserted(model, rng, "adapter"),
    "head": lambda model, rng: with_head(model, 17),
    "all": lambda model, rng: with_head(_everything(model, rng), 17),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_zoo_disturbed_network_binds_completely(name: str) -> None:
    source = _model(name)
    unbound = {}
    for what, disturb in DISTURBANCES.items():
        target = disturb(source, _random(name, what))
        truth = _truth(target, source)
        forth, back = _match(target, source), _match(source, target)
        assert back.mapping == {s: t for t, s in forth.mapping.items()}
        assert len(truth) >= len(source.shapes) - 2
        left = truth.keys() - forth.mapping.keys() - _like_inserted(target, source)
        if left:
            unbound[what] = sorted(left)
    assert unbound == {}


def _like_inserted(target: Model, source: Model) -> set[str]:
    """Return the parameters of shapes that an inserted layer has too, which may well be the ones.

    Normalisations stand beside layers; what tells them apart is the layer, so only shapes of several axes count.
    """
    inserted = {shape for name, shape in target.shapes.items() if name not in target.origin and len(shape) > 1}
    taken = {name for name, shape in target.shapes.items() if shape in inserted}
    nodes = target.graph.nodes
    readers = [n for n in nodes if any(nodes[e.node].name in taken for e in n.inputs)]
    outputs = {i for i, n in enumerate(nodes) if n in readers}
    after = [n for n in nodes if n.op == "BatchNorm" and n.inputs[0].node in outputs]
    return taken | {nodes[e.node].name for n in after for e in n.inputs[1:]}


class _Op(NamedTuple):
    label: Any
    reads: tuple[int, ...]  # numbers of operators in the list, -1 for the input
    has_parameters: bool


def _operators(model: Model) -> list[_Op]:
    """Return the operators in order, with the shapes of their parameters; transparent ones are looked through."""
    found: list[_Op] = []
    stands_for: dict[int, int] = {}
    for i, node in enumerate(model.graph.nodes):
        if node.op == VARIABLE:
            stands_for[i] = -1
            continue
        kind = kind_of_node(node.op, node.attrs)
        names = [model.graph.nodes[e.node].name for e in node.inputs]
        reads = tuple(stands_for[e.node] for e, n in zip(node.inputs, names) if n not in model.shapes)
        if kind.is_transparent:
            stands_for[i] = reads[0]
        else:
            stands_for[i] = len(found)
            shapes = [model.shapes.get(n) for n in names]
            found.append(_Op((kind.family, kind.settings, *shapes), reads, any(shapes)))
    return found


def _without_ends(ops: list[_Op]) -> list[_Op]:
    """Return the operators without those at either end that have no parameters and one input."""
    while ops and not ops[-1].has_parameters and len(ops[-1].reads) == 1:
        ops = ops[:-1]
    while len(ops) > 1 and not ops[0].has_parameters and all(-1 not in op.reads for op in ops[1:]):
        ops = [op._replace(reads=tuple(r - 1 for r in op.reads)) for op in ops[1:]]
    return ops


def _without_pools(ops: list[_Op]) -> list[_Op]:
    """Return the operators without pools; who reads one reads what it reads."""
    kept: list[_Op] = []
    stands_for = {-1: -1}
    for number, op in enumerate(ops):
        if op.label[0] == "Pooling":
            stands_for[number] = stands_for[op.reads[0]]
        else:
            stands_for[number] = len(kept)
            kept.append(op._replace(reads=tuple(stands_for[r] for r in op.reads)))
    return kept


def _without_settings(ops: list[_Op]) -> list[_Op]:
    """Return the operators, those with parameters known by their family and shapes alone."""
    return [op._replace(label=(op.label[0], (), *op.label[2:])) if op.has_parameters else op for op in ops]


def _places(part: Model, whole: Model, *, is_loose: bool = False) -> int:
    """Return at how many places of the whole the operators of the part occur in a row, reading each other likewise.

    Loosely, it may fit more: without operators at its ends that own nothing, over pools if it has none, and whatever
    stride its layers have, for a stride that differs is reported, not taken for another layer.
    """
    short, long = _operators(part), _operators(whole)
    if is_loose:
        if not any(op.label[0] == "Pooling" for op in short):
            long = _without_pools(long)
        short, long = _without_settings(_without_ends(short)), _without_settings(long)
    labels = [[_shapes_only(op.label) for op in ops] for ops in (short, long)]
    count = 0
    for begin in range(len(long) - len(short) + 1):
        if labels[1][begin : begin + len(short)] == labels[0]:
            entries = set()
            for op, there in zip(short, long[begin:]):
                entries.update(r for mine, r in zip(op.reads, there.reads) if mine < 0)
                if [r - begin for mine, r in zip(op.reads, there.reads) if mine >= 0] != [
                    r for r in op.reads if r >= 0
                ]:
                    break
            else:
                count += len(entries) <= 1 and max(entries, default=-1) < begin
    return count


def _shapes_only(label: Any) -> Any:
    """Return a label without what only tunes: eps and fix_gamma tell nothing about the place."""
    family, settings, *shapes = label
    return family, tuple(s for s in settings if s[0] not in ("eps", "fix_gamma")), *shapes


def _stretches(name: str) -> list[Model]:
    source, rng = _model(name), _random(name, "stretch")
    places = bottlenecks(source)
    drawn = [sorted(rng.sample(places, 2)) for _ in range(4 * STRETCHES)]
    drawn += [[begin, end] for begin, end in zip(places, places[4:])][:: max(1, len(places) // STRETCHES)]
    found = [stretch(source, begin, end) for begin, end in drawn]
    return [part for part in found if part.shapes]


@pytest.mark.parametrize("name", NETWORKS)
def test_zoo_stretch_binds_where_it_fits_once_and_is_ambiguous_elsewhere(name: str) -> None:
    source, rng = _model(name), _random(name, "copy")
    for part in _stretches(name)[: 3 * STRETCHES]:
        target = with_opaque_names(part, rng)
        assert _places(part, source) >= 1
        found = _match(target, source)
        if _places(part, source, is_loose=True) == 1:
            assert found.mapping == _truth(target, source)
        elif _places(part, source) > 1:
            assert found.mapping == {}
            assert set(found.ambiguous) == set(target.shapes)


@pytest.mark.parametrize("name", NETWORKS)
def test_zoo_network_takes_a_stretch_of_itself_as_source(name: str) -> None:
    source, rng = _model(name), _random(name, "copy")
    for part in _stretches(name)[:STRETCHES]:
        target = with_opaque_names(source, rng)
        found = _match(target, part)
        if _places(part, source, is_loose=True) == 1:
            assert len(found.mapping) == len(part.shapes)
        elif _places(part, source) > 1:
            assert found.mapping == {}


@pytest.mark.parametrize("name", NETWORKS)
def test_zoo_disturbed_stretch_binds_nothing_wrong(name: str) -> None:
    source, rng = _model(name), _random(name, "disturbed")
    bound = total = 0
    for part in _stretches(name)[:STRETCHES]:
        target = _everything(part, rng)
        found = _match(target, source)
        if _places(part, source) > 1:
            assert found.mapping == {}
        elif _places(part, source, is_loose=True) == 1:
            bound += len(found.mapping)
            total += len(_truth(target, source))
    assert bound >= 0.7 * total


def test_zoo_families_bind_nothing_to_each_other() -> None:
    target = with_opaque_names(_model("squeezenet1.1"), random.Random(0))
    found = match(Side(target.shapes, target.graph), Side(_model("resnet18_v1").shapes, _model("resnet18_v1").graph))
    assert found.mapping == {}
    assert all(reason.startswith("the networks differ: ") for reason in found.missing.values())
