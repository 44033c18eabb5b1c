"""reuse_rows: chosen classes of the old classifier go on in the new one, and everything is checked before."""

from __future__ import annotations

from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from heads_to_graft import Ends, dense
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, gluon
from samples import bits, convolutional, initialised, layers, normal, same, values
from snapshots import unchanged

nn = gluon.nn


@settings(max_examples=40, deadline=None)
@given(rows=st.dictionaries(st.integers(0, 5), st.integers(0, 4)), bias=st.booleans(), deferred=st.booleans())
def test_reused_classes_compute_what_they_did_and_the_others_are_left(
    rows: dict[int, int], bias: bool, deferred: bool
) -> None:
    net, x = convolutional(), normal(3, 3, 8, 8)
    head = dense(6, **({} if deferred else {"in_units": 6}))
    untouched = None if deferred else head.weight.data().copy()
    with unchanged(net):
        block = gs.replace_head(net, head, reuse_rows=rows)
    assert head.weight.shape == (6, 6)
    others = [k for k in range(6) if k not in rows]
    if rows:
        assert same(block(x)[:, list(rows)], net(x)[:, list(rows.values())])
    if untouched is not None and others:
        assert same(head.weight.data()[others], untouched[others])


def test_reused_rows_are_copies() -> None:
    net = layers(3)
    block = gs.replace_head(net, dense(), reuse_rows={0: 1})
    before = values(net)
    block.head.weight.data()[:] = 0
    assert values(net) == before


@pytest.mark.parametrize("kind", ["dense to convolution", "convolution to dense"])
def test_rows_pass_between_dense_and_pointwise_convolution(kind: str) -> None:
    net = nn.HybridSequential(prefix="n_")
    ends = [nn.Dense(5, in_units=4, prefix="end_"), nn.Conv2D(5, 1, in_channels=4, prefix="end_")]
    heads = [nn.Conv2D(3, 1, prefix="new_"), nn.Dense(3, prefix="new_")]
    k = kind.startswith("convolution")
    net.add(nn.Conv2D(4, 3, in_channels=3, prefix="conv_"), nn.GlobalAvgPool2D(), ends[k])
    head = initialised(heads[k], seed=3)
    x = normal(2, 3, 6, 6)
    block = gs.replace_head(initialised(net), head, reuse_rows={1: 4})
    assert np.allclose(block(x)[:, 1].asnumpy().ravel(), net(x)[:, 4].asnumpy().ravel(), rtol=1e-6)
    assert bits(head.weight.data()[1].reshape(-1)) == bits(ends[k].weight.data()[4].reshape(-1))


def test_bias_that_the_old_classifier_lacks_is_zero_in_the_rows() -> None:
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Dense(4, in_units=4, prefix="a_"), nn.Dense(5, in_units=4, use_bias=False, prefix="b_"))
    head = dense(3, in_units=4, bias_initializer="one")
    block = gs.replace_head(initialised(net), head, reuse_rows={2: 0})
    assert head.bias.data().asnumpy().tolist() == [1, 1, 0]
    assert same(block(normal(2, 4))[:, 2], net(normal(2, 4))[:, 0])


def test_rows_are_written_on_every_context() -> None:
    net, head = layers(2), nn.Dense(3, prefix="new_", in_units=4)
    net.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    head.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    gs.replace_head(net, head, reuse_rows={0: 3})
    assert [same(w[0], net[1].weight.data(mx.cpu(0))[3]) for w in head.weight.list_data()] == [True, True]


def _refused_rows() -> dict[str, tuple[Callable[[], Any], Any, str]]:
    known = {"in_units": 4}
    return {
        "a list": (lambda: dense(**known), [0], r"is a list, no mapping"),
        "new too large": (lambda: dense(**known), {3: 0}, r"new class 3 is none of the 3"),
        "new negative": (lambda: dense(**known), {-1: 0}, r"new class -1 is none of the 3"),
        "old too large": (lambda: dense(**known), {0: 4}, r"old class 4 is none of the 4 of 'n_dense1_fwd'"),
        "old is a truth value": (lambda: dense(**known), {0: True}, r"old class True is none"),
        "old is text": (lambda: dense(**known), {0: "cat"}, r"old class 'cat' is none"),
        "another row": (lambda: dense(in_units=5), {0: 0}, r"(?s)differ in shape.*new \(3, 5\) <- old \(4, 4\)"),
        "without bias": (lambda: dense(use_bias=False), {0: 0}, r"has a bias, the new one 'new_fwd' has none"),
        "not initialised": (lambda: nn.Dense(3, prefix="new_"), {0: 0}, r"(?s)not initialised.*head.initialize\(\)"),
        "no classifier": (lambda: nn.Flatten(prefix="new_"), {0: 0}, r"no classifier of its own"),
        "two classifiers": (lambda: _two_ends(), {0: 0}, r"the new head ends in 2 layers"),
        "hidden layer between": (lambda: _hidden(), {0: 0}, r"'new_dense1_fwd' reads 'new_dense0_fwd', the old one"),
        "a norm": (lambda: initialised(nn.BatchNorm(prefix="new_")), {0: 0}, r"is a BatchNorm with"),
    }


def _two_ends() -> gluon.HybridBlock:
    return initialised(Ends(prefix="new_"))


def _hidden() -> gluon.HybridBlock:
    head = nn.HybridSequential(prefix="new_")
    with head.name_scope():
        head.add(nn.Dense(7), nn.Dense(3))
    return initialised(head)


@pytest.mark.parametrize("case", _refused_rows())
def test_rows_that_make_no_sense_are_refused_and_nothing_is_changed(case: str) -> None:
    make, rows, words = _refused_rows()[case]
    net, head = layers(2), make()
    with unchanged(net, head), pytest.raises(gs.SubgraphError, match=words):
        gs.replace_head(net, head, reuse_rows=rows)


def _ending(end: gluon.HybridBlock) -> gluon.HybridBlock:
    net = nn.HybridSequential(prefix="n_")
    channels = 3 if end.weight.shape[1] == 3 else 4
    net.add(nn.Conv2D(channels, 3, in_channels=3, prefix="first_"), end)
    return initialised(net)


def test_rows_of_a_convolution_that_sees_neighbours_are_kept() -> None:
    net, x = _ending(nn.Conv2D(5, 3, in_channels=4, prefix="end_")), normal(2, 3, 8, 8)
    block = gs.replace_head(net, initialised(nn.Conv2D(5, 3, prefix="new_")), reuse_rows=dict(zip(range(5), range(5))))
    assert same(block(x), net(x))


SHAPES_APART: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "kernel": (
        lambda: nn.Conv2D(5, 3, in_channels=4, prefix="end_"),
        lambda: nn.Conv2D(2, 1, prefix="new_"),
        r"(?s)new \(2, 4, 1, 1\) <- old \(5, 4, 3, 3\)",
    ),
    "layout": (
        lambda: nn.Conv2D(5, 3, in_channels=3, prefix="end_"),
        lambda: nn.Conv2D(2, 3, in_channels=3, layout="NHWC", prefix="new_"),
        r"(?s)new \(2, 3, 3, 3\) NHWC <- old \(5, 3, 3, 3\)",
    ),
    "old groups": (
        lambda: nn.Conv2D(4, 3, in_channels=4, groups=2, prefix="end_"),
        lambda: nn.Conv2D(2, 3, prefix="new_"),
        r"the last layer of the old head, 'end_fwd', is a grouped Convolution",
    ),
    "new groups": (
        lambda: nn.Conv2D(4, 3, in_channels=4, prefix="end_"),
        lambda: nn.Conv2D(2, 3, groups=2, prefix="new_"),
        r"the last layer of the new head, 'new_fwd', is a grouped Convolution",
    ),
}


@pytest.mark.parametrize("case", SHAPES_APART)
def test_rows_of_another_kind_are_refused(case: str) -> None:
    make_end, make_head, words = SHAPES_APART[case]
    net = _ending(make_end())
    head = initialised(make_head())
    with unchanged(net, head), pytest.raises(gs.SubgraphError, match=words):
        gs.replace_head(net, head, reuse_rows={0: 0})


def test_network_without_values_has_no_rows() -> None:
    net, head = layers(2, initialise=False), dense()
    with unchanged(net, head), pytest.raises(gs.BindingError, match=r"(?s)'n_dense1_fwd' has no values.*Initialise"):
        gs.replace_head(net, head, reuse_rows={0: 0})


def test_rows_are_copied_while_a_gradient_is_recorded() -> None:
    net, head = layers(2), dense()
    with autograd.record():
        loss = gs.replace_head(net, head, reuse_rows={0: 3})(normal(2, 4)).sum()
    loss.backward()
    assert same(head.weight.data()[0], net[1].weight.data()[3])
    assert head.weight.grad().asnumpy().any()
