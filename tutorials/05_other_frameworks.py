# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05. How do I bring weights in from another framework, and take a piece out?
#
# In: `bind_params` reads a torch-style state dict from a `.safetensors` file, without torch. Out: `to_onnx` writes a
# piece as an ONNX file, once onnxruntime has computed from it what the piece computes.

# %%
import gluon_subgraph as gs

# isort: split
import os
import pickle
import tempfile

import matplotlib.pyplot as plt
import mxnet as mx
import numpy as np
import onnxruntime
from mnist import load_mnist
from mxnet.gluon import nn
from safetensors.numpy import save_file

folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)

# %% [markdown]
# The network, as you would write it in Gluon, and 5 000 digits of MNIST, of which 1 000 are held out.


# %%
def new_network(prefix):
    """Return a convolutional network for images of 28 by 28 pixels; its values are random."""
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        for channels, before in ((16, 1), (32, 16)):
            net.add(nn.Conv2D(channels, 3, strides=2, padding=1, in_channels=before))
            net.add(nn.BatchNorm(in_channels=channels), nn.Activation("relu"))
        net.add(nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10, in_units=32 * 3 * 3))
    net.initialize(mx.init.Xavier())
    return net


def accuracy_of(scores):
    return (scores.asnumpy().argmax(axis=1) == test_labels).mean()


images, labels, test_images, test_labels = load_mnist()
x = mx.nd.array(test_images)

# %% [markdown]
# This cell stands for the other framework: it trains a network and writes the file that
# `safetensors.torch.save_file(model.state_dict(), "theirs.safetensors")` would write for
#
# ```python
# features = Sequential(Conv2d, BatchNorm2d, ReLU, Conv2d, BatchNorm2d, ReLU, MaxPool2d)
# classifier = Sequential(Flatten, Linear)
# ```
#
# Layers are called by their places, scales are called weights, and each BatchNorm counts its steps.

# %%
mx.random.seed(0)
theirs = new_network("theirs_")
theirs.hybridize()
trainer = mx.gluon.Trainer(theirs.collect_params(), "adam", {"learning_rate": 0.003})
compute_loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
for step in range(120):
    batch = np.random.RandomState(step).choice(len(images), 64, replace=False)
    with mx.autograd.record():
        loss = compute_loss(theirs(mx.nd.array(images[batch])), mx.nd.array(labels[batch]))
    loss.backward()
    trainer.step(len(batch))

words = {"gamma": "weight", "beta": "bias"}
places = {"0": "features.0", "1": "features.1", "3": "features.3", "4": "features.4", "8": "classifier.1"}
state_dict = {}
for name, parameter in theirs._collect_params_with_prefix().items():
    place, role = name.split(".")
    state_dict[f"{places[place]}.{words.get(role, role)}"] = parameter.data().asnumpy()
for place in ("features.1", "features.4"):
    state_dict[f"{place}.num_batches_tracked"] = np.array(120)
save_file(state_dict, "theirs.safetensors")
print(f"{accuracy_of(theirs(x)):.1%} of the held-out images")
assert accuracy_of(theirs(x)) > 0.88

# %% [markdown]
# ## In
#
# The network is yours, the weights are theirs.

# %%
net = new_network("mine_")
print(f"before: {accuracy_of(net(x)):.1%}")
binding = gs.bind_params(net, "theirs.safetensors")
print(f"after:  {accuracy_of(net(x)):.1%}\n")
print(binding)

# %%
assert binding.is_complete
assert binding.extra == ()  # step counters are no parameters
assert np.array_equal(net(x).asnumpy(), theirs(x).asnumpy())

# %% [markdown]
# What a state dict does not say is what the layers do: stride, padding, the epsilon of BatchNorm. These have to be
# right in your network. So compare outputs on a few images, or the accuracy, as here.
#
# ## What is in the file?
#
# `gs.load` gives a mapping of name to array that knows names and shapes from the header, and reads an array when it is
# asked for.

# %%
arrays = gs.load("theirs.safetensors")
print(*(f"{name:30} {arrays[name].shape}" for name in list(arrays)[:6]), "...", sep="\n")
assert arrays["features.0.weight"].shape == (16, 1, 3, 3)
assert np.array_equal(arrays["features.0.weight"], net[0].weight.data().asnumpy())

# %% [markdown]
# A mapping of your own will do as well. Here the Dense layer is stored as (inputs, outputs), as TensorFlow has it:

# %%
kernels = {name: array for name, array in state_dict.items() if "classifier" not in name}
kernels["logits.kernel"] = state_dict["classifier.1.weight"].T.copy()
kernels["logits.bias"] = state_dict["classifier.1.bias"]
other = new_network("other_")
binding = gs.bind_params(other, kernels)
print({target: how for target, how in binding.transforms.items() if how != "same"})
assert np.array_equal(other(x).asnumpy(), theirs(x).asnumpy())

# %% [markdown]
# ## What goes wrong: a pickle
#
# `.pt`, `.pth` and `.bin` are pickles, which run code when they are read. They are refused, with what to type.

# %%
with open("theirs.pt", "wb") as file:
    pickle.dump(state_dict, file)
try:
    gs.bind_params(net, "theirs.pt")
except gs.SubgraphError as error:
    print(f"{type(error).__name__}: {error}")
else:
    raise AssertionError("a pickle was read")

# %% [markdown]
# ## Out
#
# The convolutions, for a place where there is no MXNet; the classifier stays here.

# %%
piece = gs.extract(net, "data", "pool0_fwd")
file = gs.to_onnx(piece, "piece.onnx", x.shape)
print(file)

# %% [markdown]
# The file was written only because onnxruntime computes from it what the piece computes; `difference` is by how much
# they differ, relative to the largest value. Run it yourself:

# %%
session = onnxruntime.InferenceSession("piece.onnx", providers=["CPUExecutionProvider"])
names = [value.name for value in session.get_inputs()], [value.name for value in session.get_outputs()]
print(*names, sep=" -> ")
(outside,) = session.run(None, {names[0][0]: test_images})
inside = piece(x).asnumpy()
assert names == (list(piece.input_names), list(piece.output_names))
assert np.allclose(outside, inside, atol=1e-4 * np.abs(inside).max())

# %%
figure, axes = plt.subplots(2, 9, figsize=(9, 2.4))
for axis_row, values, text in zip(axes, (inside, outside), ("MXNet", "onnxruntime")):
    axis_row[0].imshow(test_images[0, 0], cmap="gray")
    axis_row[0].set_title(text, fontsize=9, loc="left")
    for axis, channel in zip(axis_row[1:], values[0]):
        axis.imshow(channel, cmap="gray")
    for axis in axis_row:
        axis.axis("off")
plt.show()

# %% [markdown]
# The rest of the network goes on with what the other program returned:

# %%
tail = gs.extract(net, "pool0_fwd", "dense0_fwd")
scores = tail(mx.nd.array(outside))
print(f"{accuracy_of(scores):.1%}")
assert abs(accuracy_of(scores) - accuracy_of(theirs(x))) < 0.005

# %% [markdown]
# ## What goes wrong: shapes
#
# An ONNX file is for the shapes given. Those that do not fit are refused, and nothing is written.

# %%
for shapes in ((1, 3, 28, 28), {"image": (1, 1, 28, 28)}):
    try:
        gs.to_onnx(piece, "other.onnx", shapes)
    except gs.SubgraphError as error:
        print(f"{type(error).__name__}: {error}\n")
    else:
        raise AssertionError(f"{shapes} was not refused")
assert not os.path.exists("other.onnx")
