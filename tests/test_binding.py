"""match_params and bind_params: what is planned, what is refused, what pairs and skip settle."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import dataclasses
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from samples import bits, convolutional, layers, triple, values
from snapshots import unchanged

nn = gluon.nn
HEAD = ["n_dense1_weight", "n_dense1_bias"]


def zeros(**shapes: Any) -> dict[str, Any]:
    return {name: np.zeros(shape, "float32") for name, shape in shapes.items()}


def with_head(units: int, *, seed: int = 0) -> gluon.HybridBlock:
    """Return a dense layer and a head of as many units."""
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4, activation="tanh"), nn.Dense(units, in_units=4))
    mx.random.seed(seed)
    net.initialize(mx.init.Normal(1))
    return net


def test_match_of_equal_nets_is_the_identity_and_changes_nothing() -> None:
    target, source = convolutional(seed=1), convolutional(seed=2)
    with unchanged(target, source):
        binding = gs.match_params(target, source)
    names = list(target.collect_params())
    assert binding.mapping == dict(zip(names, names))
    assert (binding.missing, binding.extra, binding.mismatched, binding.ambiguous) == ({}, (), {}, {})
    assert list(binding.evidence) == list(binding.transforms) == names


def test_match_of_deferred_net_changes_nothing() -> None:
    target = convolutional(deferred=True)
    with unchanged(target):
        assert gs.match_params(target, convolutional()).is_complete


def test_bind_of_plan_carries_it_out_with_the_values_of_now() -> None:
    target, source = layers(seed=1), layers(seed=2)
    plan = gs.match_params(target, source)
    source[0].weight.data()[:] = 7
    done = gs.bind_params(target, plan)
    assert done == plan
    assert values(target) == values(source)


def test_bind_of_plan_for_the_symbol_alone_fits_the_net() -> None:
    target, source = convolutional(seed=1), convolutional(seed=2)
    plan = gs.match_params(target(mx.sym.var("data")), source)
    gs.bind_params(target, plan)
    assert values(target) == values(source)


def test_bind_of_plan_for_another_target_is_refused() -> None:
    plan = gs.match_params(layers(2), layers(2))
    for target, text in [
        (layers(3), "of 4 parameters.*has 6: only one of them has 'n_dense2_weight'"),
        (with_head(9), r"'n_dense1_weight' is \(4, 4\).*it is \(9, 4\)"),
    ]:
        with unchanged(target), pytest.raises(gs.BindingError, match=f"(?s)made for 'n_'.*{text}.*nothing was loaded"):
            gs.bind_params(target, plan)


@pytest.mark.parametrize("options", [{"pairs": {"n_dense0_bias": "n_dense0_bias"}}, {"skip": "*bias"}])
def test_bind_of_plan_with_pairs_or_skip_is_refused(options: Any) -> None:
    target = layers(2)
    plan = gs.match_params(target, layers(2))
    with unchanged(target), pytest.raises(gs.BindingError, match="given with a plan.*\n.*nothing was loaded"):
        gs.bind_params(target, plan, **options)


def test_bind_of_plan_whose_source_changed_is_refused() -> None:
    target, source = layers(1), {name: p.data() for name, p in layers(1, seed=2).collect_params().items()}
    plan = gs.match_params(target, source)
    kept = source.pop("n_dense0_bias")
    with unchanged(target), pytest.raises(gs.BindingError, match="lost 1 of its arrays.*'n_dense0_bias'"):
        gs.bind_params(target, plan)
    for value, text in [
        (mx.nd.ones(3), "differs in shape, or the source has changed"),
        (kept.astype("int32"), "differs in dtype"),
    ]:
        source["n_dense0_bias"] = value
        with unchanged(target), pytest.raises(gs.BindingError, match=f"(?s){text}.*nothing was loaded"):
            gs.bind_params(target, plan)


def test_bind_of_plan_again_forgets_what_was_overlapped() -> None:
    target, source = with_head(3), with_head(5, seed=2)
    done = gs.bind_params(target, source, on_shape_mismatch="overlap")
    again, before = with_head(3, seed=4), values(with_head(3, seed=4))
    assert gs.bind_params(again, done, on_shape_mismatch="skip").overlapped == {}
    assert {name: values(again)[name] for name in HEAD} == {name: before[name] for name in HEAD}


def test_bind_of_plan_changed_by_hand_goes_by_its_mapping() -> None:
    target, source = layers(2), layers(2, seed=2)
    plan = gs.match_params(target, source)
    changed = dataclasses.replace(plan, mapping={**plan.mapping, "n_dense0_bias": "n_dense9_bias"})
    with unchanged(target), pytest.raises(
        gs.BindingError, match="names 'n_dense9_bias', which is no parameter of source 'n_'.*\n.*nothing was"
    ):
        gs.bind_params(target, changed)


def test_bind_of_plan_with_a_name_of_the_other_side_says_which_side_lacks_it() -> None:
    target, source = layers(1, prefix="t_"), layers(1, prefix="s_")
    plan = gs.match_params(target, source)
    for mapping, side in (
        ({"s_dense0_bias": "s_dense0_bias"}, "target 't_'"),
        ({"t_dense0_bias": "t_dense0_bias"}, "source 's_'"),
    ):
        text = f"names '{next(iter(mapping))}', which is no parameter of {side}"
        with unchanged(target), pytest.raises(gs.BindingError, match=text):
            gs.bind_params(target, dataclasses.replace(plan, mapping=mapping))


def test_bind_of_hand_made_binding_is_refused() -> None:
    binding = gs.Binding({}, {}, (), {}, {}, {}, {})
    with pytest.raises(gs.BindingError, match="not from match_params"):
        gs.bind_params(layers(1), binding)


def test_bind_with_missing_parameters_loads_the_others_when_allowed() -> None:
    target, source = with_head(3), with_head(3, seed=2)
    before, arrays = values(target), {n: p.data() for n, p in source.collect_params().items() if n not in HEAD}
    with unchanged(target), pytest.raises(
        gs.BindingError, match="(?s)2 missing.*'n_dense1_weight'.*allow_missing=True"
    ):
        gs.bind_params(target, arrays)
    binding = gs.bind_params(target, arrays, allow_missing=True)
    assert list(binding.missing) == HEAD
    assert values(target) == {n: (before if n in HEAD else values(source))[n] for n in before}
    assert not binding.is_complete


def test_bind_with_parameters_left_over_loads_when_ignored() -> None:
    target, source = zeros(a=(2, 3)), {"a": np.ones((2, 3), "float32"), "other": np.ones((7, 7), "float32")}
    target = {name: mx.nd.array(a) for name, a in target.items()}
    with unchanged(target), pytest.raises(gs.BindingError, match=r"(?s)1 extra.*'other' \(7, 7\).*ignore_extra=True"):
        gs.bind_params(target, source)
    assert gs.bind_params(target, source, ignore_extra=True).extra == ("other",)
    assert target["a"].asnumpy().tolist() == np.ones((2, 3)).tolist()


def test_bind_message_gathers_all_that_is_wrong() -> None:
    target = {"a": mx.nd.ones(2), "b": mx.nd.ones((3, 3)), "c": mx.nd.ones((5, 5, 5))}
    source = {"a": mx.nd.ones(2, dtype="float16"), "b": mx.nd.ones((4, 3)), "d": mx.nd.ones((6, 1, 6, 6))}
    with unchanged(target), pytest.raises(gs.BindingError) as caught:
        gs.bind_params(target, source)
    text = str(caught.value)
    assert "1 missing, 1 mismatched, 1 extra, 1 of another dtype" in text
    for part in (
        "'c' (5, 5, 5)",
        "'b' (3, 3) <- source 'b' (4, 3)",
        "'d' (6, 1, 6, 6)",
        "'a' float32 <- source 'a' float16",
    ):
        assert part in text
    assert text.endswith("cast_dtype=True converts; nothing was loaded.")


def test_bind_of_mismatched_head_skips_it_on_request() -> None:
    target, source = with_head(3), with_head(5, seed=2)
    before = values(target)
    with unchanged(target), pytest.raises(gs.BindingError, match=r"(?s)2 mismatched.*\(3, 4\) <- .* \(5, 4\)"):
        gs.bind_params(target, source)
    binding = gs.bind_params(target, source, on_shape_mismatch="skip")
    assert list(binding.mismatched) == HEAD
    assert binding.overlapped == {}
    assert values(target) == {n: (before if n in HEAD else values(source))[n] for n in before}


@pytest.mark.parametrize("kind", ["gluon", "triple", "two contexts"])
@pytest.mark.parametrize(("units", "block"), [(3, 3), (7, 5)])
def test_bind_of_mismatched_head_copies_the_leading_block_on_request(units: int, block: int, kind: str) -> None:
    net, source = with_head(units), with_head(5, seed=2)
    expected = net[1].weight.data().asnumpy()
    expected[:block] = source[1].weight.data().asnumpy()[:block]
    if kind == "two contexts":
        net.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    target = triple(net) if kind == "triple" else net
    binding = gs.bind_params(target, source, on_shape_mismatch="overlap")
    found = [target[1]["n_dense1_weight"]] if kind == "triple" else net[1].weight.list_data()
    assert [bits(a)[2] for a in found] == [expected.tobytes()] * len(found)
    assert binding.overlapped == {"n_dense1_weight": (block, 4), "n_dense1_bias": (block,)}
    assert f"the leading ({block}, 4) was copied" in str(binding)
    assert list(binding.mismatched) == HEAD


def test_bind_overlap_of_uninitialised_target_is_refused() -> None:
    target = nn.Dense(3, in_units=4, prefix="n_dense1_")
    with pytest.raises(gs.BindingError, match="(?s)has no value yet.*Initialise.*nothing was loaded"):
        gs.bind_params(target, zeros(n_dense1_weight=(5, 4), n_dense1_bias=(5,)), on_shape_mismatch="overlap")


def test_bind_overlap_of_other_dtype_is_refused_unless_cast() -> None:
    target, source = {"a": mx.nd.zeros((2, 2))}, {"a": np.ones((3, 1), "float64")}
    with unchanged(target), pytest.raises(gs.BindingError, match="1 of another dtype"):
        gs.bind_params(target, source, on_shape_mismatch="overlap")
    gs.bind_params(target, source, on_shape_mismatch="overlap", cast_dtype=True)
    assert target["a"].asnumpy().tolist() == [[1, 0], [1, 0]]


def test_bind_overlap_of_other_number_of_axes_is_refused() -> None:
    target = {"a": mx.nd.ones((2, 2))}
    with unchanged(target), pytest.raises(gs.BindingError, match="no leading block in common"):
        gs.bind_params(target, zeros(a=(3, 1, 7)), on_shape_mismatch="overlap")


def test_pairs_decide_and_read_as_a_mapping_does() -> None:
    target, source = layers(2), layers(2, prefix="m_", seed=2)
    pairs = {f"n_dense{i}_{k}": f"m_dense{1 - i}_{k}" for i in range(2) for k in ("weight", "bias")}
    binding = gs.bind_params(target, source, pairs=pairs)
    assert binding.mapping == pairs
    assert values(target)["n_dense0_weight"] == values(source)["m_dense1_weight"]
    assert gs.match_params(target, source, pairs=binding.mapping).mapping == pairs


def test_pairs_take_structural_names_and_names_of_files() -> None:
    target = layers(2)
    source = {f"arg:{name}": p.data() for name, p in layers(2, seed=2).collect_params().items()}
    binding = gs.match_params(target, source, pairs={"0.weight": "arg:n_dense1_weight"})
    assert binding.mapping["n_dense0_weight"] == "n_dense1_weight"


@pytest.mark.parametrize(
    "skip", ["n_dense1_*", ["n_dense1_weight", "n_dense1_bias"], ("1.*",), {"*1_weight", "1.bias"}]
)
def test_skip_leaves_parameters_and_what_belongs_to_them(skip: Any) -> None:
    target, source = with_head(3), with_head(5, seed=2)
    before = values(target)
    binding = gs.bind_params(target, source, skip=skip)
    assert binding.skipped == tuple(HEAD)
    assert (binding.missing, binding.mismatched, binding.extra) == ({}, {}, ())
    assert values(target) == {n: (before if n in HEAD else values(source))[n] for n in before}
    assert not binding.is_complete


MISUSE: dict[str, tuple[Any, str]] = {
    "pairs unknown target": (
        {"pairs": {"n_dense9_bias": "n_dense0_bias"}},
        "'n_dense9_bias'.*target 'n_'.*Nearest: 'n_d",
    ),
    "pairs unknown source": ({"pairs": {"n_dense0_bias": "bias0"}}, "'bias0', which is none of the 4 .* source 'n_'"),
    "pairs no mapping": ({"pairs": ["n_dense0_bias"]}, "is a list, no mapping"),
    "pairs other things": ({"pairs": {1: 2}}, "pairs names 1,"),
    "pairs that cannot fit": ({"pairs": {"n_dense0_bias": "n_dense0_weight"}}, r"\(4,\) <- .*\(4, 4\)"),
    "pairs of one target twice": (
        {"pairs": {"n_dense0_bias": "n_dense0_bias", "0.bias": "n_dense1_bias"}},
        "two sources: 'n_dense0_bias' and",
    ),
    "pairs and skip": ({"pairs": {"n_dense0_bias": "n_dense1_bias"}, "skip": "*0_bias"}, "in both pairs and skip"),
    "skip unknown": ({"skip": ["n_dense0_bia"]}, "skip names 'n_dense0_bia'.*Nearest: 'n_dense0_bias'"),
    "skip glob of nothing": ({"skip": "dense0"}, r"skip names 'dense0'.*whole name; '\*...\*' matches anywhere"),
    "skip other things": ({"skip": 5}, "skip=5 is no list"),
    "skip list of other things": ({"skip": [5]}, "skip names 5"),
}


@pytest.mark.parametrize(("options", "text"), MISUSE.values(), ids=MISUSE)
def test_misuse_of_pairs_and_skip_is_refused(options: Any, text: str) -> None:
    target, source = layers(2), layers(2, seed=2)
    for call in (gs.match_params, gs.bind_params):
        with unchanged(target, source), pytest.raises(gs.BindingError, match=f"(?s){text}.*nothing was loaded"):
            call(target, source, **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"on_shape_mismatch": "crop"}, "on_shape_mismatch='crop'.*'error', 'skip' or 'overlap'"),
        ({"ctx": "cpu"}, "ctx='cpu' is no context"),
        ({"ctx": []}, r"ctx=\[\] is no context"),
    ],
)
def test_misuse_of_options_is_refused(options: Any, text: str) -> None:
    target = layers(1)
    with unchanged(target), pytest.raises(gs.SubgraphError, match=f"(?s){text}.*nothing was loaded"):
        gs.bind_params(target, layers(1, seed=2), **options)
