"""What is done to a proven pair so that it becomes a harder case; the truth follows along."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random

import edits
import graphs
import repeats
from cases import Case, names_tell, rename_source, rename_target
from edits import Insertion
from graphs import TORCH, Side

# Each takes a case and a source of chance, and returns a case, or None where it does not apply.


def base(case: Case, random: Random) -> Case | None:
    return replace(case, must_bind=names_tell(case))


def nosym(case: Case, random: Random, wrapper: str = "") -> Case | None:
    """Take the source's graph away and name its parameters by their paths."""
    source = case.source
    if source.format == TORCH:
        if not wrapper:
            return None
        name_of = {n: wrapper + n for n, _ in source.params}
        case = rename_source(case, replace(source, params=[(wrapper + n, s) for n, s in source.params]), name_of)
        return replace(case, must_bind=names_tell(case))
    paths = source.structural
    if len(paths) < len(source.params) or len(set(paths.values())) < len(paths):
        name_of = {n: wrapper + n for n, _ in source.params}
    else:
        name_of = {n: wrapper + paths[n] for n, _ in source.params}
    case = rename_source(case, edits.without_graph(source, name_of, "gluon-structural"), name_of)
    return replace(case, must_bind=names_tell(case))


def module(case: Case, random: Random) -> Case | None:
    return nosym(case, random, random.choice(["module.", "net.", "model.backbone.", "model."]))


def argaux(case: Case, random: Random) -> Case | None:
    if case.source.symbol is None:
        return None
    roles = graphs.role_of_param(case.source)
    name_of = {n: ("aux:" if roles.get(n, "").startswith("running") else "arg:") + n for n, _ in case.source.params}
    params = [(name_of[n], shape) for n, shape in case.source.params]
    return rename_source(case, replace(case.source, params=params), name_of)


def prefix(case: Case, random: Random) -> Case | None:
    start = random.choice(["encoder_backbone_", "student0_", "m_", "hybridsequential3_"])
    name_of = {n: start + n for n, _ in case.target.params}
    case = rename_target(case, edits.prefixed(case.target, start), name_of)
    return replace(case, must_bind=names_tell(case))


def head(case: Case, random: Random) -> Case | None:
    taken = {shape[0] for _, shape in case.source.params if shape}
    classes = random.choice([n for n in (10, 20, 21, 37, 102, 200) if n not in taken])
    changed = edits.new_head(case.target, classes)
    if changed is None:
        return None
    target, names = changed
    is_once = case.source.symbol is None or _trunk_occurs_once(case, names)
    case = case.with_truth({t: s for t, s in case.truth.items() if t not in names}, target=target)
    return replace(case, must_bind=is_once and names_tell(case))


def _trunk_occurs_once(case: Case, new: Collection[str]) -> bool:
    """Tell whether what lies between the only input and the parameters that are `new` occurs only once."""
    nodes, _ = graphs.nodes_of(case.target.symbol)
    reached = graphs.flowing(nodes, case.target.inputs)
    inputs = [i for i, node in enumerate(nodes) if node["op"] == "null" and reached[i]]
    known = {t for t in case.truth if t not in new}
    return len(inputs) > 1 or repeats.occurs_once(case.target, inputs[0], len(nodes) - 1, known)


def stretch_of(side: Side, random: Random, known: Collection[str], needs_names: bool) -> tuple[int, int, bool] | None:
    """Return two nodes to cut at, and whether what is between them, as far as it is `known`, occurs only once."""
    labels, layers = _labels(side)
    passed = graphs.articulations(side)
    before = {i: sum(layer <= i for layer in layers) for i in passed}
    fitting = []
    for start in passed:
        for end in passed:
            share = before[end] - before[start]
            if 2 <= share <= 0.75 * len(layers) and share >= 0.15 * len(layers):
                fitting.append((start, end))
    if not fitting:
        return None
    start, end = random.choice(fitting)
    if not needs_names:
        return start, end, repeats.occurs_once(side, start, end, known)
    inside = [label for i, label in labels.items() if start < i <= end]
    every = list(labels.values())
    times = sum(every[k : k + len(inside)] == inside for k in range(len(every) - len(inside) + 1))
    return start, end, times == 1


def _labels(side: Side) -> tuple[dict[int, tuple], list[int]]:
    """Return what names and shapes show of each layer, and which nodes are layers."""
    nodes, _ = graphs.nodes_of(side.symbol)
    shapes = graphs.all_shapes(side.symbol, side.inputs)
    reached = graphs.flowing(nodes, side.inputs)
    labels: dict[int, tuple] = {}
    for i, node in enumerate(nodes):
        slots = graphs.param_slots(nodes, i, side.inputs)
        if reached[i] and node["op"] != "null" and slots:
            labels[i] = (node["op"], tuple(shapes[n] for _, n in slots))
    return labels, list(labels)


def slice(case: Case, random: Random) -> Case | None:  # noqa: A001 - the format's word
    """Keep a stretch of the target."""
    has_graph = case.source.symbol is not None
    chosen = stretch_of(case.target, random, case.truth, needs_names=not has_graph)
    if chosen is None:
        return None
    start, end, is_once = chosen
    nodes, _ = graphs.nodes_of(case.target.symbol)
    target = edits.cut(case.target, start, end)
    kept = {n for n, _ in target.params}
    notes = f"slice {nodes[start]['name']} .. {nodes[end]['name']}"
    case = case.with_truth({t: s for t, s in case.truth.items() if t in kept}, target=target, notes=notes)
    return replace(case, must_bind=is_once and names_tell(case))


def revslice(case: Case, random: Random) -> Case | None:
    """Keep a stretch of the source."""
    has_graph = case.source.symbol is not None
    known = set(case.truth.values()) if has_graph else case.truth
    chosen = stretch_of(case.source if has_graph else case.target, random, known, needs_names=not has_graph)
    if chosen is None:
        return None
    start, end, is_once = chosen
    if has_graph:
        source = edits.cut(case.source, start, end)
        kept = {n for n, _ in source.params}
    else:
        kept = {case.truth[n] for n, _ in edits.cut(case.target, start, end).params if n in case.truth}
        source = replace(case.source, params=[(n, s) for n, s in case.source.params if n in kept])
    accept = {t: [n for n in names if n in kept] for t, names in case.accept.items()}
    case = replace(case, accept={t: names for t, names in accept.items() if names})
    case = case.with_truth({t: s for t, s in case.truth.items() if s in kept}, source=source)
    return replace(case, must_bind=is_once and names_tell(case))


def _places(case: Case, random: Random, ops: set[str], rank: int, at_most: int) -> list[int]:
    nodes, heads = graphs.nodes_of(case.target.symbol)
    shapes = graphs.all_shapes(case.target.symbol, case.target.inputs)
    ends = {i for i, _ in heads}
    found = []
    for i, node in enumerate(nodes):
        shape = shapes.get(node["name"], ())
        if node["op"] in ops and i not in ends and (not rank or len(shape) == rank) and min(shape[1:], default=0) > 0:
            found.append(i)
    return sorted(random.sample(found, min(len(found), random.randint(2, at_most))))


def _free_width(case: Case, width: int) -> int:
    """Return a width near `width` that no parameter of the source has."""
    taken = {n for _, shape in case.source.params for n in shape}
    return next(n for n in range(max(width, 3), 100_000) if n not in taken)


def _with_inserted(case: Case, places: list[int], fill: Callable) -> Case | None:
    if not places:
        return None
    case = replace(case, target=edits.insert(case.target, places, fill))
    return replace(case, must_bind=case.must_bind and names_tell(case))


MOVING = {"Activation", "relu", "Pooling", "elemwise_add", "_plus", "broadcast_add", "Concat", "FullyConnected", "tanh"}


def dropout(case: Case, random: Random) -> Case | None:
    kinds = [("Dropout", {"p": 0.3}), ("_copy", {}), ("BlockGrad", {}), ("Cast", {"dtype": "float32"})]

    def drop(insertion: Insertion, shape: tuple[int, ...]) -> None:
        op, attrs = random.choice(kinds)
        insertion.layer(op, attrs)

    return _with_inserted(case, _places(case, random, MOVING, 0, 9), drop)


def se(case: Case, random: Random) -> Case | None:
    """Put squeeze-and-excitation blocks into the target."""

    def se_block(insertion: Insertion, shape: tuple[int, ...]) -> None:
        channels, inner = shape[1], _free_width(case, shape[1] // 16)
        start = insertion.last
        insertion.layer("Pooling", {"global_pool": True, "kernel": (1, 1), "pool_type": "avg"})
        weight = [("fc1_weight", (inner, channels)), ("fc1_bias", (inner,))]
        insertion.layer("FullyConnected", {"num_hidden": inner, "flatten": True}, weight)
        insertion.layer("Activation", {"act_type": "relu"})
        weight = [("fc2_weight", (channels, inner)), ("fc2_bias", (channels,))]
        insertion.layer("FullyConnected", {"num_hidden": channels, "flatten": True}, weight)
        insertion.layer("Activation", {"act_type": "sigmoid"})
        insertion.layer("expand_dims", {"axis": 2})
        gate = insertion.layer("expand_dims", {"axis": 2})
        insertion.last = start
        insertion.layer("broadcast_mul", {}, (), (gate,))

    return _with_inserted(case, _places(case, random, {"BatchNorm", "Convolution"}, 4, 8), se_block)


def adapter(case: Case, random: Random) -> Case | None:
    """Put bottlenecks of two layers, some with a shortcut, into the target."""

    def adapt(insertion: Insertion, shape: tuple[int, ...]) -> None:
        width, inner, start = shape[1], _free_width(case, shape[1] // 4), insertion.last
        for k, (outs, ins) in enumerate([(inner, width), (width, inner)]):
            if len(shape) == 4:
                weight = [(f"conv{k}_weight", (outs, ins, 1, 1)), (f"conv{k}_bias", (outs,))]
                insertion.layer("Convolution", {"kernel": (1, 1), "num_filter": outs}, weight)
            else:
                weight = [(f"dense{k}_weight", (outs, ins)), (f"dense{k}_bias", (outs,))]
                insertion.layer("FullyConnected", {"num_hidden": outs, "flatten": False}, weight)
            if k == 0:
                insertion.layer("Activation", {"act_type": "relu"})
        if random.random() < 0.6:
            insertion.layer("elemwise_add", {}, (), (start,))

    places = _places(case, random, MOVING, 4, 5) or _places(case, random, MOVING, 2, 3)
    return _with_inserted(case, places, adapt)


def perm(case: Case, random: Random) -> Case | None:
    case = replace(case, target=shuffled(case.target, random), source=shuffled(case.source, random))
    return replace(case, must_bind=names_tell(case, is_shuffled=True))


def shuffled(side: Side, random: Random) -> Side:
    return replace(side, params=random.sample(side.params, len(side.params)))


def opaque(case: Case, random: Random) -> Case | None:
    if case.source.symbol is None:
        return None
    target, names = edits.opaque(case.target, "t", random)
    case = rename_target(case, target, names)
    source, names = edits.opaque(case.source, "p", random)
    return rename_source(case, source, names)


def all(case: Case, random: Random) -> Case | None:  # noqa: A001 - the format's word
    """A stretch of the target with another head, Dropout, inserted layers and meaningless names, all shuffled."""
    if case.source.symbol is None:
        return None
    case = head(case, random) or case
    case = slice(case, random) or case
    for step in (dropout, se):
        case = step(case, random) or case
    return opaque(case, random)


def nosym_shuffled(case: Case, random: Random) -> Case | None:
    changed = None if case.source.format == TORCH else nosym(case, random)
    return changed and perm(changed, random)


def blind(case: Case, random: Random) -> Case | None:
    """Leave nothing of the source but shuffled, meaningless names."""
    source, names = edits.opaque(replace(case.source, symbol=None), "p", random)
    return replace(rename_source(case, replace(source, format="names-only"), names), must_bind=False)


def opaque_nosym(case: Case, random: Random) -> Case | None:
    changed = opaque(case, random)
    return changed and blind(changed, random)


def _of_itself(step: Callable) -> Callable:
    """Return the disturbance of a model against itself: another prefix on the target, paths as names in the source."""

    def changed(case: Case, random: Random) -> Case | None:
        start = "net1_"
        names = {n: start + n for n, _ in case.target.params}
        case = rename_target(case, edits.prefixed(case.target, start), names)
        plain = nosym(case, random, random.choice(["", "", "module.", "net."]))
        return plain and step(plain, random)

    return changed


STEPS: dict[str, Callable] = {
    f.__name__: f
    for f in (base, nosym, argaux, prefix, module, head, slice, revslice, dropout, se, adapter, perm)
    + (opaque, all, nosym_shuffled, opaque_nosym, blind)
}
OWN_STEPS = {
    "m_" + name: _of_itself(STEPS[step])
    for name, step in {"prefix": "base", "head": "head", "reslice": "slice", "dropout": "dropout", "se": "se"}.items()
}
OWN_STEPS["m_adapter"] = _of_itself(adapter)
OWN_STEPS["m_shuffled"] = _of_itself(perm)
