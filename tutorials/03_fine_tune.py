# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03. How do I train a network for new classes when I have few images?
#
# Keep the trunk, freeze it, give it a new head, train the head. With ten images of each new digit this is there after
# a few steps, where training from scratch takes many.
#
# The network knows the digits 0 to 4 of scikit-learn's real scans. It is to learn 5 to 9.

# %%
import gluon_subgraph as gs

# isort: split
import hashlib
from statistics import median

import matplotlib.pyplot as plt
import mxnet as mx
import numpy as np
from fine_tuning import few_of_each, train
from mxnet.gluon import nn
from train_digits import DigitsNet, load_digits_data, load_network, measure_accuracy

# %%
net = load_network()
tuned = gs.replace_head(net, nn.Dense(5), at="stage2_relu")
print(gs.freeze(tuned.trunk).batch_norms)
tuned.head.initialize(mx.init.Xavier())

# %% [markdown]
# `replace_head` cuts before the last layer, or where `at=` says, and puts the new head behind. `freeze` stops
# gradients, weight decay and the running statistics of these BatchNorm layers. What learns now is the head:

# %%
images, labels, test_images, test_labels = load_digits_data(range(5, 10))
tuned(mx.nd.array(images[:1]))  # all shapes are known from here on
table = gs.trainable(tuned)
learning = [row.parameter for row in table if row.grad_req != "null"]
print(learning, f"{table.trainable_count:,} values learn, {table.frozen_count:,} do not")

assert set(learning) == set(tuned.head.collect_params().keys())

# %% [markdown]
# ## Train it
#
# Ten images of each digit, the plain loop of Gluon (`train` in `fine_tuning.py`: record, backward, step), and the
# accuracy on all held-out images after each step. A hash of every array of the trunk is taken before and after.


# %%
def fingerprint(block):
    """Return a hash of every array of a block, running statistics included."""
    values = {name: parameter.data().asnumpy().tobytes() for name, parameter in block.collect_params().items()}
    return {name: hashlib.sha256(value).hexdigest()[:12] for name, value in values.items()}


def accuracy_of(block):
    return measure_accuracy(block, test_images, test_labels)


few = few_of_each(labels, seed=0)
before = fingerprint(tuned.trunk)
mx.random.seed(0)
curve = train(tuned, images[few], labels[few], lambda step: step < 40, lambda: accuracy_of(tuned))

print(f"{len(few)} images; accuracy on {len(test_labels)} others: {curve[0]:.0%} before, {curve[-1]:.0%} after")
assert curve[-1] > 0.85
assert fingerprint(tuned.trunk) == before
print(f"{len(before)} arrays of the trunk, all as they were")

# %% [markdown]
# The old network is unharmed. It tells the old digits as before, since the trunk, which is shared, did not move.

# %%
old_images, old_labels, old_test_images, old_test_labels = load_digits_data(range(5))
kept = measure_accuracy(net, old_test_images, old_test_labels)
print(f"the old digits: {kept:.2%}")
assert kept > 0.98

# %% [markdown]
# ## Against the alternatives
#
# **Frozen**: as above. **Full**: the same start, but everything learns. **From scratch**: the whole network from random
# values. Three choices of images and of initial values each; each run starts from its own copy of the network.

# %%
STEPS, SEEDS = 40, range(3)


def start(kind):
    """Return a network for five classes, trained before or not."""
    if kind == "from scratch":
        block = DigitsNet()
        block.initialize(mx.init.Xavier())
        return block
    block = gs.replace_head(load_network(), nn.Dense(5), at="stage2_relu")
    if kind == "frozen":
        gs.freeze(block.trunk)
    block.head.initialize(mx.init.Xavier())
    return block


curves = {"frozen": [], "full": [], "from scratch": []}
for kind, runs in curves.items():
    for seed in SEEDS:
        few = few_of_each(labels, seed)
        mx.random.seed(seed)
        block = start(kind)
        runs.append(
            train(block, images[few], labels[few], lambda step: step < STEPS, lambda block=block: accuracy_of(block))
        )

# %%
colors = {"frozen": "tab:blue", "full": "tab:green", "from scratch": "tab:red"}
figure, axis = plt.subplots(figsize=(7, 4))
for kind, runs in curves.items():
    for run in runs:
        axis.plot(run, color=colors[kind], alpha=0.25)
    axis.plot(np.median(runs, axis=0), color=colors[kind], label=kind, linewidth=2)
axis.set_xlabel("step")
axis.set_ylabel("accuracy on held-out images")
axis.set_title("ten images of each new digit: three seeds, and their median")
axis.legend()
plt.show()


# %%
def median_after(step):
    return {kind: median(run[step] for run in runs) for kind, runs in curves.items()}


for step in (5, 20, STEPS):
    print(f"after {step:2} steps  ", "  ".join(f"{kind} {value:.0%}" for kind, value in median_after(step).items()))

assert median_after(20)["frozen"] > median_after(20)["from scratch"] + 0.2
assert median_after(STEPS)["frozen"] > 0.85
assert median_after(STEPS)["full"] > 0.8

# %% [markdown]
# Frozen and full end alike here. Frozen costs less, for there is no backward pass through the trunk, and one trunk can
# carry many heads. Full changes the network that the trunk was cut from, since parameters are shared: hence the copies.
#
# To let everything learn once the head has settled, `unfreeze` restores what was there before:

# %%
print(gs.unfreeze(tuned.trunk)[:3], "...")
assert all(row.grad_req == "write" for row in gs.trainable(tuned) if "running" not in row.parameter)

# %% [markdown]
# ## What goes wrong with `grad_req` alone
#
# `grad_req = "null"` stops gradients, and not the running statistics of BatchNorm: in training it still normalises by
# the batch at hand, and the statistics move where gradient passes. Here `stage1` is to rest and the stem to learn.


# %%
def arrays_that_move(net):
    """Return which arrays of stage1 a training step changes."""
    before = fingerprint(net.stage1)
    train(net, old_images[:64], old_labels[:64], lambda step: step < 1)
    return [name for name, value in fingerprint(net.stage1).items() if value != before[name]]


stock, frozen = load_network(), load_network()
stock.stage1.collect_params().setattr("grad_req", "null")
gs.freeze(frozen.stage1)

moved = arrays_that_move(stock)
print("with grad_req alone:", moved)
assert moved
assert all("running" in name for name in moved)
assert arrays_that_move(frozen) == []

# %% [markdown]
# ## What is refused
#
# A selection that matches nothing, a class that does not exist: both would otherwise be noticed when the training is
# over.

# %%
head = nn.Dense(5, in_units=32)
head.initialize()
mistakes = [lambda: gs.freeze(net, "stage9*"), lambda: gs.replace_head(net, head, reuse_rows={0: 7})]
for mistake in mistakes:
    try:
        mistake()
    except gs.SubgraphError as error:
        print(f"{type(error).__name__}: {error}\n")
    else:
        raise AssertionError("a mistake was not refused")

# %% [markdown]
# `reuse_rows={new class: old class}` is for classes that the old head knows already. The new head then starts with
# their rows: here its first two classes are the old digits 3 and 0.

# %%
mixed = gs.replace_head(net, head, reuse_rows={0: 3, 1: 0})
x = mx.nd.array(old_test_images)
assert np.allclose(mixed(x)[:, :2].asnumpy(), net(x)[:, [3, 0]].asnumpy(), atol=1e-5)

# %% [markdown]
# What is frozen, at a glance: the hatched layers.

# %%
gs.freeze(mixed.trunk)
gs.plot(mixed)
