"""What can be named in a network: `list_nodes` with shapes, beside stock MXNet and ONNX, and the least it takes."""

from __future__ import annotations

import json
from typing import Any

import mxnet as mx
import pytest
import rivals
from networks import IMAGE, NETWORKS, traced, zoo_network
from timing import clock

import gluon_subgraph as gs

pytestmark = pytest.mark.filterwarnings("ignore")

ROUNDS = 7


@pytest.fixture(scope="module", params=NETWORKS)
def given(request: Any) -> Any:
    return request.param, zoo_network(request.param)


def ours(net: Any) -> Any:
    """Return the nodes with shapes, blocks and parameters."""
    return gs.list_nodes(net, shapes={"data": IMAGE})


def stock(net: Any) -> list[Any]:
    """Return (name, operator, what it reads, shape), as MXNet can be asked for them."""
    internals = net(mx.sym.var("data")).get_internals()
    _, shapes, _ = internals.infer_shape(data=IMAGE)
    shape_of = dict(zip(internals.list_outputs(), shapes))
    nodes = json.loads(internals.tojson())["nodes"]
    names = [node["name"] for node in nodes]
    return [
        (node["name"], node["op"], [names[i] for i, *_ in node["inputs"]], shape_of.get(node["name"] + "_output"))
        for node in nodes
        if node["op"] != "null" or node["name"] == "data"
    ]


def least(net: Any) -> Any:
    """Trace and infer: no list of anything can do without."""
    return net(mx.sym.var("data")).get_internals().infer_shape(data=IMAGE)


def of_onnx(path: str) -> list[Any]:
    """Return the nodes of a file that holds the shapes, its arrays left on the disk where ONNX can."""
    import onnx

    graph = onnx.load(path).graph
    shape_of = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.value_info}
    return [(node.name, node.op_type, list(node.input), shape_of.get(node.output[0])) for node in graph.node]


@pytest.fixture
def seconds(given: Any) -> Any:
    """Return what lists once and returns the seconds it took."""

    def once() -> float:
        start = clock()
        ours(given[1])
        return clock() - start

    return once


def test_ours(given: Any, measure: Any, benchmark: Any) -> None:
    found = measure(lambda: ours(given[1]), ROUNDS, table="listing", network=given[0], side="ours")
    benchmark.extra_info["nodes"] = len(found)


@pytest.mark.parametrize("side", ["floor", "stock MXNet"])
def test_beside(given: Any, side: str, seconds: Any, measure: Any) -> None:
    name, net = given
    call = {"floor": least, "stock MXNet": stock}[side]
    found = measure(lambda: call(net), ROUNDS, ours=seconds, table="listing", network=name, side=side)
    if side == "stock MXNet":
        assert [(n[0], n[3]) for n in found if n[1] != "null"] == [(n.name, n.shape) for n in ours(net)][1:]


def test_onnx(given: Any, seconds: Any, measure: Any, tmp_path: Any) -> None:
    pytest.importorskip("onnx", reason="ONNX is not installed")
    name, net = given
    case, path = traced(net), str(tmp_path / "network.onnx")
    rivals.export_onnx(case.symbol, case.params, IMAGE, path)
    found = measure(lambda: of_onnx(path), ROUNDS, ours=seconds, table="listing", network=name, side="ONNX, from file")
    assert len(found) >= len(ours(net)) - 1
