"""From layers to parameters: settings, slots, ties, what is fixed or left out, and what is said of the rest."""

from __future__ import annotations

import random
from typing import Any

import pytest
from disturbances import Model, renamed, with_inserted, with_opaque_names, with_prefix
from networks_of_layers import Builder

from gluon_subgraph.graph import Graph
from gluon_subgraph.matching import left_out, match
from gluon_subgraph.sides import Matching, Mismatch, Side


def _side(model: Model) -> Side:
    return Side(model.shapes, model.graph)


def _match(target: Model, source: Model, **options: Any) -> Matching:
    found = match(_side(target), _side(source), **options)
    _assert_each_parameter_once(found, target, source, options.get("skip", ()))
    return found


def _assert_each_parameter_once(found: Matching, target: Model, source: Model, skip: Any = ()) -> None:
    places = [*found.mapping, *found.mismatched, *found.ambiguous, *found.missing]
    assert sorted(places) == sorted(set(target.shapes) - set(skip))
    assert set(found.evidence) == set(found.transforms) == set(found.mapping)
    used = {*found.mapping.values(), *(m.source for m in found.mismatched.values())}
    assert found.extra == tuple(n for n in source.shapes if n not in used)


def _named(model: Model, prefix: str = "t_") -> Model:
    return with_prefix(model, prefix)


def _small(norm: dict[str, str] | None = None) -> Model:
    """Return conv 4, norm, relu, conv 6, norm, relu, conv 5, head: nothing occurs twice."""
    b = Builder()
    at = b.relu(b.norm(b.conv(0, 4), **(norm or {})))
    at = b.relu(b.norm(b.conv(at, 6)))
    return b.model(b.dense(b.flatten(b.conv(at, 5)), 3))


def _deep(**first: str) -> Model:
    """Return twelve convolutions, each of its own size, the first with further settings."""
    b = Builder()
    at = b.relu(b.conv(0, 4, **first))
    for channels in range(5, 16):
        at = b.relu(b.conv(at, channels))
    return b.model(b.dense(b.flatten(at), 3))


def _chain(count: int, *, first: int = 8, last: int = 3) -> Model:
    """Return equal dense layers between two of other sizes, all bearing the names a counter gives them."""
    b = Builder(first, is_spatial=False)
    at = b.dense(0, 4)
    for _ in range(count):
        at = b.relu(b.dense(at, 4))
    return _counted(b.model(b.dense(at, last)))


def _counted(model: Model) -> Model:

    stems = list(dict.fromkeys(n.rsplit("_", 1)[0] for n in model.shapes))
    new = {n: f"net_dense{stems.index(n.rsplit('_', 1)[0])}_{n.rsplit('_', 1)[1]}" for n in model.shapes}
    counted = renamed(model, new)
    return Model(counted.graph, counted.shapes, {n: n for n in counted.shapes})


def _gamma(model: Model) -> str:
    return next(n for n in model.shapes if n.endswith("gamma"))


@pytest.mark.parametrize(("in_target", "in_source"), [("False", "False"), ("True", "True"), ("False", "True")])
def test_match_fixed_gamma_tells_what_to_load(in_target: str, in_source: str) -> None:
    source = _small({"fix_gamma": in_source})
    target = _named(_small({"fix_gamma": in_target}))
    found = _match(target, source)
    assert found.mapping == {f"t_{n}": n for n in source.shapes}
    expected = dict.fromkeys(target.shapes, "same")
    if in_target != in_source:
        expected[_gamma(target)] = "ones"
    assert found.transforms == expected


def test_match_gamma_that_the_target_fixes_does_not_fit() -> None:
    source, target = _small({"fix_gamma": "False"}), _named(_small({"fix_gamma": "True"}))
    found = _match(target, source)
    reason = "the target has fix_gamma=True and computes with 1, the source with this"
    assert found.mismatched == {_gamma(target): Mismatch(_gamma(source), reason)}
    assert set(found.mapping) == set(target.shapes) - {_gamma(target)}
    assert found.extra == ()


def test_match_other_eps_is_noted_and_binds() -> None:
    source, target = _small(), _named(_small({"eps": "1e-05"}))
    found = _match(target, source)
    assert len(found.mapping) == len(target.shapes)
    noted = {n for n, why in found.evidence.items() if why.endswith("; eps 1e-05, source 0.001")}
    layer = _gamma(target)[: -len("gamma")]
    assert noted == {n for n in target.shapes if n.startswith(layer)}


def test_match_other_stride_is_mismatched_with_both_values() -> None:
    source, target = _deep(), _named(_deep(stride="(2, 2)"))
    found = _match(target, source)
    name = next(n for n in source.shapes if n.endswith("weight"))
    assert found.mismatched == {f"t_{name}": Mismatch(name, "stride 2.0, source 1.0")}
    assert found.mapping == {f"t_{n}": n for n in source.shapes if n != name}


@pytest.mark.parametrize(("setting", "value"), [("dilate", "(3, 3)"), ("pad", "(3, 3)"), ("num_group", "3")])
def test_match_other_settings_are_mismatched_by_name(setting: str, value: str) -> None:
    source = _deep()
    nodes = list(source.graph.nodes)
    at = next(i for i, n in enumerate(nodes) if n.op == "Convolution")
    nodes[at] = nodes[at]._replace(attrs={**nodes[at].attrs, setting: value})
    target = _named(Model(Graph(tuple(nodes), source.graph.outputs), source.shapes, source.origin))
    (mismatch,) = _match(target, source).mismatched.values()
    assert mismatch.reason.startswith(f"{setting} 3.0, source ")


def _tied(*, is_tied: bool) -> Model:
    b = Builder(8, is_spatial=False)
    at = b.dense(b.relu(b.dense(0, 4)), 4)
    at = b.relu(at)
    at = b.dense(at, 4, **({"tied": "yes"} if is_tied else {}))
    return b.model(b.dense(b.relu(at), 3))


def test_match_tied_parameters_bind_once_for_all_layers() -> None:
    source = _tied(is_tied=True)
    found = _match(_named(source), source)
    assert found.mapping == {f"t_{n}": n for n in source.shapes}


def test_match_untied_layers_both_take_the_tied_parameter() -> None:
    source, target = _tied(is_tied=True), _named(_tied(is_tied=False))
    found = _match(target, source)
    assert set(found.mapping) == set(target.shapes)
    assert len(set(found.mapping.values())) == len(source.shapes)
    assert found.extra == ()


def test_match_tied_parameter_of_different_layers_is_ambiguous() -> None:
    source, target = _tied(is_tied=False), _named(_tied(is_tied=True))
    found = _match(target, source)
    assert {a.reason for a in found.ambiguous.values()} == {"its layers are tied, those they match are not"}
    assert {len(a.candidates) for a in found.ambiguous.values()} == {2}
    assert set(found.mapping) == set(target.shapes) - set(found.ambiguous)
    assert len(found.ambiguous) == 2


def test_match_dense_layer_and_pointwise_convolution_are_reshaped() -> None:
    b = Builder()
    at = b.relu(b.norm(b.conv(0, 6)))
    target = _named(b.model(b.layer("Convolution", at, 5, {"weight": (5, 6, 1, 1), "bias": (5,)}, kernel="(1, 1)")))
    b = Builder()
    at = b.relu(b.norm(b.conv(0, 6)))
    source = b.model(b.dense(at, 5))
    found = _match(target, source)
    assert set(found.mapping) == set(target.shapes)
    changed = {n: t for n, t in found.transforms.items() if t != "same"}
    assert changed == {n: "reshape" for n, s in target.shapes.items() if len(s) == 4 and s[2] == 1}


def test_match_names_that_lie_do_not_win_over_structure() -> None:
    source = _chain(4)
    b = Builder(8, is_spatial=False)
    at = b.dense(b.relu(b.dense(b.dense(0, 4), 7)), 4)  # a narrow layer and one more after the first
    for _ in range(4):
        at = b.relu(b.dense(at, 4))
    target = _counted(b.model(b.dense(at, 3)))
    found = _match(target, source)
    true = {
        f"net_dense{k if k == 0 else k + 2}_{role}": f"net_dense{k}_{role}"
        for k in range(6)
        for role in ("weight", "bias")
    }
    assert found.mapping.items() <= true.items()
    assert found.mapping["net_dense7_weight"] == "net_dense5_weight"
    assert "net_dense1_weight" in found.missing


def test_match_shifted_counters_bind_by_place() -> None:
    """The names of the source's layers are all there in the target, but those of the next layer."""
    source = _chain(4)

    shifted = {n: n.replace(f"dense{k}", f"dense{k + 1}") for k in range(6) for n in source.shapes if f"dense{k}_" in n}
    target = renamed(source, shifted)
    found = _match(target, source)
    assert found.mapping == {shifted[n]: n for n in source.shapes}


def test_match_unused_parameters_are_missing_or_extra() -> None:
    source, target = _small(), _named(_small())
    target = Model(target.graph, {**target.shapes, "t_spare": (4,)}, target.origin)
    source = Model(source.graph, {"spare": (4,), **source.shapes}, source.origin)
    found = _match(target, source)
    assert list(found.missing) == ["t_spare"]
    assert found.extra == ("spare",)
    assert len(found.mapping) == len(target.shapes) - 1


@pytest.mark.parametrize("unknown", ["all", "inputs"])
@pytest.mark.parametrize("is_target", [True, False])
def test_match_deferred_shapes_bind_by_what_is_known(unknown: str, is_target: bool) -> None:
    known = _small()
    shapes: dict[str, Any] = {}
    for name, shape in known.shapes.items():
        if unknown == "all" or len(shape) == 1 and "bias" not in name:
            shapes[name] = None if unknown == "all" else (0,)
        else:
            shapes[name] = (shape[0], 0, *shape[2:]) if len(shape) > 1 else shape
    deferred = Model(known.graph, shapes, known.origin)
    target, source = (deferred, known) if is_target else (known, deferred)
    found = _match(_named(target), source)
    assert found.mapping.items() <= {f"t_{n}": n for n in source.shapes}.items()
    if unknown == "inputs":
        assert len(found.mapping) == len(source.shapes)


def test_match_first_axis_unknown_binds_nothing_wrong() -> None:
    known = _chain(3)
    deferred = Model(known.graph, {n: (0,) * len(s) for n, s in known.shapes.items()}, known.origin)
    found = _match(_named(deferred), known)
    assert found.mapping.items() <= {f"t_{n}": n for n in known.shapes}.items()


def _middle(count: int) -> Model:
    """Return a few of the equal layers of `_chain`, alone."""
    b = Builder(4, is_spatial=False)
    at = 0
    for _ in range(count):
        at = b.relu(b.dense(at, 4))
    return _named(_counted(b.model(at)), "m_")


def test_match_stretch_that_fits_several_places_is_ambiguous() -> None:
    target, source = _middle(2), _chain(5)
    found = _match(target, source)
    assert found.mapping == {}
    assert set(found.ambiguous) == set(target.shapes)
    assert found.ambiguous["m_net_dense0_weight"].candidates == tuple(f"net_dense{k}_weight" for k in range(1, 6))


@pytest.mark.parametrize("place", [1, 2, 3])
def test_match_pairs_fix_a_stretch_that_fits_several_places(place: int) -> None:
    target, source = _middle(3), _chain(5)
    found = _match(target, source, pairs={"m_net_dense0_weight": f"net_dense{place}_weight"})
    assert found.mapping == {
        f"m_net_dense{k}_{role}": f"net_dense{place + k}_{role}" for k in range(3) for role in ("weight", "bias")
    }
    assert found.evidence["m_net_dense0_weight"] == "pairs="


def test_match_pairs_are_taken_as_they_are() -> None:
    source, target = _small(), _named(_small())
    means = [n for n in source.shapes if n.endswith("running_mean")]
    betas = [n for n in source.shapes if n.endswith("beta")]
    found = _match(target, source, pairs={f"t_{means[0]}": betas[0]})
    assert found.mapping[f"t_{means[0]}"] == betas[0]
    assert f"t_{betas[0]}" in found.ambiguous  # its partner is taken
    assert found.extra == (means[0],)


def test_match_skip_leaves_out() -> None:
    source, target = _small(), _named(_small())
    out = list(target.shapes)[:3]
    found = left_out(_match(target, source), source, out)
    assert found.mapping == {f"t_{n}": n for n in source.shapes if f"t_{n}" not in out}
    assert found.extra == tuple(n[2:] for n in out)


def test_match_two_different_networks_bind_nothing_and_say_why() -> None:
    b = Builder()
    at = b.conv(0, 6, 1)
    for _ in range(4):
        at = b.op("elemwise_mul", [b.conv(at, 6), b.op("Activation", [at], act_type="tanh")])
    target = _named(b.model(b.dense(b.flatten(at), 9)))
    b = Builder()
    at = b.conv(0, 8)
    for _ in range(4):
        at = b.relu(b.norm(b.conv(at, 8)))
    source = b.model(b.dense(b.flatten(at), 3))
    found = _match(target, source)
    assert found.mapping == {}
    assert found.extra == tuple(source.shapes)
    assert set(found.missing.values()) == {"the networks differ: nothing fits together"}


def test_match_file_order_and_names_do_not_matter() -> None:
    source = _chain(4)
    for seed in range(5):
        target = with_opaque_names(source, random.Random(seed))
        assert _match(target, source).mapping == target.origin


def test_match_inserted_layers_are_missing() -> None:
    source = _small()
    target = with_inserted(source, random.Random(0), "se", share=1.0)
    found = _match(target, source)
    own = [n for n in target.shapes if n not in source.shapes]
    assert own
    assert list(found.missing) == own
    assert found.mapping == {n: n for n in source.shapes}


def test_match_empty_sides() -> None:
    b = Builder()
    empty = b.model(b.relu(0))
    source = _small()
    assert _match(empty, source) == Matching({}, {}, {}, {}, tuple(source.shapes), {}, {})
    assert set(_match(source, empty).missing) == set(source.shapes)
