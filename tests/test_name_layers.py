"""Layers out of names and shapes."""

import pytest

from gluon_subgraph.name_layers import Piece, in_file_order, path_of_name, read_name_layers


@pytest.mark.parametrize(
    "names",
    [
        ("conv1.weight", "conv1.bias"),
        ("conv1_w", "conv1_b"),
        ("conv1/kernel:0", "conv1/bias:0"),
        ("arg:conv1_weight", "arg:conv1_bias"),
        ("conv_1_weight", "conv_1_bias"),
        ("Conv1.weight", "Conv1.bias"),
    ],
)
def test_names_of_all_frameworks_form_one_layer(names):
    (layer,) = read_name_layers(dict(zip(names, [(8, 3, 3, 3), (8,)])))
    assert layer.path == (Piece("conv", 1),)
    assert layer.roles == ("weight", "bias")
    assert layer.parameters == names


@pytest.mark.parametrize(
    "words",
    [
        ("weight", "bias", "running_mean", "running_var"),
        ("gamma", "beta", "moving_mean", "moving_var"),
        ("gamma", "beta", "moving_mean", "moving_variance"),
        ("scale", "offset", "mean", "variance"),
    ],
)
def test_four_vectors_of_a_norm_have_the_same_roles_under_all_words(words):
    (layer,) = read_name_layers({f"bn_data.{word}": (4,) for word in words})
    assert layer.roles == ("weight", "bias", "mean", "var")


def test_counters_are_no_parameters():
    assert read_name_layers({"bn.num_batches_tracked": ()}) == []


def test_recurrent_names_keep_what_follows_the_role():
    shapes = {f"rnn.{role}_{part}_l0": (4,) for part in ("ih", "hh") for role in ("weight", "bias")}
    layers = read_name_layers(shapes)
    assert [layer.path for layer in layers] == [
        (Piece("rnn"), Piece("ih"), Piece("l", 0)),
        (Piece("rnn"), Piece("hh"), Piece("l", 0)),
    ]
    assert [layer.roles for layer in layers] == [("weight", "bias")] * 2


def test_second_parameter_of_a_role_is_a_layer_by_itself():
    layers = read_name_layers({"act.weight": (1,), "act.alpha": (2,)})
    assert [layer.parameters for layer in layers] == [("act.weight",), ("act.alpha",)]


def test_kernel_sizes_count_nothing_but_numbers_and_letters_do():
    assert path_of_name("branch3x3.res2a.weight") == (Piece("branch3x3"), Piece("res", 2, ord("a")))


def test_name_without_words_is_a_layer():
    assert [layer.parameters for layer in read_name_layers({"__": (1,), "": (2,)})] == [("__",), ("",)]


def test_file_order_is_recognised():
    shapes = {f"fc{i}.{role}": (4,) for i in range(9) for role in ("weight", "bias")}
    assert in_file_order(read_name_layers(shapes), shapes)
    backwards = dict(sorted(shapes.items(), key=lambda item: (item[0][-1], -int(item[0][2]))))
    assert not in_file_order(read_name_layers(backwards), backwards)


def test_dimensions_are_no_number_beside_a_numbered_layer():
    layers = read_name_layers({"conv2d/kernel:0": (8, 3), "conv2d_1/kernel:0": (8, 8)})
    assert [layer.path for layer in layers] == [(Piece("conv2d"),), (Piece("conv2d", 1),)]
    (layer,) = read_name_layers({"res2d/kernel:0": (8, 3)})
    assert layer.path == (Piece("res", 2, ord("d")),)


@pytest.mark.parametrize(
    "names",
    [
        ("conv1_w", "conv1_b", "conv1_gamma", "conv1_beta", "conv1_mean", "conv1_var"),
        ("W1", "b1", "gamma1", "beta1", "mean1", "var1"),
        ("1.w", "1.b", "1.scale", "1.shift", "1.running_mean", "1.running_var"),
    ],
)
def test_convolution_and_norm_of_one_name_are_two_layers(names):
    for order in (names, names[::-1]):
        layers = read_name_layers({name: (8, 3, 3, 3) if name == names[0] else (8,) for name in order})
        assert sorted(sorted(layer.parameters) for layer in layers) == sorted([sorted(names[:2]), sorted(names[2:])])
        assert {frozenset(layer.roles) for layer in layers} == {
            frozenset({"weight", "bias"}),
            frozenset({"weight", "bias", "mean", "var"}),
        }


def test_only_bias_of_a_convolution_with_statistics_is_the_norms():
    names = {"l_3_weights": (8, 3, 3, 3), **{f"l_3_{w}": (8,) for w in ("biases", "scales", "rolling_mean")}}
    names["l_3_rolling_variance"] = (8,)
    layers = read_name_layers(names)
    assert [layer.roles for layer in layers] == [("weight",), ("bias", "weight", "mean", "var")]


def test_number_of_thousands_of_digits_is_read():
    names = {"9" * 5000 + ".weight": (2, 3), "fc." + "1" * 4400: (3, 2)}
    assert len(read_name_layers(names)) == 2
