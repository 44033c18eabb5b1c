# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02. How do I load a checkpoint whose names differ?
#
# `bind_params` finds which array belongs to which parameter by what the layers are. Its report says what went where,
# why, and what is left over. What it cannot decide it does not load: you decide, by `pairs=`.

# %%
import gluon_subgraph as gs

# isort: split
import os
import tempfile

import matplotlib.pyplot as plt
import mxnet as mx
import numpy as np
from fine_tuning import train
from foreign_names import foreign_checkpoint
from mxnet.gluon import HybridBlock, nn
from train_digits import DigitsNet, load_digits_data, load_network, measure_accuracy

folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)

# %% [markdown]
# The checkpoint: the trained network's values, as another collection would have named them. Somebody else wrote it, and
# the file is all there is.

# %%
trained = load_network()
arrays = foreign_checkpoint(trained)
np.savez("theirs.npz", **arrays)
print(*list(arrays)[:6], "...", sep="\n")

# %% [markdown]
# ## The answer

# %%
_, _, images, labels = load_digits_data()
x = mx.nd.array(images)


def new_network(prefix, classes=5):
    """Return a network of random values."""
    net = DigitsNet(classes, prefix=prefix)
    net.initialize(mx.init.Xavier())
    net(x[:1])  # all shapes are known from here on
    return net


net = new_network("mine_")
print(f"accuracy before {measure_accuracy(net, images, labels):.2%}")

# %%
binding = gs.bind_params(net, "theirs.npz")
print(binding)

# %%
assert binding.is_complete
assert np.array_equal(net(x).asnumpy(), trained(x).asnumpy())
print(f"accuracy {measure_accuracy(net, images, labels):.2%}, bit for bit the outputs of the network it was taken from")

# %% [markdown]
# ## Read the report before loading
#
# `match_params` makes the same plan and changes nothing. It reads shapes and dtypes only, of a large file no more than
# its header. The plan can be looked at, and given to `bind_params` in place of the file.

# %%
fresh = new_network("fresh_")
before = fresh.head.weight.data().asnumpy()
plan = gs.match_params(fresh, "theirs.npz")
print("target <- source   ", *list(plan.mapping.items())[0], sep="  ")
print("why it is that one ", plan.evidence["fresh_stem_conv0_weight"], sep="  ")
print("not bound          ", len(plan.missing), len(plan.extra), len(plan.mismatched), len(plan.ambiguous), sep="  ")
assert np.array_equal(fresh.head.weight.data().asnumpy(), before)  # the plan has set nothing
assert gs.bind_params(fresh, plan) == plan

# %% [markdown]
# As a picture: target and source, the pairs joined. Here the source is another network, so that both have a graph, and
# structure decides, whatever the names are.

# %%
plan = gs.match_params(fresh, trained)
print(set(plan.evidence.values()))
gs.plot(fresh, binding=plan)

# %% [markdown]
# ## What goes wrong: it does not fit
#
# A network for ten classes, and a checkpoint for five. The head is the same layer, but has another shape. Nothing is
# loaded, not even what fits.

# %%
ten = new_network("ten_", classes=10)
before = ten.stem[0].weight.data().asnumpy()
try:
    gs.bind_params(ten, "theirs.npz")
except gs.BindingError as error:
    print(f"BindingError: {error}")
else:
    raise AssertionError("another shape was not refused")
assert np.array_equal(ten.stem[0].weight.data().asnumpy(), before)

# %% [markdown]
# Say what should happen: leave the head out with `skip=`, and train it.

# %%
binding = gs.bind_params(ten, "theirs.npz", skip="*head*")
print(f"{len(binding.mapping)} bound, skipped: {binding.skipped}")
value = gs.extract(ten, "data", "pool_fwd")(x).asnumpy()
assert np.array_equal(value, gs.extract(trained, "data", "pool_fwd")(x).asnumpy())

# %% [markdown]
# The same holds for what is missing in the source (`allow_missing=True`) and for what nothing needs
# (`ignore_extra=True`): both are errors until you say that you know.

# %%
part = {name: array for name, array in arrays.items() if "classifier" not in name}
part["module.step"] = np.zeros(7, "float32")
try:
    gs.bind_params(fresh, part)
except gs.BindingError as error:
    print(f"BindingError: {error}")
else:
    raise AssertionError("missing and extra arrays were not refused")
binding = gs.bind_params(fresh, part, allow_missing=True, ignore_extra=True)
assert binding.extra == ("module.step",)
assert list(binding.missing) == ["fresh_head_weight", "fresh_head_bias"]

# %% [markdown]
# ## What goes wrong: it could be either
#
# This network looks at the left and the right half of an image with a layer each, alike in shape. Train it for all ten
# digits.


# %%
class Halves(HybridBlock):
    """A layer for each half of an image of 8 by 8 pixels, and a classifier on their sum."""

    def __init__(self, prefix):
        super().__init__(prefix=prefix)
        with self.name_scope():
            self.left = nn.Dense(32, in_units=32, activation="relu", prefix="left_")
            self.right = nn.Dense(32, in_units=32, activation="relu", prefix="right_")
            self.classify = nn.Dense(10, in_units=32, prefix="classify_")

    def hybrid_forward(self, F, image):
        left, right = (F.slice_axis(image, axis=3, begin=begin, end=begin + 4) for begin in (0, 4))
        return self.classify(self.left(left) + self.right(right))


images, labels, test_images, test_labels = load_digits_data(range(10))
mx.random.seed(0)
halves = Halves("theirs_")
halves.initialize(mx.init.Xavier())
train(halves, images, labels, lambda step: step < 100)
best = measure_accuracy(halves, test_images, test_labels)
print(f"{best:.2%} of the held-out images")
assert best > 0.9

# %% [markdown]
# Its author saved the two layers as `a` and `b`. Which is the left one? Shapes are equal, both stand side by side, and
# the names do not tell. So this is listed, with the candidates, and nothing of it is loaded.

# %%
words = {"theirs_left_": "encoder.a.", "theirs_right_": "encoder.b.", "theirs_classify_": "fc."}
theirs = {}
for name, parameter in halves.collect_params().items():
    prefix = next(prefix for prefix in words if name.startswith(prefix))
    theirs[words[prefix] + name[len(prefix) :]] = parameter.data().asnumpy()

mine = Halves("mine_")
try:
    gs.bind_params(mine, theirs)
except gs.BindingError as error:
    print(f"BindingError: {error}")
else:
    raise AssertionError("an ambiguity was not refused")

# %%
plan = gs.match_params(mine, theirs)
for target, ambiguity in plan.ambiguous.items():
    print(target, ambiguity.candidates)
assert set(plan.ambiguous) == {f"mine_{side}_{role}" for side in ("left", "right") for role in ("weight", "bias")}

# %% [markdown]
# ## Settle it by hand
#
# `pairs={target: source}` decides. If you do not know which, the data does: try both, and measure.

# %%
ways = {"a is left": ("a", "b"), "b is left": ("b", "a")}
accuracies = {}
for way, names in ways.items():
    pairs = {
        f"mine_{side}_{role}": f"encoder.{name}.{role}"
        for side, name in zip(("left", "right"), names)
        for role in ("weight", "bias")
    }
    binding = gs.bind_params(mine, theirs, pairs=pairs)
    assert binding.is_complete
    accuracies[way] = measure_accuracy(mine, test_images, test_labels)
    print(f"{way}: {accuracies[way]:.2%}")

assert accuracies["a is left"] == best
assert accuracies["b is left"] < best - 0.3

# %%
figure, axis = plt.subplots(figsize=(4, 2))
axis.barh(list(accuracies), list(accuracies.values()), color=["tab:blue", "tab:gray"])
axis.set_xlim(0, 1)
axis.set_xlabel("accuracy on held-out images")
plt.show()

# %% [markdown]
# ## Better than names: the graph
#
# Where the author gives the network with the arrays, as `export` does with a symbol file, there is no question: the
# graph shows which layer reads which half.

# %%
halves.export("halves")
names = {"*left*": "*a*", "*right*": "*b*"}
pair = ("halves-symbol.json", "halves-0000.params")
files = gs.rename(pair, names, out="theirs").net
print(gs.bind_params(mine, files))
assert measure_accuracy(mine, test_images, test_labels) == best
