"""The table of what learns."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from mxnet import gluon
from samples import convolutional, layers, symbol_block

nn = gluon.nn


def test_rows_say_where_what_and_how() -> None:
    net = convolutional()
    net[8].weight.lr_mult, net[8].weight.wd_mult, net[8].weight.grad_req = 0.1, 0.0, "add"
    gs.freeze(net, "1")
    rows = {row.parameter: row for row in gs.trainable(net)}
    assert rows["c_dense0_weight"] == ("8", "c_dense0_weight", (5, 6), "float32", "add", 0.1, 0.0, "")
    assert rows["c_batchnorm0_running_var"] == (
        *("1", "c_batchnorm0_running_var", (4,), "float32", "null", 1.0, 1.0),
        "running statistics",
    )
    assert rows["c_body_batchnorm0_gamma"][-1] == "batch statistics"
    assert list(rows) == list(net.collect_params())


def test_totals_count_values_and_shapes_not_known() -> None:
    net = layers(2)
    gs.freeze(net, "0")
    table = gs.trainable(net)
    assert (table.trainable_count, table.frozen_count) == (20, 20)
    assert repr(table).splitlines()[-1] == "2 of 4 parameters learn: 20 values, 20 do not"
    deferred = nn.Dense(3, prefix="d_")
    assert gs.trainable(deferred)[0].shape == (3, 0)
    assert repr(gs.trainable(deferred)).splitlines()[1].split() == [
        "d_weight",
        "(3,",
        "?)",
        "float32",
        "write",
        "1",
        "1",
    ]
    assert repr(gs.trainable(deferred)).endswith("the shapes of 1 are not known yet")


def test_layers_of_a_piece_are_the_paths_of_its_network_and_of_a_file_the_nodes() -> None:
    net = convolutional()
    piece = gs.extract(net, "data", "dense0_fwd")
    paths = {row.parameter: row.layer for row in gs.trainable(net)}
    assert {row.parameter: row.layer for row in gs.trainable(piece)} == paths
    stock = {row.parameter: row.layer for row in gs.trainable(symbol_block(net))}
    assert stock["c_body_conv0_bias"] == "c_body_conv0_fwd"


def test_table_compares_with_its_rows() -> None:
    table = gs.trainable(layers(1))
    assert table == list(table) == gs.trainable(layers(1))
    assert table != list(table)[1:]
    assert len(table[0:1]) == 1
    assert hash(table) == hash(gs.trainable(layers(1)))


def test_two_modes_of_one_statistic_are_both_told() -> None:
    net = convolutional()
    whole = nn.HybridSequential(prefix="w_")
    piece = gs.extract(net, "data", "dropout0_fwd")
    whole.add(net, piece)
    gs.freeze(piece)
    rows = {row.parameter: row.batch_norm for row in gs.trainable(whole)}
    assert rows["c_batchnorm0_gamma"] == "batch and running statistics"
