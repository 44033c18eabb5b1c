"""Names in an order of their own: counted down, one unit after the other, or another order within a block."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_name_matching import Builder

from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side


def autoencoder(depth):
    """Return layers that narrow and widen again, with names of which the second half counts down."""
    net, truth, x = Builder(), {}, 0
    widths = [8] * depth + [4] + [8] * depth
    for k, (n_in, n_out) in enumerate(zip([8, *widths], widths)):
        x = net.dense(f"fc{k}", x, n_in, n_out)
        name = f"encoder_{k}" if k <= depth else f"decoder_{2 * depth - k}"
        truth.update((f"fc{k}_{role}", f"{name}.{role}") for role in ("weight", "bias"))
    return net.side(x), truth


@pytest.mark.parametrize("depth", range(3, 7))
def test_names_that_a_file_counts_down_are_bound(depth):
    target, truth = autoencoder(depth)
    source = Side({truth[name]: shape for name, shape in target.shapes.items()})
    assert match(target, source).mapping == truth
    assert match(source, target).mapping == {s: t for t, s in truth.items()}


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_names_counted_down_in_a_shuffled_file_bind_nothing_wrong(depth, seed):
    target, truth = autoencoder(depth)
    items = [(truth[name], shape) for name, shape in target.shapes.items()]
    random.Random(seed).shuffle(items)
    found = match(target, Side(dict(items))).mapping
    assert found.items() <= truth.items()


def blocks(scale_first):
    """Return two stages of blocks (kernel, expansion, reduction, scale), and the names of a stretch of them."""
    net, truth = Builder(), {}
    x = net.conv("stem", 0, 3, 4)
    for stage, (width, count) in enumerate([(4, 2), (6, 3)]):
        x = net.conv(f"down{stage}", x, 4, width, 2)
        truth.update({"down1_weight": "stages.1.down.weight"} if stage else {})
        for block in range(count):
            name, own = f"s{stage}b{block}", {}
            for part, n_in, n_out, kernel in (("dw", 1, width, 7), ("up", width, 24, 1), ("lower", 24, width, 1)):
                x = net.conv(f"{name}{part}", x, n_in, n_out, kernel)
                own[f"{name}{part}_weight"] = f"stages.{stage}.{block}.{part}.weight"
            x = net.add("Convolution", f"{name}scale", x, shapes=[(width, 1, 1, 1)])
            scale = {f"{name}scale_weight": f"stages.{stage}.{block}.scale.weight"}
            if (stage, block) in [(0, 1), (1, 0), (1, 1)]:
                truth.update({**scale, **own} if scale_first else {**own, **scale})
    x = net.dense("head", x, 6, 3)
    return net.side(x), truth


@pytest.mark.parametrize("scale_first", [True, False])
def test_stretch_whose_blocks_are_listed_in_another_order_is_bound(scale_first):
    target, truth = blocks(scale_first)
    source = Side({theirs: target.shapes[ours] for ours, theirs in truth.items()})
    assert match(target, source).mapping == truth


def test_stretch_of_units_that_are_counted_is_bound():
    """Three units of one shape after others: shapes say where, the numbers of two words in which order."""
    net, truth, x, width = Builder(), {}, 0, 3
    for k, size in enumerate([4, 8, 16, 16, 16, 16]):
        x = net.norm(f"norm{k}", net.conv(f"conv{k}", x, width, size), size)
        width = size
        if k > 2:
            unit = f"stage{1 + k // 4}.unit{1 + k % 4}"
            truth[f"conv{k}_weight"] = f"{unit}.conv.weight"
            for role, word in (("gamma", "weight"), ("beta", "bias"), ("running_mean",) * 2, ("running_var",) * 2):
                truth[f"norm{k}_{role}"] = f"{unit}.bn.{word}"
    target = net.side(net.dense("head", x, 16, 3))
    source = Side({theirs: target.shapes[ours] for ours, theirs in truth.items()})
    assert match(target, source).mapping == truth


def bottlenecks(is_shortcut_first, seed):
    """Return units whose shortcut has the shape of their last layer, and names by number and letter, shuffled."""
    net, truth = Builder(), {"stem_weight": "conv1_weight", "head_weight": "fc9_weight", "head_bias": "fc9_bias"}

    def unit(own, name, x, n_in, n_out, kernel):
        truth[f"{own}c_weight"] = f"res{name}_weight"
        truth.update(
            (f"{own}n_{role}", f"bn{name}_{role}") for role in ("gamma", "beta", "running_mean", "running_var")
        )
        return net.norm(f"{own}n", net.conv(f"{own}c", x, n_in, n_out, kernel), n_out)

    x, width = net.conv("stem", 0, 3, 4), 4
    for stage, out in enumerate((8, 16), start=2):
        for block in "abc":
            y, sizes = x, (width, out // 4, out // 4, out)
            for k, part in enumerate("abc"):
                name = f"{stage}{block}_branch2{part}"
                y = unit(f"s{stage}{block}{part}", name, y, sizes[k], sizes[k + 1], 3 if part == "b" else 1)
            if width != out:
                x, width = unit(f"s{stage}{block}down", f"{stage}{block}_branch1", x, width, out, 1), out
            x = net.add("elemwise_add", f"sum{stage}{block}", *((x, y) if is_shortcut_first else (y, x)))
    target = net.side(net.dense("head", x, width, 5))
    items = [(name, target.shapes[own]) for own, name in truth.items()]
    random.Random(seed).shuffle(items)
    return target, Side(dict(items)), truth


@settings(max_examples=10, deadline=None)
@given(st.booleans(), st.integers(0, 2**32 - 1))
def test_shuffled_names_of_units_with_a_branch_are_bound(is_shortcut_first, seed):
    """`branch1` beside `branch2a` to `branch2c` cannot be the last of these, for numbers rise along a branch."""
    target, source, truth = bottlenecks(is_shortcut_first, seed)
    assert match(target, source).mapping == truth
    assert match(source, target).mapping == {s: t for t, s in truth.items()}
