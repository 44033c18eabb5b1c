"""Heads and children that are refused, with nothing changed."""

from __future__ import annotations

from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from heads_to_graft import Towers, dense
from mxnet import gluon
from samples import CUTS, convolutional, initialised, layers, normal, same
from snapshots import unchanged

nn = gluon.nn
X = (2, 3, 8, 8)


def _headed() -> Any:
    return gs.replace_head(convolutional(), dense(in_units=6))


class _Two(gluon.HybridBlock):
    def hybrid_forward(self, F: Any, x: Any, y: Any) -> Any:
        return x + y


class _Looks(gluon.HybridBlock):
    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return x.reshape((x.shape[0], -1))


def _twice() -> gluon.HybridBlock:
    head = nn.HybridSequential(prefix="h_")
    head.add(nn.Dense(6, prefix="same_"), nn.Dense(3, prefix="same_"))
    return head


def _half() -> gluon.HybridBlock:
    head = nn.Dense(3, in_units=6, prefix="new_")
    head.cast("float16")
    return initialised(head)


def _elsewhere() -> gluon.HybridBlock:
    head = nn.Dense(3, in_units=6, prefix="new_")
    head.initialize(ctx=mx.cpu(1))
    return head


WRONG_HEADS: dict[str, tuple[Callable[[], Any], str]] = {
    "a class": (lambda: nn.Dense, r"(?s)head is the class 'Dense', no instance.*Make one: Dense\(\.\.\.\)"),
    "a plain block": (lambda: nn.Sequential(), r"(?s)is a Sequential, no HybridBlock.*make it a HybridBlock"),
    "a parameter": (lambda: gluon.Parameter("w"), r"(?s)is a Parameter, no HybridBlock.*gluon.nn.Dense\(10\)"),
    "nothing": (lambda: None, r"is a NoneType, no HybridBlock"),
    "a number": (lambda: 10, r"is a int, no HybridBlock"),
    "two inputs": (lambda: _Two(prefix="t_"), r"takes 2 inputs"),
    "a piece of two inputs": (
        lambda: gs.extract(initialised(Towers()), ["data0", "data1"], "dense2_fwd"),
        "takes 2 inputs",
    ),
    "not traceable": (
        lambda: _Looks(prefix="l_"),
        r"(?s)head 'l' \(_Looks\) cannot be called with what.*It says: .*look at shapes",
    ),
    "a name of the trunk": (
        lambda: nn.Dense(3, prefix="c_conv0_"),
        r"(?s)'c_conv0_weight', 'c_conv0_bias'.*another prefix",
    ),
    "the name of the input": (lambda: Named(), r"(?s)1 of 1 parameters of the head have names of the trunk: 'data'"),
    "one name twice": (_twice, r"different parameters of head 'h' have one name"),
    "half precision": (_half, r"(?s)does not take the dtype of the trunk, float32.*head.cast\('float32'\)"),
    "another context": (_elsewhere, r"(?s)is on 'cpu\(1\)', the trunk on 'cpu\(0\)'.*reset_ctx"),
}


class Named(gluon.HybridBlock):
    """Its parameter is called as the input of most networks."""

    def __init__(self) -> None:
        super().__init__(prefix="")
        self.scale = self.params.get("data", shape=(1,))

    def hybrid_forward(self, F: Any, x: Any, scale: Any) -> Any:
        return F.broadcast_mul(x, scale)


@pytest.mark.parametrize("case", WRONG_HEADS)
def test_wrong_head_is_refused_and_nothing_is_changed(case: str) -> None:
    make, words = WRONG_HEADS[case]
    net, block, head = convolutional(), _headed(), make()
    with unchanged(net, block), pytest.raises(gs.SubgraphError, match=words):
        gs.replace_head(net, head)
    with unchanged(block), pytest.raises(gs.SubgraphError, match=words):
        block.head = head


def test_prefix_that_is_free_is_proposed() -> None:
    block = gs.replace_head(_headed(), dense(prefix="n_"), at="new_fwd")
    with pytest.raises(gs.NameConflictError, match=r"'new_weight', 'new_bias'(?s:.)*prefix='new1_'\)"):
        block.head = dense()


def test_head_that_belongs_to_the_network_is_refused() -> None:
    net, block = convolutional(), _headed()
    for head in (net[8], net, net[3]):
        with pytest.raises(gs.SubgraphError, match=r"belongs to the network already"):
            gs.replace_head(net, head)
    around = nn.HybridSequential(prefix="s_")
    around.add(block.trunk)
    for head in (block.trunk, block, around):
        with unchanged(block), pytest.raises(gs.SubgraphError, match=r"holds the trunk it is to follow"):
            block.head = head


@pytest.mark.parametrize("kind", ["headed", "subgraph"])
def test_child_that_nothing_uses_is_refused(kind: str) -> None:
    block = _headed() if kind == "headed" else gs.extract(convolutional(), *CUTS)
    attempts: list[Callable[[], Any]] = [
        lambda: setattr(block, "extra", nn.Dense(2, prefix="e_")),
        lambda: setattr(block, "extra", nn.Sequential(prefix="e_")),
        lambda: setattr(block, "scale", gluon.Parameter("scale", shape=(1,))),
        lambda: block.register_child(nn.Dense(2, prefix="e_")),
        lambda: block.register_child(nn.Dense(2, prefix="e_"), "extra"),
    ]
    with unchanged(block):
        for attempt in attempts:
            with pytest.raises(gs.SubgraphError, match=r"(?s)that nothing in this \w+ uses.*nothing was changed"):
                attempt()
    block.note = {"source": "a zoo"}
    block.prepared = normal(1, 2)
    assert block.note == {"source": "a zoo"}


def test_trunk_is_settled_and_parts_stay() -> None:
    block = _headed()
    with unchanged(block):
        for trunk in (block.trunk, gs.extract(convolutional(), *CUTS)):
            with pytest.raises(gs.SubgraphError, match=r"(?s)trunk of a HeadedBlock is settled.*replace_head"):
                block.trunk = trunk
        for name in ("trunk", "head"):
            with pytest.raises(gs.SubgraphError, match=rf"(?s)^'{name}' is a part that.*Assign another head"):
                delattr(block, name)
    block.note = 1
    del block.note
    assert not hasattr(block, "note")


@pytest.mark.parametrize("given", [[normal(*X)], None, 5, normal(*X).asnumpy(), "data"], ids=lambda v: type(v).__name__)
def test_argument_that_is_no_array_is_refused(given: Any) -> None:
    block = _headed()
    with pytest.raises(gs.SubgraphError, match=rf"(?s)1 were given: '.*{type(given).__name__}'.*Give 'data'"):
        block(given)


def test_recurrent_layers_are_heads_and_cells_are_not() -> None:
    net = layers(2)
    net.add(nn.HybridLambda(lambda F, x: F.expand_dims(x, axis=0), prefix="expand_"))
    head = initialised(gluon.rnn.LSTM(3, input_size=4, prefix="lstm_"))
    block, x = gs.replace_head(net, head, at="expand_expand_dims0"), normal(2, 4)
    expected = head(net(x))
    for hybridize in (False, True):
        block.hybridize(hybridize)
        assert same(block(x), expected)
    with pytest.raises(gs.SubgraphError, match="takes 2 inputs"):
        gs.replace_head(net, gluon.rnn.LSTMCell(3))


def test_half_precision_trunk_takes_no_other_head() -> None:
    net = convolutional()
    net.cast("float16")
    with pytest.raises(gs.BindingError, match=r"(?s)dtype of the trunk, float16.*head.cast\('float16'\)"):
        gs.replace_head(net, dense(in_units=6))
    assert gs.replace_head(net, _half()).head.weight.dtype == "float16"
