"""A network found in another beside the subgraph isomorphism of networkx, rustworkx and igraph, on the same graphs.

A node is an operator or a variable, its label the operator or the shape of the parameter. The peers answer whether the
one graph stands in the other exactly as it is, and with the first place they find; ours what is certainly the same.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import mxnet as mx
import pytest
from copies import Model, changed, model_of, opaque
from isomorphism import FINDERS
from limited import run_limited
from mxnet.gluon.model_zoo import vision
from test_matching_speed import share_right

import gluon_subgraph as gs
from gluon_subgraph.codec import graph_of_symbol, json_of_symbol
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

pytestmark = pytest.mark.filterwarnings("ignore")

SLICES = {  # from the stem, or the middle, to the middle
    "resnet50_v1": ("r_stage1_activation2", "r_stage3_activation5"),
    "densenet201": ("r_stage1_concat5", "r_stage3_concat20"),
}
KINDS = ("whole", "slice", "changed")
ROUNDS = 5


@pytest.fixture(scope="module", params=list(SLICES))
def network(request: Any) -> Any:
    net = getattr(vision, request.param)(prefix="r_")
    symbol = net(mx.sym.var("data"))
    return request.param, net, model_of(symbol)


@pytest.fixture(scope="module", params=KINDS)
def case(request: Any, network: Any) -> tuple[str, str, Model, Model]:
    """Return (network, kind, pattern, host)."""
    name, net, original = network
    random = Random(1)
    if request.param == "whole":
        return name, request.param, original, opaque(original, random)
    if request.param == "changed":
        return name, request.param, original, opaque(changed(original, random), random)
    ends = [next(n.name for n in gs.list_nodes(net) if n.name.startswith(end)) for end in SLICES[name]]
    piece = gs.extract(net, *ends)
    shapes = {parameter: original.shapes[parameter] for parameter in piece.collect_params()}
    model = Model(json_of_symbol(piece.symbol), shapes, {parameter: parameter for parameter in shapes})
    return name, request.param, opaque(model, random), original


def graph_of(model: Model) -> tuple[dict[str, Any], dict[str, int]]:
    """Return labels and edges, and the number of each parameter's node; data inputs are left out."""
    nodes = json.loads(model.text)["nodes"]
    kept = [i for i, node in enumerate(nodes) if node["op"] != "null" or node["name"] in model.shapes]
    number = {i: k for k, i in enumerate(kept)}
    labels = [str(model.shapes.get(nodes[i]["name"], nodes[i]["op"])) for i in kept]
    edges = {(number[entry[0]], number[i]) for i in kept for entry in nodes[i]["inputs"] if entry[0] in number}
    node_of_name = {nodes[i]["name"]: number[i] for i in kept if nodes[i]["op"] == "null"}
    return {"labels": labels, "edges": sorted(edges)}, node_of_name


def test_ours(case: Any, measure: Any, benchmark: Any) -> None:
    """From two Graphs to what is known of every parameter."""
    name, kind, pattern, host = case
    target, source = (Side(m.shapes, graph_of_symbol(mx.sym.load_json(m.text))) for m in (pattern, host))
    facts = {"table": "isomorphism", "network": name, "kind": kind, "side": "ours"}
    found = measure(lambda: match(target, source), ROUNDS, **facts)
    benchmark.extra_info["right"] = share_right(found.mapping, pattern.truth(host))


def test_floor(case: Any, measure: Any) -> None:
    """Look once at each node and each of its edges."""
    name, kind, pattern, host = case
    graphs = [graph_of_symbol(mx.sym.load_json(m.text)) for m in (pattern, host)]
    facts = {"table": "isomorphism", "network": name, "kind": kind, "side": "floor"}
    measure(lambda: [[(n.op, *n.inputs) for n in graph.nodes] for graph in graphs], ROUNDS, **facts)


@pytest.mark.parametrize("side", list(FINDERS))
def test_peer(case: Any, side: str, benchmark: Any) -> None:
    name, kind, pattern, host = case
    pytest.importorskip(side.split(",")[0], reason="not installed: see README.md")
    benchmark.group = f"isomorphism, {name}, {kind}"
    (small, nodes_of_pattern), (large, nodes_of_host) = graph_of(pattern), graph_of(host)
    truth = [(nodes_of_pattern[t], nodes_of_host[s]) for t, s in pattern.truth(host).items()]
    job = {"side": side, "pattern": small, "host": large, "is_whole": kind == "whole", "truth": truth}
    (facts,) = benchmark.pedantic(run_limited, ("isomorphism.py", job, 1), rounds=1)
    nodes = [len(small["labels"]), len(large["labels"])]
    benchmark.extra_info.update(table="isomorphism", network=name, kind=kind, side=side, nodes=nodes, **facts)
