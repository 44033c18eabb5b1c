# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06. Where do the names come from, and how do I get those I want?
#
# A parameter is called by the prefixes of the blocks around it, and a prefix that nobody gives is counted. So two
# networks of one kind have different names. `rename` gives them the names you want; `bind_params` loads whatever they
# are called.

# %%
import gluon_subgraph as gs

# isort: split
import os
import tempfile
import warnings

import mxnet as mx
import numpy as np
from fine_tuning import train
from mxnet.gluon import HybridBlock, nn
from train_digits import load_digits_data, measure_accuracy

warnings.filterwarnings("ignore", "Cannot decide type", module="mxnet")  # stock imports finds the types by itself
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)


# %%
def new_network(prefix=None):
    """Return a network for images of 8 by 8 pixels."""
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Dense(32, activation="relu", in_units=64), nn.Dense(10, in_units=32))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    return net


here, there = new_network(), new_network()
print("here  ", list(here.collect_params()))
print("there ", list(there.collect_params()))

renamed = gs.rename(there, "digits_")
print("now   ", list(renamed.net.collect_params()))

# %% [markdown]
# `renamed.net` is a block over the same parameters. Nothing is copied, and the old block is as it was: train one, and
# the other has learned it.

# %%
images, labels, test_images, test_labels = load_digits_data(range(10))
x = mx.nd.array(test_images)
assert np.array_equal(renamed.net(x).asnumpy(), there(x).asnumpy())
assert renamed.net.collect_params()["digits_dense0_weight"] is there[0].weight
print(renamed)

# %% [markdown]
# ## Prefix and name scope
#
# Blocks that are made inside `with net.name_scope():` count anew, behind the prefix of `net`. Those made outside count
# on for the whole process, so that their names depend on what else was made before. Two calls of this function return
# networks that share no name, though the prefix is given:


# %%
def without_scope(prefix):
    net = nn.HybridSequential(prefix=prefix)
    net.add(nn.Dense(32, activation="relu", in_units=64), nn.Dense(10, in_units=32))
    net.initialize()
    return net


first, second = without_scope("loose_"), without_scope("loose_")
print(list(first.collect_params()))
print(list(second.collect_params()))
assert not set(first.collect_params()) & set(second.collect_params())

# %% [markdown]
# A dict of names or globs says what becomes what; a function will do as well. `dry_run=True` only shows the names.

# %%
old = [layer.name for layer in second]
mended = gs.rename(second, {f"{name}_*": f"loose_dense{i}_*" for i, name in enumerate(old)})
print(list(mended.net.collect_params()))
print(gs.rename(second, lambda name: name.replace("weight", "w"), dry_run=True))
assert list(mended.net.collect_params())[0] == "loose_dense0_weight"

# %% [markdown]
# ## There and back
#
# What `rename` returns has the `.mapping` and the `.inverse` that undoes it.

# %%
back = gs.rename(mended.net, mended.inverse)
assert list(back.net.collect_params()) == list(second.collect_params())
assert np.array_equal(back.net(x).asnumpy(), second(x).asnumpy())

# %% [markdown]
# ## Save here, load there
#
# Train `here`, and save it in the three ways of Gluon. Each names the parameters otherwise: `export` by their names
# behind `arg:`, `save_parameters` by their places, `collect_params().save` by their names.

# %%
train(here, images, labels, lambda step: step < 100)
best = measure_accuracy(here, test_images, test_labels)
assert best > 0.9

here.export("exported")
here.save_parameters("places.params")
here.collect_params().save("names.params")
FILES = ["exported-0000.params", "places.params", "names.params"]
for file in FILES:
    print(f"{file:22}", *list(mx.nd.load(file))[:2], "...")

# %% [markdown]
# There, the names differ, and so stock Gluon finds only the places:

# %%
for file in FILES:
    another = new_network()
    try:
        another.load_parameters(file)
        print(f"{file:22} loaded, accuracy {measure_accuracy(another, test_images, test_labels):.1%}")
    except AssertionError as error:
        print(f"{file:22} {str(error)[:75]} ...")

# %% [markdown]
# `bind_params` loads all three, into a network of any name:

# %%
for file in FILES:
    another = new_network()
    binding = gs.bind_params(another, file)
    assert binding.is_complete
    assert np.array_equal(another(x).asnumpy(), here(x).asnumpy())
    print(f"{file:22} {measure_accuracy(another, test_images, test_labels):.1%}")
print(binding)

# %% [markdown]
# A renamed block knows its old names: what was saved before still loads, and so does what is saved now.

# %%
renamed = gs.rename(new_network("before_"), "after_").net
here_renamed = gs.rename(here, "after_").net
here_renamed.save_parameters("after.params")
gs.rename(here, "before_").net.collect_params().save("before.params")
for file in ("places.params", "after.params", "before.params"):
    renamed.initialize(force_reinit=True)
    renamed.load_parameters(file)
    assert np.array_equal(renamed(x).asnumpy(), here(x).asnumpy())

# %% [markdown]
# Or rename the files, so that everybody finds the names that they expect. Stock MXNet reads the result.

# %%
pair = gs.rename(("exported-symbol.json", "exported-0000.params"), "digits_", out="digits").net
print(pair)
stock = mx.gluon.SymbolBlock.imports(pair[0], ["data"], pair[1])
print(list(stock.collect_params()))
assert np.array_equal(stock(x).asnumpy(), here(x).asnumpy())

# %% [markdown]
# ## Two instances in one network
#
# Two networks with the same prefix have the same names. Each works alone; in one network, MXNet cannot tell their
# parameters apart, and says so late, when something asks for all of them.


# %%
class Vote(HybridBlock):
    """The mean of what two networks say."""

    def __init__(self, one, other, prefix="vote_"):
        super().__init__(prefix=prefix)
        self.one, self.other = one, other

    def hybrid_forward(self, F, x):
        return (self.one(x) + self.other(x)) / 2


one, other = new_network("net_"), new_network("net_")
vote = Vote(one, other)
vote(x)
try:
    vote.collect_params()
except AssertionError as error:
    print(f"AssertionError: {error}")
else:
    raise AssertionError("two parameters of one name were not noticed")

# %% [markdown]
# Rename one of them:

# %%
vote = Vote(one, gs.rename(other, "second_").net)
vote.hybridize()
print(list(vote.collect_params()))
assert np.array_equal(vote(x).asnumpy(), ((one(x) + other(x)) / 2).asnumpy())
vote.export("vote")
gs.plot(vote)

# %% [markdown]
# ## What is refused
#
# Two names that would become one, and a key that matches nothing. Nothing is renamed then.

# %%
for names in ({"*dense0*": "*dense1*"}, {"*conv*": "*c*"}):
    try:
        gs.rename(here, names)
    except gs.SubgraphError as error:
        print(f"{type(error).__name__}: {error}\n")
    else:
        raise AssertionError(f"{names} was not refused")
