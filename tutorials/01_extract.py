# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01. How do I take `B -> C -> D` out of a trained network?
#
# One call cuts between two tensors. The piece is trained, for it holds the network's own parameters. A skip connection
# around the cut is refused, with the repair.
#
# The network here was trained on real images, the digits 0 to 4 of scikit-learn, and comes with the repository:
# `data -> stem -> stage1 -> stage2 -> stage3 -> pool -> head`.

# %%
import gluon_subgraph as gs

# isort: split
import os
import tempfile
import warnings

import matplotlib.pyplot as plt
import mxnet as mx
import numpy as np
from train_digits import load_digits_data, load_network, measure_accuracy

warnings.filterwarnings("ignore", "Cannot decide type", module="mxnet")  # stock imports finds the types by itself
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)

# %%
net = load_network()
piece = gs.extract(net, inputs="stem_relu0_fwd", outputs="stage2_relu")
print(piece)

# %% [markdown]
# A tensor is called by the node that computes it. To get `stage1 -> stage2`, start at the value that *enters* `stage1`,
# which is the value *of* the stem's relu, and end at the value of `stage2`.

# %%
gs.plot(net, cut=("stem_relu0_fwd", "stage2_relu"), shapes={"data": (1, 1, 8, 8)})

# %% [markdown]
# ## Is it trained?
#
# Cut what is before and after it, too. The three parts, one after the other, return what the network returns, bit for
# bit, on all images that were held out when it was trained.

# %%
front = gs.extract(net, "data", "stem_relu0_fwd")
tail = gs.extract(net, "stage2_relu", "head_fwd")

_, _, images, labels = load_digits_data()
x = mx.nd.array(images)
whole, parts = net(x).asnumpy(), tail(piece(front(x))).asnumpy()

assert np.array_equal(whole, parts)
print(f"{len(images)} images, {(parts.argmax(axis=1) == labels).mean():.2%} right, and the parts equal the whole")
assert measure_accuracy(net, images, labels) > 0.98

# %% [markdown]
# Nothing was copied: its parameters *are* those of the network.

# %%
own, shared = net.collect_params(), piece.collect_params()
assert all(own[name] is parameter for name, parameter in shared.items())
print(f"{len(shared.keys())} of the network's {len(own.keys())} parameters, shared")

# %% [markdown]
# So training the piece trains the network. One step, in which the piece learns to return less:

# %%
before = net(x).asnumpy()
middle = front(x)
trainer = mx.gluon.Trainer(piece.collect_params(), "sgd", {"learning_rate": 0.01})
with mx.autograd.record():
    loss = piece(middle).square().mean()
loss.backward()
trainer.step(1)

assert not np.array_equal(net(x).asnumpy(), before)
assert np.array_equal(net(x).asnumpy(), tail(piece(front(x))).asnumpy())
net = load_network()  # the trained one again

# %% [markdown]
# Where that is not wanted, make the piece from another copy of the network: `gs.extract(load_network(), ...)`.
#
# ## What can I name?
#
# `list_nodes` prints all names, with shapes if it knows the shape of the input; `match=` takes a glob.

# %%
gs.list_nodes(net, match="*stage2*", shapes={"data": (1, 1, 8, 8)})

# %% [markdown]
# A tensor may also be given by a block of the network, or its path, which means the value that the block returns. All
# of these are the same piece:

# %%
same = [
    gs.extract(net, "stem_relu0_fwd", "stage2_relu"),
    gs.extract(net, "digits_stem_relu0_fwd_output", "digits_stage2_relu_output"),
    gs.extract(net, net.stem, net.stage2),
    gs.extract(net, "stem", "stage2"),
]
middle = front(x)
assert all(np.array_equal(one(middle).asnumpy(), same[0](middle).asnumpy()) for one in same)
print([one.input_names for one in same])

# %% [markdown]
# What the piece sees and returns, for one image: the first eight channels.

# %%
middle = gs.extract(net, "data", "stem")(x[:1])
rows = [x[:1].asnumpy(), middle.asnumpy(), same[0](middle).asnumpy()]
figure, axes = plt.subplots(3, 8, figsize=(9, 3.6))
for axis_row, values, text in zip(axes, rows, ["image", "enters", "leaves"]):
    for channel, axis in enumerate(axis_row):
        axis.axis("off")
        if channel < values.shape[1]:
            axis.imshow(values[0, channel], cmap="gray")
    axis_row[0].set_title(text, fontsize=9)
plt.show()

# %% [markdown]
# ## What goes wrong: a skip connection
#
# Inside `stage3` there are two ways to the end: through the convolutions and around them. A cut of one of them is open.

# %%
try:
    gs.extract(net, inputs="stage3_body_relu0_fwd", outputs="head_fwd")
except gs.OpenCutError as error:
    print(f"OpenCutError: {error}")
    repair = error.repair

assert repair == ("digits_stage2_relu",)

# %% [markdown]
# The picture shows the way around in red.

# %%
gs.plot(net, cut=("stage3_body_relu0_fwd", "head_fwd"))

# %% [markdown]
# Three ways out. **Give the piece what it needs**, as a second input; the error has named the fewest that will do:

# %%
two_inputs = gs.extract(net, ["stage3_body_relu0_fwd", *repair], "head_fwd")
print(two_inputs.input_names)

# %% [markdown]
# **Have it added** by `open_cut="add"`; `input_names` then says what came in:

# %%
added = gs.extract(net, "stage3_body_relu0_fwd", "head_fwd", open_cut="add")
assert added.input_names == two_inputs.input_names

# %% [markdown]
# **Start somewhere else**, where both ways have met again:

# %%
after_sum = gs.extract(net, "stage3_add", "head_fwd")
print(after_sum.input_names)

# %% [markdown]
# All three return what the network returns:

# %%
needed = ["stage3_body_relu0_fwd", "stage2_relu", "stage3_add"]
relu0, stage2, total = gs.extract(net, "data", needed)(x)
assert np.array_equal(two_inputs(relu0, stage2).asnumpy(), whole)
assert np.array_equal(added(relu0, stage2).asnumpy(), whole)
assert np.array_equal(after_sum(total).asnumpy(), whole)

# %% [markdown]
# ## What else is refused
#
# Mistakes in names. Nothing is guessed, and nothing changes.

# %%
for inputs, outputs in [("stage2_rel", "head_fwd"), ("head_fwd", "stage2_relu"), (["data", "stem"], "stage2")]:
    try:
        gs.extract(net, inputs, outputs)
    except gs.SubgraphError as error:
        print(f"{type(error).__name__}: {error}\n")
    else:
        raise AssertionError(f"{inputs} to {outputs} was not refused")

# %% [markdown]
# ## Keep it
#
# `save` writes two files that `gs.load` reads, and stock MXNet as well.

# %%
piece = same[0]
piece.save("piece")
print(sorted(os.listdir(".")))
loaded = gs.load("piece")
stock = mx.gluon.SymbolBlock.imports("piece-symbol.json", list(piece.input_names), "piece-0000.params")

assert np.array_equal(loaded(middle).asnumpy(), piece(middle).asnumpy())
assert np.array_equal(stock(middle).asnumpy(), piece(middle).asnumpy())
