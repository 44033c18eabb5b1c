"""Transformers matched by names: blocks whose parts are defined in another order than they are computed."""

import itertools
import random

import pytest
from test_name_matching import Builder, shuffled

from gluon_subgraph.name_attention import are_other_parts, part_of_words, words_of_attention
from gluon_subgraph.name_blocks import Blocks, is_said_earlier, repeated_blocks
from gluon_subgraph.name_layers import path_of_name
from gluon_subgraph.name_matching import match_names
from gluon_subgraph.name_sequence import read_sequence
from gluon_subgraph.sides import Side


def vision_transformer(depth=3):
    """Return a transformer with its norms before attention and mlp, whose names tell no query from a key."""
    net, x = Builder(), 0
    x = net.dense("patch", x, 12, 16)
    for i in range(depth):
        cell = f"net_cell{i}_"
        y = net.add("LayerNorm", f"{cell}norm0", x, shapes=[(16,)] * 2)
        query, key, value = (net.dense(f"{cell}dense{k}", y, 16, 16) for k in range(3))
        y = net.add("softmax", f"{cell}attention", net.add("batch_dot", f"{cell}scores", query, key))
        y = net.dense(f"{cell}dense3", net.add("batch_dot", f"{cell}mix", y, value), 16, 16)
        x = net.add("elemwise_add", f"{cell}sum0", y, x)
        y = net.add("LayerNorm", f"{cell}norm1", x, shapes=[(16,)] * 2)
        y = net.dense(f"{cell}dense5", net.dense(f"{cell}dense4", y, 16, 64), 64, 16)
        x = net.add("elemwise_add", f"{cell}sum1", y, x)
    return net.side(net.dense("head", net.add("LayerNorm", "net_norm0", x, shapes=[(16,)] * 2), 16, 5))


PARTS = ("dense0", "dense1", "dense2", "dense3", "norm0", "norm1", "dense4", "dense5")


def source_of(target, words, order, final="norm"):
    """Return the names in another way: `words` for PARTS, defined in an order within each block."""
    depth = sum(name.endswith("norm1_gamma") for name in target.shapes)
    layers = [("patch", "embed.projection")]
    layers += [(f"net_cell{i}_{PARTS[k]}", f"layer.{i}.{words[k]}") for i in range(depth) for k in order]
    layers += [("net_norm0", final), ("head", "classifier")]
    truth = {}
    for ours, theirs in layers:
        for role, word in (("weight", "weight"), ("bias", "bias"), ("gamma", "weight"), ("beta", "bias")):
            if f"{ours}_{role}" in target.shapes:
                truth[f"{ours}_{role}"] = f"{theirs}.{word}"
    return Side({other: target.shapes[name] for name, other in truth.items()}), truth


NAMINGS = {
    "projections": ["att.q_proj", "att.k_proj", "att.v_proj", "att.o_proj", "norm_before", "norm_after", "fc1", "fc2"],
    "dense": [
        *("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
        *("layernorm_before", "layernorm_after", "intermediate.dense", "output.dense"),
    ],
    "keys first": ["attn.q", "attn.k", "attn.v", "attn.proj", "pre_norm", "post_norm", "mlp.0", "mlp.2"],
}


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6, 7), (1, 2, 0, 3, 4, 6, 7, 5), (5, 4, 3, 2, 1, 0, 7, 6)])
def test_blocks_defined_in_another_order_are_bound_by_their_names(naming, order):
    target = vision_transformer()
    source, truth = source_of(target, NAMINGS[naming], order)
    assert match_names(target, source).mapping == truth
    assert match_names(target, shuffled(source)).mapping == truth
    assert match_names(source, target).mapping == {other: name for name, other in truth.items()}


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 2))))
def test_projections_whose_names_say_nothing_are_never_bound_by_their_order(order):
    target = vision_transformer()
    words = ["att.x", "att.y", "att.z", "att.u", "norm1", "norm2", "fc1", "fc2"]
    source, truth = source_of(target, words, (4, *order, 3, 5, 6, 7))
    for names in (source, shuffled(source)):
        found = match_names(target, names)
        assert found.mapping.items() <= truth.items()
        assert not any(f".att.{letter}." in other for other in found.mapping.values() for letter in "xyz")


def test_norms_whose_numbers_contradict_their_order_are_not_bound_wrongly():
    target = vision_transformer()
    words = ["att.q", "att.k", "att.v", "att.o", "norm2", "norm1", "fc1", "fc2"]
    for seed in range(3):
        order = list(range(8))
        random.Random(seed).shuffle(order)
        order.sort(key=lambda k: k == 5)  # the second norm, which is called the first, comes last
        source, truth = source_of(target, words, order)
        assert match_names(target, source).mapping.items() <= truth.items()


def test_attention_says_what_its_layers_are():
    words = read_sequence(vision_transformer(1)).words
    assert [part_of_words(there) for there in words[2:6]] == ["query", "key", "value", ""]
    assert words_of_attention([]) == {}


def test_parts_of_an_attention_are_known_by_long_and_short_words():
    assert part_of_words(["self", "q", "proj"]) == part_of_words(["query"]) == "query"
    assert part_of_words(["q", "k"]) == part_of_words(["out"]) == ""
    assert are_other_parts(["query", "key"], ["key", ""])
    assert not are_other_parts(["", ""], ["key", ""])
    assert not are_other_parts(["key", "query"], ["query", "key"])


def test_repeated_blocks_are_cut_by_stretches_across_their_ends():
    names = [f"net.cell{i}.{part}.weight" for i in range(3) for part in ("a", "b")] + ["net.end.weight"]
    blocks = repeated_blocks([path_of_name(name) for name in names], [0, 1] * 3 + [2])
    assert blocks.are_cut(1, 3)
    assert not blocks.are_cut(2, 4)
    assert not blocks.are_cut(0, 6)
    assert not blocks.are_cut(2, 3) or blocks.starts == [(0, 2), (2, 4), (4, 6)]
    assert not Blocks([]).are_cut(0, 9)


def test_words_tell_which_comes_first():
    assert is_said_earlier(("norm", "before"), ("norm", "after"))
    assert not is_said_earlier(("norm", "after"), ("norm", "before"))
    assert not is_said_earlier(("norm", "before"), ("drop", "after"))
    assert not is_said_earlier(("before",), ("norm", "after"))
