"""reuse_rows keeps rows only where row k is class k, of the same value, and never writes into the network."""

from __future__ import annotations

from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from heads_to_graft import dense
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon
from samples import initialised, layers, normal, same
from snapshots import unchanged

from gluon_subgraph.graph import Node
from gluon_subgraph.head_classes import _keeps_classes

nn = gluon.nn


class _Tail(gluon.HybridBlock):
    """Two layers, or a layer and a given end, and a function of the scores."""

    def __init__(self, tail: Callable[[Any, Any], Any], end: Any = None, first: Any = None) -> None:
        super().__init__(prefix="t_")
        self.tail = tail
        self.first = first or nn.Dense(4, in_units=3, prefix="t_first_")
        self.end = end or nn.Dense(10, in_units=4, prefix="t_end_")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.tail(F, self.end(self.first(x)))


def _flipped(F: Any, y: Any) -> Any:
    halves = [F.slice_axis(y, axis=1, begin=5, end=10), F.slice_axis(y, axis=1, begin=0, end=5)]
    return F.concat(*halves, dim=1)


MOVING = {
    "slice_axis": (lambda F, y: F.slice_axis(y, axis=1, begin=3, end=8), "slice_axis"),
    "slice": (lambda F, y: F.slice(y, begin=(0, 3), end=(None, 8)), "slice"),
    "reverse": (lambda F, y: F.reverse(y, axis=1), "reverse"),
    "halves changed": (_flipped, "slice_axis"),
    "take": (lambda F, y: F.take(y, F.BlockGrad(F.ones(3)), axis=1), "take"),
    "transpose": (lambda F, y: F.softmax(F.transpose(y)), "transpose"),
    "argmax": (lambda F, y: F.argmax(F.softmax(y), axis=1), "argmax"),
    "mean over classes": (lambda F, y: F.mean(y, axis=1), "mean"),
    "maxout": (lambda F, y: F.max(F.reshape(y, (0, -4, 5, 2)), axis=2), "max"),
}


@pytest.mark.parametrize("where", ["old", "new"])
@pytest.mark.parametrize("case", MOVING)
def test_classifier_whose_classes_may_move_is_refused(case: str, where: str) -> None:
    tail, operator = MOVING[case]
    moving = initialised(_Tail(tail))
    if where == "old":
        net, head = moving, dense(in_units=4)
    else:
        net, head = initialised(_Tail(lambda F, y: y)), nn.HybridSequential(prefix="h_")
        head.add(nn.Dense(10, in_units=4, prefix="h_end_"), nn.HybridLambda(tail, prefix="h_tail_"))
        initialised(head)
    words = rf"a {operator} behind the classifier '(t|h)_end_fwd' of the {where} head, may move, select or change"
    with unchanged(net, head), pytest.raises(gs.BindingError, match=words):
        gs.replace_head(net, head, reuse_rows={0: 4})


KEEPING: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda F, y: F.relu(y),
    "sigmoid": lambda F, y: F.sigmoid(y),
    "elu": lambda F, y: F.LeakyReLU(y, act_type="elu"),
    "scale": lambda F, y: y * 0.1,
    "dropout": lambda F, y: F.Dropout(y, p=0.5),
    "flatten": lambda F, y: F.flatten(y),
    "clip": lambda F, y: F.clip(y, -1, 1),
    "log": lambda F, y: F.log(F.exp(y)),
}


@settings(max_examples=25, deadline=None)
@given(tails=st.lists(st.sampled_from(sorted(KEEPING)), max_size=4), old=st.integers(0, 9), new=st.integers(0, 9))
def test_same_tail_behind_both_classifiers_gives_the_same_class(tails: list[str], old: int, new: int) -> None:
    def tail(F: Any, y: Any) -> Any:
        for name in tails:
            y = KEEPING[name](F, y)
        return y

    net, head = initialised(_Tail(tail)), nn.HybridSequential(prefix="h_")
    head.add(nn.Dense(10, prefix="h_end_"), nn.HybridLambda(tail, prefix="h_tail_"))
    block = gs.replace_head(net, initialised(head, seed=4), reuse_rows={new: old})
    x = normal(5, 3)
    assert same(block(x)[:, new], net(x)[:, old])


def test_tail_that_the_new_head_lacks_is_not_made() -> None:
    net, x = initialised(_Tail(lambda F, y: F.sigmoid(y / 2))), normal(5, 3)
    block = gs.replace_head(net, dense(), reuse_rows={0: 4})
    assert np.allclose(mx.nd.sigmoid(block(x)[:, 0] / 2).asnumpy(), net(x)[:, 4].asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("at", ["dense0_tanh_fwd", "dense1_fwd"])
def test_other_value_of_the_same_size_is_refused(at: str) -> None:
    net, head = layers(3), dense(in_units=4)
    words = (
        rf"(?s)'new_fwd' reads 'n_{at}', the old one 'n_dense2_fwd' read 'n_dense1_tanh_fwd'.*at='n_dense1_tanh_fwd'"
    )
    with unchanged(net, head), pytest.raises(gs.BindingError, match=words):
        gs.replace_head(net, head, at=at, reuse_rows={0: 3})


def test_value_that_is_only_reshaped_or_dropped_out_is_the_same() -> None:
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Conv2D(4, 3, in_channels=3, prefix="conv_"), nn.GlobalAvgPool2D(prefix="pool_"), nn.Flatten(prefix="f_"))
    net.add(nn.Dropout(0.5, prefix="drop_"), nn.Dense(5, in_units=4, prefix="end_"))
    x = normal(2, 3, 6, 6)
    initialised(net)
    for at in (None, "pool_fwd", "f_flatten0", "drop_fwd"):
        head = nn.HybridSequential(prefix="h_")
        head.add(nn.Dropout(0.1), nn.Flatten(), nn.Dense(3, prefix="h_end_"))
        block = gs.replace_head(net, initialised(head), at=at, reuse_rows={2: 1})
        assert same(block(x)[:, 2], net(x)[:, 1])


@pytest.mark.parametrize("what", ["weight", "bias"])
def test_head_that_shares_with_the_network_is_not_written_to(what: str) -> None:
    net = layers(3)

    class Sharing(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__(prefix="new_")
            own = self.params.get("own", shape=(4, 4) if what == "bias" else (4,))
            shared = getattr(net[1], what)
            self.params.update({shared.name: shared})
            self.weight, self.bias = (shared, own) if what == "weight" else (own, shared)
            own.initialize(mx.init.One())

        def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any) -> Any:
            return F.FullyConnected(x, weight, bias, num_hidden=4, name="end")

    head = Sharing()
    words = rf"(?s)would write into the network.*the network has 'n_dense1_{what}' too"
    with unchanged(net, head), pytest.raises(gs.BindingError, match=words):
        gs.replace_head(net, head, reuse_rows={0: 1})


def test_decoder_tied_to_the_embedding_is_not_written_to() -> None:
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Embedding(9, 4, prefix="e_"), nn.Dense(4, flatten=False, in_units=4, prefix="d_"))
    net.add(nn.Dense(9, flatten=False, in_units=4, use_bias=False, params=net[0].params))
    initialised(net)
    tied = nn.Dense(9, flatten=False, in_units=4, params=net[0].params)
    tied.bias.initialize()
    with unchanged(net, tied), pytest.raises(gs.BindingError, match=r"(?s)write into the network.*'e_weight'"):
        gs.replace_head(net, tied, reuse_rows={0: 4})
    block = gs.replace_head(net, dense(flatten=False), reuse_rows={0: 4})
    x = mx.nd.array([[1, 2, 3]])
    assert same(block(x)[:, :, 0], net(x)[:, :, 4])


WINDOWS: dict[str, tuple[dict[str, Any], str]] = {
    "pad": ({"padding": 1}, r"(?s)differ in pad\.\n  pad: new 1, old 0"),
    "stride": ({"strides": 2}, r"differ in stride"),
    "dilate": ({"dilation": 2, "padding": 2}, r"differ in pad and dilate"),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_convolutions_that_move_differently_are_refused(case: str) -> None:
    options, words = WINDOWS[case]
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Conv2D(4, 3, in_channels=3, prefix="a_"), nn.Conv2D(5, 3, in_channels=4, prefix="b_"))
    head = initialised(nn.Conv2D(2, 3, in_channels=4, prefix="new_", **options))
    with unchanged(initialised(net), head), pytest.raises(gs.BindingError, match=words):
        gs.replace_head(net, head, reuse_rows={0: 0})


def test_maps_may_be_pooled_resized_and_cropped_behind_a_convolution() -> None:
    def tail(F: Any, y: Any) -> Any:
        larger = F.UpSampling(F.Pooling(F.relu(y), kernel=(2, 2), pool_type="max"), scale=2, sample_type="nearest")
        return F.mean(larger, axis=(2, 3))

    first, end = nn.Conv2D(4, 1, in_channels=3, prefix="t_a_"), nn.Conv2D(5, 1, in_channels=4, prefix="t_b_")
    net, x = initialised(_Tail(tail, end, first)), normal(2, 3, 6, 6)
    head = nn.HybridSequential(prefix="h_")
    head.add(nn.Conv2D(5, 1, prefix="h_end_"), nn.HybridLambda(tail, prefix="h_tail_"))
    block = gs.replace_head(net, initialised(head, seed=2), reuse_rows={k: k for k in range(5)})
    assert same(block(x), net(x))


UNSIZED: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "flatten": (
        lambda: nn.Dense(5, in_units=4, flatten=False, prefix="end_"),
        lambda: nn.Dense(3, prefix="new_"),
        "flatten is True here and False in the old one",
    ),
    "no flatten": (
        lambda: nn.Dense(5, in_units=4, prefix="end_"),
        lambda: nn.Dense(3, flatten=False, prefix="new_"),
        "flatten is False here and True in the old one",
    ),
    "of a map": (
        lambda: nn.Conv2D(5, 1, in_channels=4, prefix="end_"),
        lambda: nn.Dense(3, prefix="new_"),
        "one is a FullyConnected, the old one a Convolution",
    ),
}


@pytest.mark.parametrize("case", UNSIZED)
def test_size_that_rows_do_not_tell_is_not_set(case: str) -> None:
    make_end, make_head, words = UNSIZED[case]
    end, head = make_end(), initialised(make_head())
    net = nn.HybridSequential(prefix="n_")
    first = nn.Conv2D(4, 1, in_channels=3, prefix="a_") if isinstance(end, nn.Conv2D) else None
    net.add(first or nn.Dense(4, in_units=3, flatten=False, prefix="a_"), nn.Activation("tanh"), end)
    with unchanged(initialised(net), head), pytest.raises(gs.BindingError, match=rf"(?s)size of 'new_weight'.*{words}"):
        gs.replace_head(net, head, reuse_rows={0: 0})


@pytest.mark.parametrize(("text", "keeps"), [("true", False), ("True", False), ("1", False), ("0", True), ("", True)])
def test_sum_over_all_axes_but_those_named_moves_classes_however_it_is_spelled(text: str, keeps: bool) -> None:
    node = Node("mean", "m", (), {"axis": "(2, 3)", **({"exclude": text} if text else {})}, (), ("m_output",))
    assert _keeps_classes(node, is_map=True) is keeps
