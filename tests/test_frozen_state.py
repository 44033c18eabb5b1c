"""What is frozen stays frozen, and can be set free, wherever the network goes."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import pytest
from frozen import Loop, grad_reqs, learning
from mxnet import gluon
from samples import convolutional, initialised, normal, same, symbol_block

nn = gluon.nn
X = (4, 3, 8, 8)


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


def test_what_is_not_differentiable_stays_so_in_files(tmp_path: Path) -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.BatchNorm(in_channels=3, center=False), nn.Dense(1, in_units=3))
    piece = gs.extract(initialised(net), "data", "dense0_fwd")
    for again in (_saved_and_loaded(piece, tmp_path), _exported(piece, tmp_path)):
        gs.freeze(again)
        assert gs.unfreeze(again) == ["n_batchnorm0_gamma", "n_dense0_weight", "n_dense0_bias"]
        again.collect_params().setattr("grad_req", "write")
        assert learning(again) == learning(piece)


def test_statistics_in_a_loop_never_learn(tmp_path: Path) -> None:
    net = initialised(Loop(prefix="n_"))
    piece = gs.extract(net, "data", "_foreach0_output0")
    for again in (_saved_and_loaded(piece, tmp_path), symbol_block(net)):
        gs.freeze(again)
        gs.unfreeze(again)
        assert {n for n, req in grad_reqs(again).items() if req == "null"} == {
            "n_batchnorm0_running_mean",
            "n_batchnorm0_running_var",
        }
