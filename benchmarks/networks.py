"""What is measured: networks of MXNet's model zoo, and chains of any length."""

from __future__ import annotations

from typing import Any, NamedTuple

import mxnet as mx
from mxnet import gluon

from gluon_subgraph.network import Network

NETWORKS = ("resnet18_v2", "resnet152_v2", "densenet201")  # the smallest first
IMAGE = (1, 3, 224, 224)
CUTS = {"inner": "r_pool0_fwd", "front": "data"}  # where a piece starts; it ends at the flattened features
END = "r_flatten0_flatten0"

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)  # nodes
FIXED = 400  # nodes of the piece of fixed size


class Traced(NamedTuple):
    """A network with its trace, which is made once and left out of what is timed."""

    net: gluon.HybridBlock
    network: Network
    symbol: Any
    params: gluon.ParameterDict

    def new_network(self) -> Network:
        """Return what `extract` makes of `net` before it starts to cut, with nothing read or remembered yet."""
        return self.network.unread()


def traced(net: gluon.HybridBlock) -> Traced:
    """Return `net` with its trace."""
    return Traced(net, Network.of(net), net(mx.sym.var("data")), net.collect_params())


def zoo_network(name: str) -> gluon.HybridBlock:
    """Return a network of the zoo with random weights, run once so that every shape is known."""
    net = getattr(gluon.model_zoo.vision, name)(prefix="r_")
    net.initialize()
    net(mx.nd.zeros(IMAGE)).wait_to_read()
    return net


class Chain(gluon.HybridBlock):
    """Activations one behind the other: `size` nodes, no parameters, named 0, 1, 2..."""

    def __init__(self, size: int) -> None:
        super().__init__(prefix="c_")
        self.steps = size

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name for it
        for i in range(self.steps):
            x = F.Activation(x, act_type="relu", name=f"node{i}")
        return x


class ResidualChain(gluon.HybridBlock):
    """Residual blocks of four nodes, weight, dense, activation and sum, one behind the other."""

    def __init__(self, size: int) -> None:
        super().__init__(prefix="c_")
        self.steps = size // 4
        with self.name_scope():
            for i in range(self.steps):
                setattr(self, f"weight{i}", self.params.get(f"weight{i}", shape=(2, 2)))

    def hybrid_forward(self, F: Any, x: Any, **weights: Any) -> Any:  # noqa: N803 - Gluon's name for it
        for i in range(self.steps):
            y = F.FullyConnected(x, weights[f"weight{i}"], num_hidden=2, no_bias=True, name=f"dense{i}")
            x = F.elemwise_add(F.Activation(y, act_type="relu", name=f"relu{i}"), x, name=f"node{i}")
        return x


CHAINS = {"chain": Chain, "residual chain": ResidualChain}


def ends_of_piece(net: Any, piece: str) -> tuple[str, str]:
    """Return the tensors between which lies everything behind the first step, or FIXED nodes in the middle."""
    if piece == "everything":
        return "c_node0", f"c_node{net.steps - 1}"
    steps = FIXED if isinstance(net, Chain) else FIXED // 4
    middle = net.steps // 2
    return f"c_node{middle - steps // 2}", f"c_node{middle + steps // 2}"
