"""Every kind of network gives the same piece under the same names, with or without the prefix."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from samples import CUTS, convolutional, normal, same

from gluon_subgraph.network import Network

SHORT = [name[2:] if name.startswith("c_") else name for name in CUTS]


def _files(net: Any, folder: Path) -> tuple[str, str]:
    net.hybridize()
    net(normal(1, 3, 16, 16))
    net.export(str(folder / "c"))
    return str(folder / "c-symbol.json"), str(folder / "c-0000.params")


def _sources(folder: Path) -> dict[str, Any]:
    """Return one network as every kind of source."""
    net = convolutional()
    files = _files(net, folder)
    whole = gs.extract(net, "data", "dense0_fwd")
    return {
        "gluon": net,
        "piece": whole,
        "copied piece": copy.deepcopy(whole),
        "pickled piece": pickle.loads(pickle.dumps(whole)),
        "files": files,
        "paths": tuple(Path(f) for f in files),
        "checkpoint": mx.model.load_checkpoint(str(folder / "c"), 0),
        "arrays": (mx.sym.load(files[0]), {k: v.asnumpy() for k, v in mx.nd.load(files[1]).items()}, {}),
        "stock block": mx.gluon.SymbolBlock.imports(files[0], ["data"], files[1]),
        "imported piece": gs.SubgraphBlock.imports(files[0], ["data"], files[1]),
    }


def test_extract_from_every_kind_of_network_is_the_same_piece(tmp_path: Path) -> None:
    x = normal(2, 4, 8, 8)
    pieces = {kind: gs.extract(net, SHORT[0], SHORT[1]) for kind, net in _sources(tmp_path).items()}
    expected = pieces["gluon"]
    for kind, piece in pieces.items():
        assert same(piece(x), expected(x)), kind
        assert [n[:5] for n in piece.graph.nodes if n.op != "null"] == [
            n[:5] for n in expected.graph.nodes if n.op != "null"
        ], kind


def test_extract_of_a_piece_takes_names_with_and_without_the_prefix(tmp_path: Path) -> None:
    whole = gs.extract(convolutional(), "data", "dense0_fwd")
    for inputs in (SHORT[0], f"c_{SHORT[0]}", f"{SHORT[0]}_output", f"c_{SHORT[0]}_output"):
        piece = gs.extract(whole, inputs, SHORT[1])
        again = gs.extract(piece, inputs, SHORT[1])
        assert again.graph == piece.graph
        assert dict(again.params.items()) == dict(piece.params.items())


def test_network_of_anything_else_is_refused() -> None:
    with pytest.raises(gs.SubgraphError, match="net is a dict, which holds no network"):
        gs.list_nodes({})
    with pytest.raises(gs.SubgraphError, match="A plain Block computes in Python"):
        gs.list_nodes(mx.gluon.nn.Sequential())


def test_extract_from_a_checkpoint_takes_names_without_what_all_its_operators_begin_with() -> None:
    x = mx.sym.var("data")
    for name in ("my_net_A", "my_net_B", "my_net_C"):
        x = mx.sym.relu(x, name=name)
    piece = gs.extract((x, {}, {}), "A", "C")
    assert piece.input_names == ("my_net_A_output",)
    assert piece.output_names == ("my_net_C_output",)


def _of_one_name(kind: Any = mx.gluon.nn.HybridSequential) -> Any:
    net = kind(prefix="n_")
    net.add(mx.gluon.nn.Dense(3, in_units=3, prefix="same_"), mx.gluon.nn.Dense(3, in_units=3, prefix="same_"))
    for layer in net:
        layer.initialize()
    return net


@pytest.mark.parametrize(
    "call",
    [
        gs.list_nodes,
        lambda net: gs.extract(net, "data", "same_fwd"),
        lambda net: gs.rename(net, "x_"),
        lambda net: gs.rename(_of_one_name(mx.gluon.nn.Sequential), "x_"),
        lambda net: gs.freeze(net, upto="same_fwd"),
        lambda net: gs.tie_towers(net, ("a_", "b_")),
        lambda net: gs.replace_head(net, mx.gluon.nn.Dense(2, prefix="new_")),
    ],
    ids=["list_nodes", "extract", "rename", "rename plain", "freeze", "tie_towers", "replace_head"],
)
def test_network_of_two_parameters_of_one_name_is_refused(call: Any) -> None:
    with pytest.raises(gs.SubgraphError, match=r"(?s)different parameters of block 'n' have one name.*nothing was"):
        call(_of_one_name())


def test_output_of_a_block_may_be_numbered_by_numpy() -> None:
    net = convolutional()
    block = net[1]
    network = Network.of(net)
    assert network.find((block, np.int64(0))) == network.find((block, 0)) == network.find(block)
    for index in (True, 0.0, None, np.arange(2)):
        with pytest.raises(gs.UnknownNodeError, match="does not name a tensor"):
            network.find((block, index))
