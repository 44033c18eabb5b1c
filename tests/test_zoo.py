"""Every network of `mxnet.gluon.model_zoo.vision`, cut at random places: the pieces together are the network."""

from __future__ import annotations

import random
import zlib
from typing import Any, NamedTuple, Sequence

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon.model_zoo import vision
from samples import bits, normal, same

SIZES = {  # the smallest square image that the network takes, or a little more
    **{f"resnet{depth}_v{version}": 32 for depth in (18, 34, 50, 101, 152) for version in (1, 2)},
    **{f"vgg{depth}{norm}": 32 for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
    **{f"mobilenet{width}": 32 for width in ("1.0", "0.75", "0.5", "0.25")},
    **{f"mobilenetv2_{width}": 32 for width in ("1.0", "0.75", "0.5", "0.25")},
    **{f"densenet{depth}": 224 for depth in (121, 161, 169, 201)},
    **{f"squeezenet{version}": 224 for version in ("1.0", "1.1")},
    "alexnet": 64,
    "inceptionv3": 299,
}
SAMPLE = ["resnet18_v1", "resnet50_v2", "vgg11_bn", "mobilenetv2_0.25", "squeezenet1.1", "densenet121"]
OTHERS = [name for name in SIZES if name not in SAMPLE]
NETWORKS = [*SAMPLE, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]


class Piece(NamedTuple):
    """A piece and the tensors it takes and returns, as `list_nodes` names them."""

    inputs: list[str]
    outputs: list[str]
    block: gs.SubgraphBlock


def _network(name: str, *, hybridize: bool, batch: int = 1) -> tuple[Any, mx.nd.NDArray]:
    """Return a network with random values and statistics, and images."""
    net = vision.get_model(name, classes=10, prefix="net_")
    mx.random.seed(0)
    net.initialize(mx.init.MSRAPrelu())
    image = normal(batch, 3, SIZES[name], SIZES[name])
    if hybridize:
        net.hybridize()
    net(image).wait_to_read()
    for parameter in net.collect_params(".*running_mean").values():
        parameter.set_data(mx.nd.random.normal(scale=0.1, shape=parameter.shape))
    return net, image


def _tensors(node: gs.NodeInfo) -> Sequence[str]:
    return node.outputs if len(node.outputs) > 1 else (node.name,)


def _crossing(nodes: Sequence[gs.NodeInfo], position: int) -> list[str]:
    """Return the tensors made up to and with a node that nodes after it read."""
    read = {name for node in nodes[position + 1 :] for name in node.inputs}
    return [name for node in nodes[: position + 1] for name in _tensors(node) if name in read]


def _pieces(net: Any, nodes: Sequence[gs.NodeInfo], positions: Sequence[int]) -> list[Piece]:
    """Return the pieces between nodes; what a piece neither reads nor makes is carried past it."""
    bounds = [-1, *positions, len(nodes) - 1]
    pieces = []
    for first, last in zip(bounds, bounds[1:]):
        inside = nodes[first + 1 : last + 1]
        read = {name for node in inside for name in node.inputs}
        made = {name for node in inside for name in _tensors(node)}
        inputs = [name for name in _crossing(nodes, first) if name in read] if first >= 0 else ["data"]
        outputs = [name for name in _crossing(nodes, last) if name in made] or [nodes[-1].name]
        pieces.append(Piece(inputs, outputs, gs.extract(net, inputs, outputs)))
    return pieces


def _chained(pieces: Sequence[Piece], image: mx.nd.NDArray) -> mx.nd.NDArray:
    value_of = {"data": image}
    for piece in pieces:
        value_of.update(zip(piece.outputs, piece.block(*[value_of[name] for name in piece.inputs])))
    return value_of[pieces[-1].outputs[0]]


@pytest.mark.parametrize("name", NETWORKS)
def test_pieces_of_a_network_compute_the_network(name: str) -> None:
    choose = random.Random(zlib.crc32(name.encode()))
    net, image = _network(name, hybridize=choose.random() < 0.5)
    expected = net(image)
    nodes = gs.list_nodes(net)
    assert len(np.unique(expected.asnumpy())) > 5
    crossings = set()
    for _ in range(3):
        positions = sorted(choose.sample(range(1, len(nodes) - 1), 2))
        pieces = _pieces(net, nodes, positions)
        crossings.update(len(piece.inputs) for piece in pieces)
        assert bits(_chained(pieces, image)) == bits(expected), positions
        owned = {n: p for piece in pieces for n, p in piece.block.params.items()}
        assert {n: id(p) for n, p in owned.items()} == {n: id(p) for n, p in net.collect_params().items()}
    assert crossings >= {1}


@pytest.mark.parametrize("name", NETWORKS)
def test_piece_from_one_tensor_takes_the_repair_it_is_offered(name: str) -> None:
    choose = random.Random(zlib.crc32(name.encode()) + 1)
    net, image = _network(name, hybridize=False)
    nodes = [node for node in gs.list_nodes(net) if node.op != "input"]
    start = choose.choice(nodes[:-1]).name
    tail = gs.extract(net, start, nodes[-1].name, open_cut="add")
    front = gs.extract(net, "data", [n for n in tail.input_names if n != "data"])
    value_of = {**dict(zip(front.output_names, front(image))), "data": image}
    assert same(tail(*[value_of[n] for n in tail.input_names]), net(image))


@pytest.mark.parametrize("name", ["resnet18_v2", "squeezenet1.0"])
def test_gradients_through_pieces_of_a_network_are_the_network_s(name: str) -> None:
    gradients = []
    for cut in (False, True):
        net, image = _network(name, hybridize=True, batch=3)
        nodes = gs.list_nodes(net)
        pieces = _pieces(net, nodes, [len(nodes) // 4, len(nodes) // 2])
        mx.random.seed(3)
        image.attach_grad()
        with autograd.record():
            result = _chained(pieces, image) if cut else net(image)
            loss = (result * normal(*result.shape, seed=4)).sum()
        loss.backward()
        learning = {n: p for n, p in net.collect_params().items() if p.grad_req != "null"}
        gradients.append({"image": bits(image.grad), **{n: bits(p.grad()) for n, p in learning.items()}})
    assert gradients[0] == gradients[1]
    assert np.frombuffer(gradients[0]["image"][2], "float32").any()
