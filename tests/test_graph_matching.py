"""Laws of matching two graphs, on random small networks in which most layers of a kind have equal shapes.

What is wrong is decided by running: a binding that is not the true one is right only if the target, filled through
it, computes what it does when filled with the truth.
"""

from __future__ import annotations

import random
from typing import Any, Callable, Mapping

import pytest
from disturbances import (
    Model,
    bottlenecks,
    stretch,
    with_exchanged_inputs,
    with_head,
    with_inserted,
    with_opaque_names,
    with_prefix,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks_of_layers import Builder, computes_the_same, input_shape, outputs_of, random_model, random_values

from gluon_subgraph.graph import VARIABLE, Entry, Graph
from gluon_subgraph.graph_matching import match_layers
from gluon_subgraph.layers import read_form
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Matching, Side

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(3, 18)
FEW = settings(max_examples=40, deadline=None)


def _match(target: Model, source: Model) -> Matching:
    return match(Side(target.shapes, target.graph), Side(source.shapes, source.graph))


def _copy(model: Model, rng: random.Random) -> Model:
    """Return the same network as another would write it: opaque names, any order of file and of sums."""
    return with_exchanged_inputs(with_opaque_names(model, rng), rng)


def _truth(target: Model, source: Model) -> dict[str, str]:
    name_of_origin = {origin: name for name, origin in source.origin.items()}
    return {t: name_of_origin[o] for t, o in target.origin.items() if o in name_of_origin}


def _assert_nothing_wrong(found: Matching, target: Model, source: Model, shape: tuple[int, ...]) -> None:
    truth = _truth(target, source)
    if found.mapping.items() <= truth.items():
        return
    assert set(found.mapping) <= set(truth)
    assert computes_the_same(target, source, found.mapping, shape)


def _assert_each_source_once(mapping: Mapping[str, str]) -> None:
    assert len(set(mapping.values())) == len(mapping)


@FEW
@given(SEEDS, SIZES, st.booleans())
def test_match_copy_binds_completely(seed: int, size: int, ties: bool) -> None:
    source = random_model(seed, size, ties=ties)
    target = _copy(source, random.Random(seed))
    found = _match(target, source)
    assert set(found.mapping) == set(target.shapes)
    assert found.extra == ()
    _assert_each_source_once(found.mapping)
    _assert_nothing_wrong(found, target, source, input_shape(seed))


@FEW
@given(SEEDS, SIZES)
def test_match_network_with_itself_is_identity_but_for_symmetries(seed: int, size: int) -> None:
    model = random_model(seed, size)
    found = _match(model, model)
    assert set(found.mapping) == set(model.shapes)
    _assert_nothing_wrong(found, model, model, input_shape(seed))


@FEW
@given(SEEDS, SIZES, st.booleans())
def test_match_renaming_changes_nothing_but_names(seed: int, size: int, renames_target: bool) -> None:
    source = random_model(seed, size)
    target = with_inserted(source, random.Random(seed), "adapter")
    before = _match(target, source)
    if renames_target:
        after = _match(with_prefix(target, "x_"), source)
        assert after.mapping == {f"x_{t}": s for t, s in before.mapping.items()}
        assert after.missing == {f"x_{t}": reason for t, reason in before.missing.items()}
        assert set(after.ambiguous) == {f"x_{t}" for t in before.ambiguous}
        assert after.extra == before.extra
    else:
        after = _match(target, with_prefix(source, "x_"))
        assert after.mapping == {t: f"x_{s}" for t, s in before.mapping.items()}
        assert after.missing == before.missing
        assert set(after.ambiguous) == set(before.ambiguous)
        assert after.extra == tuple(f"x_{s}" for s in before.extra)


@FEW
@given(SEEDS, SIZES, st.sampled_from(["dropout", "se", "adapter"]))
@example(149407071, 3, "adapter")  # a residual sum that reads an inserted one
def test_match_exchanged_sides_is_the_mirror_image(seed: int, size: int, what: str) -> None:
    source = random_model(seed, size, ties=False)
    target = _copy(with_inserted(source, random.Random(seed), what), random.Random(seed))
    forth, back = _match(target, source), _match(source, target)
    assert back.mapping == {s: t for t, s in forth.mapping.items()}


@FEW
@given(SEEDS, SEEDS, SIZES)
def test_match_different_networks_are_the_mirror_image(seed: int, other_seed: int, size: int) -> None:
    target, source = random_model(seed, size, ties=False), random_model(other_seed, size, ties=False)
    forth, back = _match(target, source), _match(source, target)
    assert back.mapping == {s: t for t, s in forth.mapping.items()}


def _with_another_head(seed: int, size: int, rng: random.Random) -> tuple[Model, Model, tuple[int, ...]]:
    source = random_model(seed, size, classes=5)
    return with_head(source, 17), source, input_shape(seed)


def _with_something(what: str) -> Callable[..., tuple[Model, Model, tuple[int, ...]]]:
    def disturb(seed: int, size: int, rng: random.Random) -> tuple[Model, Model, tuple[int, ...]]:
        source = random_model(seed, size)
        return with_inserted(source, rng, what), source, input_shape(seed)

    return disturb


def _cut_out(seed: int, size: int, rng: random.Random) -> tuple[Model, Model, tuple[int, ...]]:
    """Return a stretch between two values that everything passes through, and the shape of the first."""
    source = random_model(seed, size)
    places = bottlenecks(source)
    if len(places) < 2:
        return source, source, input_shape(seed)
    begin, end = sorted(rng.sample(places, 2))
    upto = Graph(source.graph.nodes, (Entry(begin),))
    (value,) = outputs_of(upto, random_values(source.shapes), input_shape(seed))
    return stretch(source, begin, end), source, value.shape


DISTURBANCES = {
    "dropout": (_with_something("dropout"), 1.0),
    "se": (_with_something("se"), 0.97),
    "adapter": (_with_something("adapter"), 0.95),
    "head": (_with_another_head, 0.93),
    "stretch": (_cut_out, 0.90),
}  # and the share of parameters that is bound at least


def _share_bound(disturb: Any, seeds: range) -> float:
    """Return the share of the parameters with an origin that is bound, after asserting that nothing is wrong."""
    bound = total = 0
    for seed in seeds:
        rng = random.Random(seed)
        target, source, shape = disturb(seed, 6 + seed % 14, rng)
        target = _copy(target, rng)
        found = _match(target, source)
        _assert_nothing_wrong(found, target, source, shape)
        truth = _truth(target, source)
        total += len(truth)
        bound += len(truth.keys() & found.mapping.keys())
    return bound / total


@pytest.mark.parametrize("name", DISTURBANCES)
def test_match_disturbed_network_binds_nothing_wrong_and_most(name: str) -> None:
    disturb, floor = DISTURBANCES[name]
    assert _share_bound(disturb, range(60)) >= floor


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTURBANCES)
def test_match_many_disturbed_networks_bind_nothing_wrong_and_most(name: str) -> None:
    disturb, floor = DISTURBANCES[name]
    assert _share_bound(disturb, range(1_000, 2_000)) >= floor


@FEW
@given(SEEDS, SIZES, st.sampled_from(sorted(DISTURBANCES)), st.sampled_from(["dropout", "se", "adapter"]))
@example(2700, 12, "adapter", "dropout")  # a join that reads no paired node in one of the networks
def test_match_network_disturbed_twice_binds_nothing_wrong(seed: int, size: int, first: str, second: str) -> None:
    rng = random.Random(seed)
    target, source, shape = DISTURBANCES[first][0](seed, size, rng)
    if target.shapes.keys() <= source.shapes.keys():  # names of inserted layers would be given twice
        target = with_inserted(target, rng, second)
    target = _copy(target, rng)
    _assert_nothing_wrong(_match(target, source), target, source, shape)


def _layers_above(model: Model) -> dict[str, set[str]]:
    """Return for each parameter those of the layers before its own; nothing for a parameter in several layers."""
    nodes = model.graph.nodes
    above: list[frozenset[str]] = []
    found: dict[str, set[str]] = {}
    tied = set()
    for node in nodes:
        own = frozenset(nodes[e.node].name for e in node.inputs if nodes[e.node].name in model.shapes)
        before = frozenset().union(*[above[e.node] for e in node.inputs if nodes[e.node].op != VARIABLE])
        for name in own:
            tied.update({name} & found.keys())
            found[name] = set(before)
        above.append(before | own)
    return {n: names - tied for n, names in found.items() if n not in tied}


def _assert_common_structure(mapping: Mapping[str, str], target: Model, source: Model) -> None:
    """Assert that what is bound has equal shapes and is, in both networks, before the same others."""
    assert all(target.shapes[t] == source.shapes[s] for t, s in mapping.items())
    above = [_layers_above(target), _layers_above(source)]
    both = {t: s for t, s in mapping.items() if t in above[0] and s in above[1]}
    _assert_each_source_once(both)
    for t, s in both.items():
        assert {mapping[o] for o in above[0][t] & both.keys()} == above[1][s] & set(both.values())


@pytest.mark.parametrize("first", [0, 40])
def test_match_two_random_networks_bind_a_common_structure_or_nothing(first: int) -> None:
    nothing = 0
    for seed in range(first, first + 40):
        target, source = random_model(seed, 14, ties=False), random_model(seed + 10_000, 14, ties=False)
        found = _match(target, source)
        _assert_common_structure(found.mapping, target, source)
        if found.mapping:
            kinds = [set(map(len, m.shapes.values())) for m in (target, source)]
            assert kinds[0] & kinds[1]
        nothing += not found.mapping
    assert nothing >= 34


def test_match_layers_says_why_networks_differ() -> None:
    b = Builder()
    one = b.model(b.dense(b.flatten(b.conv(0, 5)), 3))
    b = Builder()
    other = b.model(b.dense(b.flatten(b.conv(0, 6)), 2))
    found = match_layers(read_form(one.graph, one.shapes), read_form(other.graph, other.shapes))
    assert (found.pairs, found.open, found.objection) == ([], [], "nothing fits together")


def test_match_layers_evidence_tells_a_whole_from_a_part() -> None:
    source = random_model(3, 12)
    rng = random.Random(0)
    whole = _match(_copy(source, rng), source)
    assert set(whole.evidence.values()) == {"identical structure"}
    part = _match(with_inserted(source, rng, "se", share=1.0), source)
    assert "identical structure" not in part.evidence.values()


def _sum_of_branches(acts: tuple[str, str]) -> Model:
    b = Builder(is_spatial=False)
    start = b.dense(0, 5)
    one, other = (b.op("Activation", [b.dense(start, 5)], act_type=act) for act in acts)
    return b.model(b.dense(b.op("elemwise_add", [one, other]), 3))


@pytest.mark.parametrize("acts", [("relu", "relu"), ("relu", "tanh"), ("tanh", "relu")])
def test_match_branches_of_a_sum_in_either_order(acts: tuple[str, str]) -> None:
    """Equal branches may be exchanged, different ones are told apart by what they compute."""
    source = _sum_of_branches(acts)
    for seed in range(6):
        target = _copy(source, random.Random(seed))
        found = _match(target, source)
        assert set(found.mapping) == set(target.shapes)
        _assert_nothing_wrong(found, target, source, (4, 4))


def test_match_product_of_a_layer_and_its_activation_is_written_either_way() -> None:
    """What two ways to one node are looked through must not depend on the order of a product's inputs."""
    b = Builder(is_spatial=False)
    start = b.dense(0, 4)
    act = b.relu(start)
    gate = b.dense(b.op("elemwise_mul", [act, start]), 4)
    source = b.model(b.dense(b.op("elemwise_mul", [gate, b.dense(act, 4)]), 3))
    for seed in range(6):
        target = _copy(source, random.Random(seed))
        assert _match(target, source).mapping == target.origin


def test_match_long_chain_needs_no_recursion() -> None:
    b = Builder(is_spatial=False)
    at = 0
    for _ in range(3_000):
        at = b.relu(b.dense(at, 4))
    source = b.model(at)
    target = _copy(source, random.Random(0))
    assert _match(target, source).mapping == target.origin
