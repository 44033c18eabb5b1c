"""What neither names nor the order of a file can tell, values that are not what they seem, and limits of time."""

import random
import time

import pytest
from test_name_matching import Builder

from gluon_subgraph.graph import Entry, Graph, Node
from gluon_subgraph.matching import match
from gluon_subgraph.name_layers import read_name_layers
from gluon_subgraph.sides import Side

WIDTHS = [(3, 8), (8, 12), (12, 16), (16, 24), (24, 32)]


def trunk(prefix, last=()):
    """Return the names of a chain of convolutions, then of layers of other names, (name, shapes)."""
    names = {f"{prefix}.{k}.weight": (o, i, 3, 3) for k, (i, o) in enumerate(WIDTHS)}
    for name, *shapes in last:
        names.update(zip((f"{name}.weight", f"{name}.bias"), shapes))
    return Side(names)


def normalised(fixed, words):
    """Return convolutions with normalisations of which some take their scale to be 1."""
    net, x, width = Builder(), 0, 3
    for word, is_fixed in zip(words, fixed):
        x = net.norm(f"{word}n", net.conv(f"{word}c", x, width, 8), 8)
        net.nodes[-1] = net.nodes[-1]._replace(attrs={"fix_gamma": str(is_fixed)})
        width = 8
    return net.side(x)


def test_pairs_are_not_given_the_value_of_what_they_replace():
    target, source = normalised([False, False], "ab"), normalised([True, False], "pq")
    assert match(target, source).transforms["an_gamma"] == "ones"
    found = match(target, source, pairs={"an_gamma": "qn_gamma"})
    assert (found.mapping["an_gamma"], found.transforms["an_gamma"]) == ("qn_gamma", "same")


@pytest.mark.parametrize("words", [["c", "n"], ["conv", "norm"]])
def test_scales_that_the_source_takes_to_be_1_are_1_in_a_target_of_names_alone(words):
    source = normalised([True, True], "pq")
    names = {f"net.{words[name[1] == 'n']}{'pq'.index(name[0])}{name[2:]}": s for name, s in source.shapes.items()}
    found = match(Side({name.replace("_", ".", 1): shape for name, shape in names.items()}), source)
    scales = [name for name in found.mapping if name.endswith("gamma")]
    assert len(scales) == 2
    assert {found.transforms[name] for name in found.mapping} == {"ones", "same"}
    assert [found.transforms[name] for name in scales] == ["ones", "ones"]


HEADS = [((10, 32), (10,)), ((32, 32, 3, 3), (32,))]


@pytest.mark.parametrize("shapes", HEADS)
def test_order_of_two_files_does_not_pair_layers_of_other_words(shapes):
    target = trunk("features", [("age", *shapes), ("sex", *shapes)])
    source = trunk("body", [("gender", *shapes), ("years", *shapes)])
    found = match(target, source)
    assert set(found.mapping) == {f"features.{k}.weight" for k in range(len(WIDTHS))}
    assert found.ambiguous["age.weight"].candidates == ("gender.weight", "years.weight")


def test_layers_that_are_a_product_alone_keep_their_place_in_the_definition():
    net, names, ends = Builder(), {"net.stem.weight": (8, 3, 3, 3)}, []
    stem = net.conv("stem", 0, 3, 8)
    for k, kernel in enumerate((1, 3)):
        x = net.conv(f"b{k}", stem, 8, 8, kernel)
        net.shapes[f"b{k}_scale"] = (8, 1, 1)
        net.nodes.append(Node("null", f"b{k}_scale", outputs=(f"b{k}_scale",)))
        scale = Entry(len(net.nodes) - 1)
        net.nodes.append(Node("broadcast_mul", f"b{k}_mul", (Entry(x), scale), outputs=(f"b{k}_mul_output",)))
        ends.append(len(net.nodes) - 1)
        names.update({f"net.br{k}.conv.weight": (8, 8, kernel, kernel), f"net.scale{k}.gamma": (8, 1, 1)})
    target = net.side(net.dense("head", net.add("elemwise_add", "sum", *ends), 8, 4))
    names.update({"net.head.weight": (4, 8), "net.head.bias": (4,)})
    found = match(target, Side(names))
    assert found.mapping == dict(zip(target.shapes, names))


def test_many_heads_of_one_shape_are_left_open_in_time():
    net, x, names = Builder(), 0, {}
    for k, (n_in, n_out) in enumerate(WIDTHS):
        x = net.conv(f"c{k}", x, n_in, n_out)
        names[f"trunk.conv{k}.weight"] = (n_out, n_in, 3, 3)
    ends = [net.dense(f"h{k}", x, 32, 2) for k in range(60)]
    for k in range(60):
        word = "".join(random.Random(k).choices("abcdefghijklmnop", k=7))
        names.update({f"{word}.weight": (2, 32), f"{word}.bias": (2,)})
    target = Side(net.shapes, Graph(tuple(net.nodes), tuple(map(Entry, ends))))
    start = time.process_time()
    found = match(target, Side(names))
    assert time.process_time() - start < 5
    assert set(found.mapping) <= {f"c{k}_weight" for k in range(len(WIDTHS))}


def test_names_that_repeat_their_own_words_are_layers():
    names = {"weight": (1,), "W.bias": (1,), "W.W.bias": (2,), "W": (3,)}
    found = [name for layer in read_name_layers(names) for name in layer.parameters]
    assert sorted(found) == sorted(names)
