"""What freeze and unfreeze set, what they leave, and that one undoes the other."""

from __future__ import annotations

from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from frozen import Loop, OwnNorm, grad_reqs, learning, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon
from samples import Offset, convolutional, initialised, layers, normal, same, symbol_block, values

nn = gluon.nn
X = (4, 3, 8, 8)


def test_freeze_everything_returns_what_learned_and_leaves_nothing_that_learns() -> None:
    net = convolutional()
    learned = [name for name, req in grad_reqs(net).items() if req == "write"]
    changed = gs.freeze(net)
    assert changed == learned
    assert set(grad_reqs(net).values()) == {"null"}
    assert set(modes(net).values()) == {"running statistics"}
    assert changed.batch_norms == ["1", "3.body.1"]
    assert gs.freeze(net) == []


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("c_dense0_weight", ["c_dense0_weight"]),
        ("dense0_weight", ["c_dense0_weight"]),
        ("8.weight", ["c_dense0_weight"]),
        ("8", ["c_dense0_weight", "c_dense0_bias"]),
        ("dense0_fwd", ["c_dense0_weight", "c_dense0_bias"]),
        ("3.body", ["c_body_conv0_weight", "c_body_conv0_bias", "c_body_batchnorm0_gamma", "c_body_batchnorm0_beta"]),
        ("3.*.bias", ["c_body_conv0_bias"]),
        ("*conv?_bias", ["c_conv0_bias", "c_body_conv0_bias", "c_conv1_bias"]),
        (["8.bias", "0.bias"], ["c_conv0_bias", "c_dense0_bias"]),
    ],
    ids=str,
)
def test_freeze_by_any_kind_of_name(select: Any, expected: list[str]) -> None:
    net = convolutional()
    assert gs.freeze(net, select) == expected
    assert [
        name for name, p in net.collect_params("(?!.*(running|moving)).*").items() if p.grad_req == "null"
    ] == expected
    assert gs.unfreeze(net, select) == expected
    assert learning(net) == learning(convolutional())


def test_freeze_by_block_slice_parameter_and_path_are_the_same() -> None:
    nets = [convolutional() for _ in range(4)]
    ways: list[Callable[[Any], Any]] = [
        lambda net: net[3],
        lambda net: net[3:4],
        lambda net: list(net[3].collect_params().values()),
        lambda net: "3",
    ]
    assert len({str(gs.freeze(net, way(net))) for net, way in zip(nets, ways)}) == 1
    assert len({str(learning(net)) for net in nets}) == 1
    assert modes(nets[0])["c_body_batchnorm0_gamma"] == "running statistics"
    assert modes(nets[0])["c_batchnorm0_gamma"] == "batch statistics"


def test_freeze_upto_takes_what_the_tensor_depends_on_and_nothing_else() -> None:
    net = convolutional()
    names = gs.freeze(net, upto="dropout0_fwd")
    front = gs.extract(net, "data", "dropout0_fwd")
    assert names == [n for n, p in front.collect_params().items() if p._differentiable]
    assert [n for n, req in grad_reqs(net).items() if req == "write"] == [
        "c_conv1_weight",
        "c_conv1_bias",
        "c_dense0_weight",
        "c_dense0_bias",
    ]
    by_block = convolutional()
    assert gs.freeze(by_block, upto=by_block[4]) == names


@pytest.mark.parametrize(
    ("select", "moves"),
    [("*gamma", True), (["*gamma", "*beta"], False), ("*running_mean", False), ("*conv*", True), ("1", False)],
    ids=str,
)
def test_batch_norm_rests_when_its_statistics_or_all_that_learns_of_it_are_selected(select: Any, moves: bool) -> None:
    net = convolutional()
    gs.freeze(net, select)
    assert modes(net)["c_batchnorm0_beta"] == ("batch statistics" if moves else "running statistics")
    other = convolutional()
    gs.freeze(other, select, batch_norm="unchanged")
    assert grad_reqs(other) == grad_reqs(net)
    assert set(modes(other).values()) == {"batch statistics"}


NAMES = ["*", "*conv*", "1", "3", "8", "*bias", "*gamma", ["1", "8"], "c_dense0_weight"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4),
    st.lists(st.sampled_from(["write", "add", "null"]), min_size=14, max_size=14),
    st.booleans(),
    st.booleans(),
)
def test_unfreeze_restores_all_there_was(
    selections: list[Any], reqs: list[str], is_fixed: bool, is_piece: bool
) -> None:
    net: Any = convolutional()
    net[1]._kwargs["use_global_stats"] = is_fixed
    net = gs.extract(net, "data", "dense0_fwd") if is_piece else net
    for parameter, req in zip(net.collect_params().values(), reqs):
        parameter.grad_req = req
    before = learning(net)
    by_hand = {name for (name, req, *_), p in zip(before, net.collect_params().values()) if req == "null"}
    for select in selections:
        gs.freeze(net, select)
    gs.unfreeze(net)
    never = {name for name, p in net.collect_params().items() if not p._differentiable}
    assert learning(net) == [(n, "write" if n in by_hand - never else r, *rest) for n, r, *rest in before]


def test_unfreeze_makes_no_statistic_constant_or_fixed_parameter_trainable() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(Offset(), nn.BatchNorm(in_channels=2, scale=False))
    initialised(net)
    gs.freeze(net)
    gs.unfreeze(net)
    free = [name for name, req in grad_reqs(net).items() if req == "write"]
    assert free == ["n_offset0_dense0_weight", "n_offset0_dense0_bias", "n_batchnorm0_beta"]


def test_stock_symbol_block_is_frozen_and_its_statistics_never_learn() -> None:
    net = symbol_block(convolutional())
    assert all(p._differentiable for p in net.collect_params().values())
    before = values(net)
    gs.freeze(net)
    x = normal(*X)
    x.attach_grad()
    with mx.autograd.record():
        loss = net(x).sum()
    loss.backward()
    assert values(net) == before
    assert float(x.grad.abs().sum().asscalar()) > 0
    gs.unfreeze(net)
    assert {n for n, req in grad_reqs(net).items() if req == "null"} == {n for n in grad_reqs(net) if "running_" in n}
    assert set(modes(net).values()) == {"batch statistics"}


def test_unfreeze_gives_back_a_setting_made_by_hand_in_between() -> None:
    net = layers(2)
    gs.freeze(net)
    net[0].weight.grad_req = "add"
    assert gs.unfreeze(net) == ["n_dense0_bias", "n_dense1_weight", "n_dense1_bias"]
    assert net[0].weight.grad_req == "add"
    gs.freeze(net)
    gs.unfreeze(net)
    assert net[0].weight.grad_req == "add"


def test_freeze_of_a_piece_shares_grad_req_and_keeps_the_mode_to_itself() -> None:
    net = convolutional()
    piece = gs.extract(net, "data", "dropout0_fwd")
    changed = gs.freeze(piece)
    assert changed.batch_norms == ["1", "3.body.1"]
    assert "in this piece alone" in str(changed)
    assert all(p.grad_req == "null" for p in piece.collect_params().values())
    assert set(modes(net).values()) == {"batch statistics"}
    assert "alone" not in str(gs.freeze(net))


def test_body_of_a_loop_is_frozen_and_set_free() -> None:
    net = initialised(Loop(prefix="n_"))
    piece = gs.extract(net, "data", "_foreach0_output0")
    for block in (net, piece):
        assert set(modes(block).values()) == {"batch statistics"}
        gs.freeze(block)
        x = normal(5, 3, 4)
        with mx.autograd.record():
            y = block(x)
        assert same(y, block(x))
        gs.unfreeze(block)
        assert set(modes(block).values()) == {"batch statistics"}


def test_batch_norm_that_cannot_be_frozen_is_refused_and_nothing_changes() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.BatchNorm(in_channels=3), OwnNorm())
    initialised(net)
    before = learning(net)
    with pytest.raises(
        gs.SubgraphError, match="'n_ownnorm0_norm' in block '1', which .* itself, cannot be frozen.*\n.*n_ownnorm0_mean"
    ):
        gs.freeze(net)
    assert learning(net) == before
    assert gs.freeze(net, "0") == ["n_batchnorm0_gamma", "n_batchnorm0_beta"]
    assert gs.freeze(net, "1", batch_norm="unchanged") == ["n_ownnorm0_scale", "n_ownnorm0_shift"]
    gs.unfreeze(net)
    assert learning(net) == before
    piece = gs.extract(net, "data", "ownnorm0_norm")
    assert gs.freeze(piece).batch_norms == ["0", "1"]


def test_batch_norm_rests_when_nothing_of_it_learns_any_more_however_it_came_to_that() -> None:
    net, other = convolutional(), convolutional()
    for glob in ("*gamma", "*beta"):
        gs.freeze(net, glob)
    gs.freeze(other, ["*gamma", "*beta"])
    assert learning(net) == learning(other)
    gs.unfreeze(net, "*gamma")
    assert set(modes(net).values()) == {"running statistics"}
    gs.unfreeze(net, "*beta")
    assert learning(net) == learning(convolutional())


def test_mode_set_by_hand_in_between_is_frozen_again() -> None:
    net = convolutional()
    gs.freeze(net)
    net[1]._kwargs["use_global_stats"] = False
    assert gs.freeze(net).batch_norms == ["1"]
    gs.unfreeze(net)
    assert learning(net) == learning(convolutional())


def test_batch_norm_of_a_block_that_cannot_be_traced_is_refused() -> None:
    class Looks(gluon.HybridBlock):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            with self.name_scope():
                self.gamma = self.params.get("gamma", shape=(3,), init="ones")
                self.running_mean = self.params.get("running_mean", shape=(3,), init="zeros", grad_req="null")

        def hybrid_forward(self, F: Any, x: Any, gamma: Any, running_mean: Any) -> Any:
            return F.BatchNorm(x, gamma, gamma, running_mean, running_mean) if x.shape[0] else x

    net = initialised(Looks(prefix="n_"))
    with pytest.raises(
        gs.SubgraphError, match=r"cannot be traced cannot be frozen\.\n  It would still move 'n_running_m"
    ):
        gs.freeze(net)
    assert net.gamma.grad_req == "write"


def test_note_tells_of_pieces_that_a_block_holds() -> None:
    whole = nn.HybridSequential(prefix="w_")
    whole.add(gs.extract(convolutional(), "data", "dropout0_fwd"))
    assert "in the pieces it holds alone" in str(gs.freeze(whole))
