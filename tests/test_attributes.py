"""Attributes at which MXNet ends the process, and those that only look like them."""

from __future__ import annotations

import pytest
from random_graphs import node_of

from gluon_subgraph.attributes import check_attributes
from gluon_subgraph.errors import SubgraphError
from gluon_subgraph.graph import Graph, Node


def graph_of(node: Node) -> Graph:
    return Graph((node_of("null", "x"), node), ())


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("Convolution", {"num_group": "0"}),
        ("Convolution", {"num_group": "-1"}),
        ("Convolution", {"num_group": "99999999999999999999999"}),
        ("Deconvolution", {"num_group": "0"}),
        ("Convolution", {"dilate": "(1, 2147483647)"}),
        ("GroupNorm", {"num_groups": "0"}),
        ("SliceChannel", {"num_outputs": "2147483647"}),
        ("Correlation", {"stride2": "0"}),
        ("Correlation", {"pad_size": "-1"}),
        ("_contrib_arange_like", {"repeat": "0"}),
        ("_contrib_interleaved_matmul_selfatt_qk", {"heads": "0"}),
        ("UpSampling", {"sample_type": "bilinear", "scale": "2"}),
        ("UpSampling", {"sample_type": "bilinear", "num_filter": "0"}),
        ("_foreach", {"in_data_locs": "[1]"}),
        ("_foreach", {"in_data_locs": "[0]", "in_state_locs": "[0]"}),
        ("_foreach", {"in_data_locs": "[0]", "num_outputs": "1", "num_out_data": "2"}),
        ("_while_loop", {"num_outputs": "1", "num_out_data": "2"}),
    ],
)
def test_check_attributes_value_that_crashes_is_refused_in_bodies_too(op: str, attrs: dict[str, str]) -> None:
    node = node_of(op, "n", [0], **attrs)
    text = f"{op} 'n' has .*, at which MXNet crashes(.|\n)*export the network anew; nothing was changed"
    with pytest.raises(SubgraphError, match=text):
        check_attributes(graph_of(node))
    inner = {"op": op, "name": "n", "attrs": attrs, "inputs": [[0, 0, 0]]}
    middle = {"op": "_cond", "name": "c", "inputs": [], "subgraphs": [{"nodes": [inner]}]}
    outer = node_of("_cond", "outer", [0])._replace(bodies=({"nodes": [middle]},))
    with pytest.raises(SubgraphError, match=text):
        check_attributes(graph_of(outer))


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("Convolution", {"num_group": "32", "dilate": "(2, 2)"}),
        ("Convolution", {"dilate": "()"}),
        ("_contrib_PSROIPooling", {"group_size": "0", "pooled_size": "7"}),
        ("UpSampling", {"sample_type": "nearest", "num_filter": "0"}),
        ("UpSampling", {"sample_type": "bilinear", "num_filter": "3"}),
        ("split_v2", {"sections": "0", "indices": "(0, 1)"}),
        ("repeat", {"repeats": "0"}),
        ("Custom", {"op_type": "mine", "repeat": "none"}),
        (
            "_foreach",
            {
                "in_data_locs": "[0]",
                "in_state_locs": "[]",
                "remain_locs": "[]",
                "num_outputs": "2",
                "num_out_data": "1",
            },
        ),
        ("null", {"num_group": "0"}),
        ("Correlation", {"pad_size": "0", "stride2": "1"}),
    ],
)
def test_check_attributes_value_that_is_fine_passes(op: str, attrs: dict[str, str]) -> None:
    check_attributes(graph_of(node_of(op, "n", [0] if op != "null" else [], **attrs)))
