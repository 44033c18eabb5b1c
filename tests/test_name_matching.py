"""Matching by names and shapes: what is bound is right, and what is not certain is not bound."""

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from gluon_subgraph.graph import Entry, Graph, Node
from gluon_subgraph.name_matching import match_names
from gluon_subgraph.sides import Side

_ROLES = {
    "Convolution": ("weight", "bias"),
    "FullyConnected": ("weight", "bias"),
    "BatchNorm": ("gamma", "beta", "running_mean", "running_var"),
    "LayerNorm": ("gamma", "beta"),
}


class Builder:
    """A network written down operator by operator."""

    def __init__(self):
        self.nodes, self.shapes = [Node("null", "data", outputs=("data",))], {}

    def add(self, op, name, *inputs, shapes=()):
        entries = [Entry(i) for i in inputs]
        for role, shape in zip(_ROLES.get(op, ()), shapes):
            self.shapes[f"{name}_{role}"] = shape
            entries.append(Entry(len(self.nodes)))
            self.nodes.append(Node("null", f"{name}_{role}", outputs=(f"{name}_{role}",)))
        self.nodes.append(Node(op, name, tuple(entries), outputs=(f"{name}_output",)))
        return len(self.nodes) - 1

    def conv(self, name, x, n_in, n_out, kernel=3):
        return self.add("Convolution", name, x, shapes=[(n_out, n_in, kernel, kernel)])

    def norm(self, name, x, size):
        return self.add("BatchNorm", name, x, shapes=[(size,)] * 4)

    def dense(self, name, x, n_in, n_out):
        return self.add("FullyConnected", name, x, shapes=[(n_out, n_in), (n_out,)])

    def side(self, output):
        return Side(self.shapes, Graph(tuple(self.nodes), (Entry(output),)))


def residual(blocks=(2, 2), classes=10, has_adapter=False):
    """Return a small ResNet, and its names in PyTorch's way with their truth."""
    net, truth = Builder(), {}

    def unit(name, torch, x, n_in, n_out, kernel=3):
        convolution, norm = name
        x = net.norm(norm, net.conv(convolution, x, n_in, n_out, kernel), n_out)
        for role, word in zip(_ROLES["BatchNorm"], ("weight", "bias", "running_mean", "running_var")):
            truth[f"{norm}_{role}"] = f"{torch[1]}.{word}"
        truth[f"{convolution}_weight"] = f"{torch[0]}.weight"
        return x

    x = unit(("stem_conv", "stem_norm"), ("conv1", "bn1"), 0, 3, 8)
    n_in, count = 8, 0
    for stage, number in enumerate(blocks):
        n_out = 8 * 2**stage
        for block in range(number):
            torch = f"layer{stage + 1}.{block}."
            y = x
            for k in range(2):
                names = f"net_conv{count}", f"net_norm{count}"
                y = unit(names, (f"{torch}conv{k + 1}", f"{torch}bn{k + 1}"), y, n_in if k == 0 else n_out, n_out)
                count += 1
            if n_in != n_out:
                names = f"net_down{stage}", f"net_downnorm{stage}"
                x = unit(names, (f"{torch}downsample.0", f"{torch}downsample.1"), x, n_in, n_out, 1)
            x = net.add("elemwise_add", f"sum{count}", y, x)
            n_in = n_out
        if has_adapter:
            x = net.norm(f"adapternorm{stage}", net.conv(f"adapter{stage}", x, n_in, n_in, 5), n_in)
    x = net.dense("head", x, n_in, classes)
    truth.update({"head_weight": "fc.weight", "head_bias": "fc.bias"})
    return net.side(x), truth


def named(side, truth):
    """Return the names-only side of a truth, in the order of the target's definition."""
    return Side({truth[name]: side.shapes[name] for name in side.shapes if name in truth})


def shuffled(side, seed=0):
    names = list(side.shapes)
    random.Random(seed).shuffle(names)
    return Side({name: side.shapes[name] for name in names}, side.graph, side.paths)


def transformer(words, depth=2):
    net, truth = Builder(), {}
    x = 0
    for i in range(depth):
        parts = [net.dense(f"cell{i}_{word}", x, 16, 16) for word in words]
        truth.update(
            (f"cell{i}_{word}_{role}", f"encoder.layer.{i}.attention.self.{torch}.{role}")
            for word, torch in zip(words, ("query", "key", "value"))
            for role in ("weight", "bias")
        )
        y = net.add("softmax", f"attention{i}", net.add("batch_dot", f"dot{i}", parts[0], parts[1]))
        y = net.dense(f"cell{i}_proj", net.add("batch_dot", f"mix{i}", y, parts[2]), 16, 16)
        x = net.add("LayerNorm", f"cell{i}_ln", net.add("elemwise_add", f"sum{i}", y, x), shapes=[(16,)] * 2)
        y = net.dense(f"cell{i}_ffn2", net.dense(f"cell{i}_ffn1", x, 16, 64), 64, 16)
        x = net.add("LayerNorm", f"cell{i}_ffnln", net.add("elemwise_add", f"more{i}", y, x), shapes=[(16,)] * 2)
        layer = f"encoder.layer.{i}."
        for ours, theirs in (
            ("proj", "attention.output.dense"),
            ("ffn1", "intermediate.dense"),
            ("ffn2", "output.dense"),
        ):
            truth.update((f"cell{i}_{ours}_{role}", f"{layer}{theirs}.{role}") for role in ("weight", "bias"))
        for ours, theirs in (("ln", "attention.output.LayerNorm"), ("ffnln", "output.LayerNorm")):
            truth[f"cell{i}_{ours}_gamma"] = f"{layer}{theirs}.weight"
            truth[f"cell{i}_{ours}_beta"] = f"{layer}{theirs}.bias"
    return net.side(x), truth


def test_listed_names_of_a_residual_network_are_all_bound():
    target, truth = residual()
    found = match_names(target, named(target, truth))
    assert found.mapping == truth
    assert set(found.transforms.values()) == {"same"}
    assert found.mapping.keys() == found.evidence.keys()
    assert not found.missing
    assert not found.extra


def test_shuffled_names_of_a_residual_network_are_all_bound():
    target, truth = residual(blocks=(2, 2, 3))
    assert match_names(shuffled(target), shuffled(named(target, truth), 1)).mapping == truth


def test_exchanged_sides_give_the_mirror_image():
    target, truth = residual()
    source = shuffled(named(target, truth))
    there, back = match_names(target, source), match_names(source, target)
    assert {other: name for name, other in back.mapping.items()} == there.mapping


def test_head_of_other_classes_is_a_mismatch():
    target, truth = residual(classes=7)
    source, _ = residual(classes=10)
    found = match_names(target, named(source, truth))
    assert found.mismatched["head_weight"].source == "fc.weight"
    assert found.mapping == {name: other for name, other in truth.items() if not name.startswith("head")}


def test_inserted_layers_are_missing_and_take_nothing():
    target, truth = residual(has_adapter=True)
    plain, _ = residual()
    found = match_names(target, named(plain, truth))
    assert found.mapping == truth
    assert all(name.startswith("adapter") for name in found.missing)


def test_networks_of_other_depths_share_nothing():
    target, _ = residual(blocks=(3, 3))
    other, truth = residual(blocks=(2, 2))
    assert match_names(target, named(other, truth)).mapping == {}
    assert match_names(other, Side(target.shapes)).mapping == {}


def test_stretch_of_the_names_is_bound_where_it_belongs():
    target, truth = residual(blocks=(2, 2, 2))
    names = list(named(target, truth).shapes)[10:-12]
    source = Side({name: named(target, truth).shapes[name] for name in names})
    assert match_names(target, source).mapping == {name: other for name, other in truth.items() if other in names}


def test_words_tell_query_key_and_value_apart():
    target, truth = transformer(("key_proj", "query_proj", "value_proj"))
    truth = dict(truth.items())
    for i in range(2):
        for role in ("weight", "bias"):
            query, key = f"cell{i}_query_proj_{role}", f"cell{i}_key_proj_{role}"
            truth[query], truth[key] = truth[key], truth[query]
    found = match_names(target, shuffled(named(target, truth)))
    assert found.mapping == truth


def test_without_words_the_graph_tells_query_key_and_value_apart():
    target, truth = transformer(("a", "u", "x"))
    assert match_names(target, named(target, truth)).mapping == truth
    assert match_names(target, shuffled(named(target, truth))).mapping == truth


def test_where_no_words_tell_query_key_and_value_they_are_ambiguous_and_the_rest_is_bound():
    target, truth = transformer(("a", "u", "x"))
    for word, other in (("query", "rho"), ("key", "sigma"), ("value", "tau")):
        truth = {name: theirs.replace(word, other) for name, theirs in truth.items()}
    found = match_names(target, shuffled(named(target, truth)))
    certain = {name: other for name, other in truth.items() if ".self." not in other}
    assert found.mapping == certain
    assert truth["cell0_a_weight"] in found.ambiguous["cell0_a_weight"].candidates
    assert len(found.ambiguous["cell0_a_weight"].candidates) == 3


def with_norms_in_halves(source, words=("bn", "scale")):
    """Return names in which scale and bias of a normalisation are a layer of another name."""
    renamed = {}
    for name in source.shapes:
        layer, role = name.rsplit(".", 1)
        is_affine = f"{layer}.running_mean" in source.shapes and role in ("weight", "bias")
        renamed[name] = name.replace(*words) if is_affine else name
    return renamed


def test_normalisations_in_two_halves_of_names_are_joined():
    target, truth = residual()
    source = named(target, truth)
    renamed = with_norms_in_halves(source)
    halves = Side({renamed[name]: shape for name, shape in source.shapes.items()})
    truth = {name: renamed[other] for name, other in truth.items()}
    assert match_names(target, halves).mapping.items() <= truth.items()
    bound = match_names(target, halves).mapping.keys()
    assert {name for name in truth if name.startswith("net_norm")} <= bound
    assert match_names(target, shuffled(halves)).mapping.items() <= truth.items()


def test_normalisations_without_a_scale_are_bound_but_for_it():
    target, truth = residual()
    truth = {name: other for name, other in truth.items() if not name.endswith("gamma")}
    found = match_names(target, named(target, truth))
    assert found.mapping == truth
    assert set(found.missing) == {name for name in target.shapes if name.endswith("gamma")}


def test_convolutions_with_a_bias_on_one_side_only_are_not_bound():
    target, truth = residual()
    source = named(target, truth).shapes
    biased = dict(source)
    biased.update({n.replace("weight", "bias"): s[:1] for n, s in source.items() if len(s) == 4})
    found = match_names(target, Side(biased))
    assert not any(len(target.shapes[name]) == 4 for name in found.mapping)


def test_kernels_of_another_layout_are_not_bound():
    target, truth = residual()
    source = named(target, truth).shapes
    turned = Side({n: (s[2], s[3], s[1], s[0]) if len(s) == 4 else s for n, s in source.items()})
    found = match_names(target, turned)
    assert not any(len(target.shapes[name]) == 4 for name in found.mapping)


def test_scales_that_the_target_takes_to_be_1_say_so():
    target, truth = residual()  # fix_gamma is True where an operator does not say otherwise
    found = match_names(target, named(target, truth))
    said = {name for name, why in found.evidence.items() if why.endswith("the target takes it to be 1")}
    assert said == {name for name in target.shapes if name.endswith("gamma")}


def chain(sizes, names):
    net, x, truth = Builder(), 0, {}
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        x = net.dense(f"dense{i}", x, n_in, n_out)
        truth.update((f"dense{i}_{role}", f"{names[i]}.{role}") for role in ("weight", "bias"))
    return net.side(x), truth


def test_equal_layers_under_words_that_say_nothing_are_not_bound():
    target, truth = chain([16] * 6, ["eps", "gam", "alpha", "delta", "phi"])
    found = match_names(target, named(target, truth))
    assert found.mapping == {}
    assert found.ambiguous.keys() == truth.keys()


def test_opaque_names_are_not_bound():
    target, truth = chain([16, 8, 4, 2], ["p3", "p1", "p2"])
    source = Side({f"p{i:05}": target.shapes[name] for i, name in enumerate(truth)})
    assert match_names(target, source).mapping == {}


def test_transposed_matrices_are_bound_but_not_square_ones():
    target, truth = chain([12, 16, 16, 4], ["fc1", "fc2", "fc3"])
    source = Side({truth[name]: shape[::-1] for name, shape in target.shapes.items()})
    found = match_names(target, source)
    assert found.transforms["dense0_weight"] == "transpose"
    assert found.transforms["dense2_weight"] == "transpose"
    assert "dense1_weight" in found.ambiguous


def test_pointwise_convolution_is_bound_to_a_dense_layer():
    target, truth = chain([12, 16, 4], ["fc1", "fc2"])
    source = Side({truth[n]: (*shape, 1, 1) if len(shape) == 2 else shape for n, shape in target.shapes.items()})
    found = match_names(target, source)
    assert found.mapping == truth
    assert found.transforms["dense0_weight"] == "reshape"


def test_branches_that_only_numbers_tell_apart_are_ambiguous():
    net = Builder()
    stem = net.dense("stem", 0, 4, 16)
    out = net.add("elemwise_add", "sum", net.dense("left", stem, 16, 16), net.dense("right", stem, 16, 16))
    target = shuffled(net.side(net.dense("end", out, 16, 3)), 3)
    truth = {"stem": "in", "left": "branch1", "right": "branch2", "end": "out"}
    source = Side({f"{truth[n.rsplit('_', 1)[0]]}.{n.rsplit('_', 1)[1]}": s for n, s in target.shapes.items()})
    found = match_names(target, source)
    assert {name.split("_")[0] for name in found.mapping} == {"stem", "end"}
    assert {name.split("_")[0] for name in found.ambiguous} == {"left", "right"}


def test_empty_sides_give_an_empty_matching():
    assert match_names(Side({}), Side({})).mapping == {}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([4, 8, 16]), min_size=4, max_size=12), st.integers(0, 5))
def test_numbered_layers_are_bound_in_any_order(sizes, seed):
    target, truth = chain(sizes, [f"net.fc{i}" for i in range(len(sizes))])
    source = named(target, truth)
    assert match_names(target, source).mapping == truth
    found = match_names(shuffled(target, seed), shuffled(source, seed + 1)).mapping
    assert found.items() <= truth.items()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 99), st.booleans())
def test_shuffling_never_binds_wrongly_and_never_twice(blocks, seed, has_adapter):
    target, truth = residual(tuple(blocks), has_adapter=has_adapter)
    plain, _ = residual(tuple(blocks))
    found = match_names(target, shuffled(named(plain, truth), seed))
    assert found.mapping.items() <= truth.items()
    assert len(set(found.mapping.values())) == len(found.mapping)
    named_once = [*found.mapping, *found.mismatched, *found.ambiguous, *found.missing]
    assert sorted(named_once) == sorted(target.shapes)


def test_four_hundred_layers_are_matched_in_well_under_a_second():
    target, truth = residual(blocks=(16, 40, 40))
    source = named(target, truth)
    start = time.perf_counter()
    assert match_names(target, source).mapping == truth
    assert time.perf_counter() - start < 2.0  # a wide margin for busy machines
