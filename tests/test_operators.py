"""Operators of one function have one kind, in whatever way they are written."""

from __future__ import annotations

import pytest

from gluon_subgraph.operators import Kind, is_normalisation, kind_of_node


@pytest.mark.parametrize(
    "ops",
    [
        ("elemwise_add", "broadcast_add", "_plus", "_Plus", "add_n", "ElementWiseSum", "_npi_add"),
        ("elemwise_mul", "broadcast_mul", "_mul", "_npi_multiply"),
        ("elemwise_sub", "broadcast_sub", "_minus", "broadcast_minus"),
        ("Concat", "concat"),
        ("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm"),
        ("Convolution", "Convolution_v1"),
        ("softmax", "SoftmaxActivation"),
        ("relu", "_npx_relu"),
    ],
    ids=lambda ops: ops[0],
)
def test_kind_names_of_one_function_are_one_family(ops: tuple[str, ...]) -> None:
    assert len({kind_of_node(op, {}) for op in ops}) == 1


def test_kind_of_a_concatenation_has_its_axis() -> None:
    plain = kind_of_node("Concat", {})
    assert kind_of_node("_npi_concatenate", {"axis": "1"}) == plain == kind_of_node("concat", {"dim": "1"})
    assert kind_of_node("_npi_concatenate", {}) == kind_of_node("Concat", {"dim": "0"}) != plain


@pytest.mark.parametrize("act", ["relu", "sigmoid", "tanh"])
def test_kind_activation_is_the_function_it_applies(act: str) -> None:
    assert kind_of_node("Activation", {"act_type": act}) == kind_of_node(act, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("elemwise_add", "elemwise_mul"),
        ("elemwise_sub", "elemwise_add"),
        ("relu", "tanh"),
        ("Convolution", "Deconvolution"),
        ("BatchNorm", "LayerNorm"),
    ],
)
def test_kind_different_functions_are_different_families(one: str, other: str) -> None:
    assert kind_of_node(one, {}).family != kind_of_node(other, {}).family


def test_kind_unknown_operator_is_its_own_family_with_all_its_settings() -> None:
    attrs = {"alpha": "2", "__ctx_group__": "gpu", "cudnn_off": "True"}
    assert kind_of_node("my_op", attrs) == Kind("my_op", (("alpha", "2.0"),), False, False)


@pytest.mark.parametrize(
    ("op", "one", "other"),
    [
        ("Convolution", {"stride": "(1, 1)"}, {}),
        ("Convolution", {"stride": "(2, 2)"}, {"stride": "(2,2)"}),
        ("Convolution", {"stride": "(2, 2)"}, {"stride": "[2, 2]"}),
        ("Convolution", {"stride": "(2L, 2L)"}, {"stride": "(2, 2)"}),
        ("Convolution", {"dilate": "(1,1)", "pad": "(0, 0)", "num_group": "1"}, {}),
        ("Convolution", {"workspace": "1024", "cudnn_tune": "fastest"}, {"workspace": "512"}),
        ("Convolution", {"layout": "NCHW"}, {}),
        ("BatchNorm", {"eps": "1e-05"}, {"eps": "0.00001"}),
        ("BatchNorm", {"eps": "0.001", "fix_gamma": "True", "momentum": "0.9"}, {"momentum": "0.99"}),
        ("BatchNorm", {"fix_gamma": "1"}, {"fix_gamma": "true"}),
        ("Pooling", {"pool_type": "max"}, {}),
        (
            "Pooling",
            {"global_pool": "True", "kernel": "(7, 7)", "pool_type": "avg"},
            {"global_pool": "1", "pool_type": "avg"},
        ),
        ("elemwise_add", {"num_args": "2"}, {}),
    ],
)
def test_kind_equal_settings_have_one_spelling(op: str, one: dict[str, str], other: dict[str, str]) -> None:
    assert kind_of_node(op, one) == kind_of_node(op, other)


@pytest.mark.parametrize(
    ("op", "one", "other"),
    [
        ("Convolution", {"stride": "(2, 2)"}, {}),
        ("Convolution", {"stride": "(2, 1)"}, {"stride": "(1, 2)"}),
        ("Convolution", {"num_group": "2"}, {}),
        ("Convolution", {"dilate": "(2, 2)"}, {}),
        ("BatchNorm", {"eps": "1e-05"}, {}),
        ("BatchNorm", {"fix_gamma": "False"}, {}),
        ("Pooling", {"pool_type": "avg"}, {}),
        ("Pooling", {"kernel": "(2, 2)"}, {"kernel": "(3, 3)"}),
        ("Pooling", {"global_pool": "True", "pool_type": "avg"}, {"global_pool": "True", "pool_type": "max"}),
        ("Activation", {"act_type": "relu"}, {"act_type": "tanh"}),
        ("split", {"axis": "1"}, {"axis": "2"}),
    ],
)
def test_kind_settings_that_change_the_function_are_told_apart(
    op: str, one: dict[str, str], other: dict[str, str]
) -> None:
    assert kind_of_node(op, one) != kind_of_node(op, other)


@pytest.mark.parametrize(
    "op",
    [
        "Dropout",
        "identity",
        "_copy",
        "BlockGrad",
        "make_loss",
        "Cast",
        "amp_cast",
        "Flatten",
        "Reshape",
        "SoftmaxOutput",
    ],
)
def test_kind_operators_that_keep_values_are_transparent(op: str) -> None:
    assert kind_of_node(op, {}).is_transparent


@pytest.mark.parametrize("op", ["relu", "Convolution", "elemwise_add", "Pooling", "transpose", "softmax", "clip"])
def test_kind_operators_that_change_values_are_not_transparent(op: str) -> None:
    assert not kind_of_node(op, {}).is_transparent


def test_kind_sums_and_products_are_commutative() -> None:
    found = {
        op: kind_of_node(op, {}).is_commutative for op in ("_plus", "broadcast_mul", "_minus", "_div", "Concat", "dot")
    }
    assert found == {
        "_plus": True, "broadcast_mul": True, "_minus": False, "_div": False, "Concat": False, "dot": False
    }  # fmt: skip


def test_normalisations_are_those_that_rescale() -> None:
    families = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "Convolution", "Embedding")
    assert [is_normalisation(family) for family in families] == [True, True, True, True, False, False]
