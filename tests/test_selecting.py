"""Selections that mean nothing, or too much, are refused before anything is set."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from mxnet import gluon
from samples import convolutional, initialised, layers, triple

from gluon_subgraph.selecting import selected_parameters

nn = gluon.nn


@pytest.mark.parametrize("verb", ["freeze", "unfreeze"])
@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("dense", r"\(select='dense'\) matches none of 16 parameters\.\n  Nearest: .*dense0_weight"),
        ("*dense9*", r"\(select='\*dense9\*'\) matches none of 16"),
        ("", r"\(select=''\) matches none of 16"),
        ([], r"\(select=\[\]\) is no selection"),
        ({"a": 1}, r"1 \(int\) selects no parameter"),
        (3, r"\(select=3\) is no selection"),
        ([3], r"3 \(int\) selects no parameter"),
        (["c_conv0_weight", "nothing"], r"\(select='nothing'\) matches none"),
        ("c_pool0_fwd", r"matches none of 16 parameters"),
        ("2", r"\(select='2'\) matches none"),
    ],
    ids=str,
)
def test_selection_of_nothing_is_refused(verb: str, select: Any, message: str) -> None:
    net = convolutional()
    with pytest.raises(gs.SubgraphError, match=message) as caught:
        getattr(gs, verb)(net, select)
    assert "nothing was changed" in str(caught.value).lower()
    assert {p.grad_req for p in net.collect_params("(?!.*running).*").values()} == {"write"}


def test_block_without_parameters_is_refused() -> None:
    with pytest.raises(gs.SubgraphError, match="has no parameters"):
        gs.freeze(nn.Activation("relu", prefix="a_"))


def test_block_of_another_network_is_refused() -> None:
    with pytest.raises(gs.SubgraphError, match=r"'other_conv0' \(Conv2D\) holds none of the 16 parameters"):
        gs.freeze(convolutional(), convolutional("other_")[0])


@pytest.mark.parametrize("verb", ["freeze", "unfreeze", "trainable"])
def test_what_is_no_block_is_refused(verb: str) -> None:
    with pytest.raises(gs.SubgraphError, match=r"net is a tuple, which has no Parameters.*\n.*gs\.extract\(net"):
        getattr(gs, verb)(triple(convolutional()))
    with pytest.raises(gs.SubgraphError, match=r"net is a Symbol"):
        getattr(gs, verb)(mx.sym.var("data"))


def test_upto_is_checked() -> None:
    net = convolutional()
    with pytest.raises(gs.UnknownNodeError, match="no node 'relu9'"):
        gs.freeze(net, upto="relu9")
    with pytest.raises(gs.SubgraphError, match="says twice what is meant"):
        gs.freeze(net, "0", upto="relu0_fwd")
    with pytest.raises(gs.SubgraphError, match=r"upto='data'\) depends on none of the 16 parameters"):
        gs.freeze(net, upto="data")
    with pytest.raises(gs.SubgraphError, match="batch_norm='frozen'"):
        gs.freeze(net, batch_norm="frozen")


def test_name_of_two_parameters_is_refused_with_the_names_that_tell_them_apart() -> None:
    net = nn.Sequential(prefix="n_")
    net.add(layers(1, "same_"), layers(1, "same_"))
    with pytest.raises(gs.SubgraphError, match=r"may mean 2 parameters\.\n  They are '0.0.weight', '1.0.weight'"):
        gs.freeze(net, "same_dense0_weight")
    assert gs.freeze(net, "1.0.weight") == ["same_dense0_weight"]
    assert gs.freeze(net, "1") == ["same_dense0_bias"]


def test_full_name_comes_before_one_without_the_prefix() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(2, in_units=2, prefix="n_d_"))
    net.add(nn.Dense(2, in_units=2, prefix="n_d_"))
    assert gs.freeze(net, "n_d_weight") == ["n_d_weight"]
    assert net[1].weight.grad_req == "null"
    assert net[0].weight.grad_req == "write"


def test_globs_know_every_path_and_the_paths_of_a_piece() -> None:
    shared = layers(1, "s_")
    net = nn.HybridSequential(prefix="n_")
    for name in ("enc", "dec"):
        part = nn.HybridSequential(prefix=name + "_")
        part.add(shared)
        net.register_child(part, name)
    net._children["dec"].add(nn.Dense(2, in_units=4, prefix="z_"))
    assert gs.freeze(net, "dec.*") == ["s_dense0_weight", "s_dense0_bias", "z_weight", "z_bias"]
    piece = gs.extract(convolutional(), "data", "dropout0_fwd")
    assert gs.freeze(piece, "0.*") == ["c_conv0_weight", "c_conv0_bias"]


def test_node_called_twice_is_ambiguous_and_a_node_without_graph_is_explained() -> None:
    net = layers(1)
    twice = nn.HybridSequential(prefix="t_")
    twice.add(net[0], net[0])
    with pytest.raises(gs.UnknownNodeError, match="'n_dense0_fwd' may mean 2 tensors"):
        gs.freeze(twice, "n_dense0_fwd")
    plain = nn.Sequential(prefix="p_")
    plain.add(nn.Dense(2, in_units=2))
    with pytest.raises(gs.SubgraphError, match=r"matches none of 2(.|\n)*Nodes cannot be named: net is a Sequential"):
        gs.freeze(plain, "dense0_fwd")


def test_mapping_of_parameters_and_their_values_are_a_selection() -> None:
    net = convolutional()
    assert gs.freeze(net, net[0].collect_params()) == ["c_conv0_weight", "c_conv0_bias"]
    assert gs.unfreeze(net, net[0].collect_params().values()) == ["c_conv0_weight", "c_conv0_bias"]


def test_path_through_a_second_name_of_a_block_is_known() -> None:
    class Twice(gluon.HybridBlock):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.first = layers(2, "l_")
            self.second = self.first

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return self.second(self.first(x))

    assert gs.freeze(Twice(), "second.1") == ["l_dense1_weight", "l_dense1_bias"]
    assert gs.freeze(Twice(), "second.0.weight") == ["l_dense0_weight"]


def test_paths_of_the_network_it_was_cut_from_select_in_a_piece_nested_anywhere() -> None:
    piece = gs.extract(convolutional(), "data", "dropout0_fwd")
    whole = nn.HybridSequential(prefix="w_")
    whole.add(piece, nn.Dense(2))
    initialised(whole[1])
    assert gs.freeze(piece, "3.body.0") == ["c_body_conv0_weight", "c_body_conv0_bias"]
    assert gs.unfreeze(whole, "0.3.body.0") == ["c_body_conv0_weight", "c_body_conv0_bias"]
    assert gs.freeze(whole, "0.3.*") == [f"c_body_{n}" for n in ("conv0_weight", "conv0_bias")] + [
        "c_body_batchnorm0_gamma",
        "c_body_batchnorm0_beta",
    ]


def test_selection_keeps_the_order_of_the_network() -> None:
    net = convolutional()
    found = selected_parameters(net, ["8", "0", "*"], None, "freeze")
    assert [one.name for one in found] == list(net.collect_params())


def test_deep_network_is_walked_without_recursion() -> None:
    net: Any = nn.Dense(2, in_units=2, prefix="d_")
    for _ in range(3000):
        outer = nn.Sequential(prefix="")
        outer.register_child(net, "x")
        net = outer
    assert gs.freeze(net) == ["d_weight", "d_bias"]
    assert gs.trainable(net)[0].grad_req == "null"


@pytest.mark.parametrize("verb", ["freeze", "unfreeze"])
def test_node_that_is_called_as_a_message_is_not_found(verb: str) -> None:
    with pytest.raises(gs.SubgraphError, match=r"\(select='may mean'\) matches none") as caught:
        getattr(gs, verb)(convolutional(), "may mean")
    assert type(caught.value) is gs.SubgraphError
