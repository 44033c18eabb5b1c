"""What a block prints: its layers under their original block paths, with shapes and counts."""

from __future__ import annotations

from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from mxnet import gluon
from samples import CUTS, convolutional, initialised, layers, normal, symbol_block, triple
from snapshots import unchanged

nn = gluon.nn


def test_repr_shows_paths_shapes_and_counts() -> None:
    assert repr(gs.extract(convolutional(), *CUTS)) == "\n".join(
        [
            "SubgraphBlock(",
            "  inputs: c_batchnorm0_fwd_output",
            "  block     node                   operator      parameters              count",
            "  2         c_relu0_fwd            Activation",
            "  3.body.0  c_body_conv0_fwd       Convolution   (4, 4, 3, 3), (4,)        148",
            "  3.body.1  c_body_batchnorm0_fwd  BatchNorm     (4,), (4,), (4,), (4,)     16",
            "  3         c_sum__plus0           elemwise_add",
            "  4         c_dropout0_fwd         Dropout",
            "  5 operators, 6 parameters of 164 values",
            ")",
        ]
    )


def test_summary_shows_output_shapes_and_totals(capsys: pytest.CaptureFixture[str]) -> None:
    net = convolutional()
    net[3].body[0].bias.grad_req = "null"
    piece = gs.extract(net, *CUTS)
    with unchanged(net):
        piece.summary(normal(2, 4, 8, 8))
    rule = "-" * 73
    assert capsys.readouterr().out.splitlines() == [
        rule,
        "block     node                     operator      output shape  parameters",
        rule,
        "input     c_batchnorm0_fwd_output                (2, 4, 8, 8)",
        "2         c_relu0_fwd              Activation    (2, 4, 8, 8)           0",
        "3.body.0  c_body_conv0_fwd         Convolution   (2, 4, 8, 8)         148",
        "3.body.1  c_body_batchnorm0_fwd    BatchNorm     (2, 4, 8, 8)          16",
        "3         c_sum__plus0             elemwise_add  (2, 4, 8, 8)           0",
        "4         c_dropout0_fwd           Dropout       (2, 4, 8, 8)           0",
        rule,
        "164 parameter values, 152 trainable, 12 not trainable",
        rule,
    ]


@pytest.mark.parametrize("given", [(2, 4, 8, 8), [2, 4, 8, 8], normal(2, 4, 8, 8)], ids=["tuple", "list", "array"])
def test_summary_takes_arrays_and_shapes(given: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gs.extract(convolutional(), *CUTS).summary(given)
    assert "(2, 4, 8, 8)" in capsys.readouterr().out


def test_summary_of_a_hybridized_block_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    piece = gs.extract(convolutional(), *CUTS)
    piece.summary((1, 4, 8, 8))
    before = capsys.readouterr().out
    piece.hybridize(backend="MKLDNN")
    piece(normal(1, 4, 8, 8))
    piece.summary((1, 4, 8, 8))
    assert capsys.readouterr().out == before


def test_summary_of_deferred_shapes_counts_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    piece = gs.extract(convolutional(deferred=True), "data", "conv0_fwd")
    assert "(4, ?, 3, 3), (4,)" in repr(piece)
    piece.summary((1, 3, 8, 8))
    assert "4 parameter values" in capsys.readouterr().out
    piece(normal(1, 3, 8, 8)).wait_to_read()
    assert "(4, 3, 3, 3), (4,)" in repr(piece)


@pytest.mark.parametrize("source", [symbol_block, triple], ids=["symbol block", "triple"])
def test_repr_of_another_source_counts_the_same(source: Any) -> None:
    piece = gs.extract(source(convolutional()), *(f"c_{name}" for name in CUTS))
    assert "(4, 4, 3, 3), (4,)        148\n" in repr(piece)
    assert repr(piece).endswith("6 parameters of 164 values\n)")


def test_summary_counts_a_shared_parameter_once(capsys: pytest.CaptureFixture[str]) -> None:
    weight = mx.sym.var("weight")
    symbol = mx.sym.broadcast_mul(mx.sym.broadcast_mul(mx.sym.var("data"), weight, name="a"), weight, name="b")
    symbol = symbol + mx.sym.dot(weight, weight, name="square")
    piece = gs.extract((symbol, {"weight": mx.nd.ones((2, 2))}, {}), "data", symbol.name)
    piece.summary((2, 2))
    printed = capsys.readouterr().out
    assert [line.split()[-1] for line in printed.splitlines() if line.startswith("-  ")] == ["4", "4", "4", "0"]
    assert "4 parameter values, 4 trainable, 0 not trainable" in printed


def test_summary_of_several_outputs_shows_each_shape(capsys: pytest.CaptureFixture[str]) -> None:
    symbol = mx.sym.split(mx.sym.var("data"), num_outputs=2, name="split")
    gs.extract((symbol, {}, {}), "data", [("split", 0), ("split", 1)]).summary((3, 4))
    assert "SliceChannel  (3, 2), (3, 2)" in capsys.readouterr().out


def test_summary_of_a_parent_shows_the_piece(capsys: pytest.CaptureFixture[str]) -> None:
    net = layers(2)
    parent = nn.HybridSequential(prefix="p_")
    parent.add(gs.extract(net, "data", "dense0_fwd"), nn.Dense(2, in_units=4))
    initialised(parent[1])
    parent.summary(normal(1, 4))
    assert "SubgraphBlock-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], r"the block takes 1 input, 0 were given"),
        ([(2, 4), (2, 4)], r"the block takes 1 input, 2 were given"),
        ([(2, 5, 8, 8)], r"(?s)the shapes given do not fit the network.*Nothing was changed"),
        (["shape"], r"the shape of 'c_batchnorm0_fwd_output' is 'shape'"),
        ([(2, -1, 8, 8)], r"the shape of 'c_batchnorm0_fwd_output' is \(2, -1, 8, 8\)"),
        ([None], r"the shape of 'c_batchnorm0_fwd_output' is None"),
    ],
)
def test_summary_of_what_does_not_fit_is_refused(given: list[Any], message: str) -> None:
    net = convolutional()
    piece = gs.extract(net, *CUTS)
    with unchanged(net), pytest.raises(gs.SubgraphError, match=message):
        piece.summary(*given)
