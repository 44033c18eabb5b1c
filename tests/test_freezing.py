"""What freeze and unfreeze set, what they leave, and that one undoes the other."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon
from samples import Offset, convolutional, initialised, layers, normal, same, symbol_block, values

nn = gluon.nn
X = (4, 3, 8, 8)


def learning(net: Any) -> list[Any]:
    """Return all of a network that freezing touches, as a value that compares."""
    return [(row.parameter, row.grad_req, row.lr_mult, row.wd_mult, row.batch_norm) for row in gs.trainable(net)]


def grad_reqs(net: Any) -> dict[str, str]:
    return {name: p.grad_req for name, p in net.collect_params().items()}


def modes(net: Any) -> dict[str, str]:
    return {row.parameter: row.batch_norm for row in gs.trainable(net) if row.batch_norm}


class OwnNorm(gluon.HybridBlock):
    """Calls the BatchNorm operator itself, on parameters of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(3,), init="ones")
            self.shift = self.params.get("shift", shape=(3,), init="zeros")
            self.mean = self.params.get("mean", shape=(3,), init="zeros", grad_req="null")
            self.spread = self.params.get("spread", shape=(3,), init="ones", grad_req="null")

    def hybrid_forward(self, F: Any, x: Any, scale: Any, shift: Any, mean: Any, spread: Any) -> Any:
        return F.BatchNorm(x, scale, shift, mean, spread, fix_gamma=False, name="norm")


class Loop(gluon.HybridBlock):
    """A BatchNorm in the body of a foreach."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.dense = nn.Dense(4, in_units=4, flatten=False)
            self.norm = nn.BatchNorm(in_channels=4)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        def body(x: Any, state: Any) -> Any:
            result = self.norm(self.dense(x) + state)
            return result, result

        return F.contrib.foreach(body, x, F.zeros((3, 4)))[0]


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


def _saved_and_loaded(piece: gs.SubgraphBlock, folder: Path) -> Any:
    piece.save(str(folder / "piece"))
    return gs.load(folder / "piece")


def _exported(piece: gs.SubgraphBlock, folder: Path) -> Any:
    piece.export(str(folder / "piece"))
    return gs.SubgraphBlock.imports(str(folder / "piece-symbol.json"), "data", str(folder / "piece-0000.params"))


JOURNEYS = {
    "save and load": _saved_and_loaded,
    "export": _exported,
    "pickle": lambda piece, folder: pickle.loads(pickle.dumps(piece)),
    "deepcopy": lambda piece, folder: copy.deepcopy(piece),
    "extract": lambda piece, folder: gs.extract(piece, "data", "dense0_fwd"),
    "rename": lambda piece, folder: gs.rename(gs.rename(piece, "other_").net, "c_").net,
}


@pytest.mark.parametrize("journey", JOURNEYS)
@pytest.mark.parametrize("frozen_first", [True, False], ids=["net", "piece"])
def test_frozen_state_survives(journey: str, frozen_first: bool, tmp_path: Path) -> None:
    net = convolutional()
    net[0].weight.grad_req = "add"
    net[0].weight.lr_mult = 0.5
    before = learning(gs.extract(net, "data", "dense0_fwd"))
    if frozen_first:
        gs.freeze(net, upto="dropout0_fwd")
    piece = gs.extract(net, "data", "dense0_fwd")
    if not frozen_first:
        gs.freeze(piece, upto="dropout0_fwd")
    again = JOURNEYS[journey](piece, tmp_path)
    assert learning(again) == learning(piece)
    assert same(again(normal(*X)), net(normal(*X)))
    gs.unfreeze(again)
    assert learning(again) == before


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
    with pytest.raises(gs.SubgraphError, match="'n_ownnorm0_norm' in block '1' cannot be frozen.*\n.*n_ownnorm0_mean"):
        gs.freeze(net)
    assert learning(net) == before
    assert gs.freeze(net, "0") == ["n_batchnorm0_gamma", "n_batchnorm0_beta"]
    assert gs.freeze(net, "1", batch_norm="unchanged") == ["n_ownnorm0_scale", "n_ownnorm0_shift"]
    gs.unfreeze(net)
    assert learning(net) == before
    piece = gs.extract(net, "data", "ownnorm0_norm")
    assert gs.freeze(piece).batch_norms == ["0", "1"]
