"""A network binds to itself under the names that any framework would give its parameters, and no further than that."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import functools
from typing import Any

import mxnet as mx
import pytest
from mxnet.gluon.model_zoo import vision
from naming_habits import NAMING, layers_in_order, of_one_unit

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

NETWORKS = ["resnet18_v1", "resnet18_v2", "mobilenetv2_0.25", "squeezenet1.1", "vgg11_bn", "densenet121", "resnet50_v1"]


@functools.lru_cache(maxsize=None)
def _network(name: str) -> Side:
    """Return a network of the zoo as a target; nothing is initialised."""
    net = vision.get_model(name)
    symbol = net(mx.sym.var("data"))
    arguments, _, auxiliary = symbol.infer_shape(data=(1, 3, 224, 224))
    shapes = dict(zip(symbol.list_arguments(), arguments))
    shapes.update(zip(symbol.list_auxiliary_states(), auxiliary))
    return Side({n: shapes[n] for n in net.collect_params()}, graph_of_symbol(symbol))


def _source(names: dict[str, str], shapes: Any) -> Side:
    assert len(set(names.values())) == len(names)
    return Side({names[name]: shapes[name] for name in names})


@pytest.mark.parametrize("habit", NAMING)
@pytest.mark.parametrize("network", NETWORKS)
def test_network_binds_to_its_names_in_every_framework(network: str, habit: str) -> None:
    target = _network(network)
    names = NAMING[habit](layers_in_order(target.graph, target.shapes))
    assert len(names) == len(target.shapes)
    assert match(target, _source(names, target.shapes)).mapping == names


@pytest.mark.parametrize("network", ["resnet18_v1", "mobilenetv2_0.25", "vgg11_bn", "resnet50_v1"])
def test_normalisation_called_by_its_convolution_is_a_layer_of_its_own(network: str) -> None:
    target = _network(network)
    names = of_one_unit(layers_in_order(target.graph, target.shapes))
    assert match(target, _source(names, target.shapes)).mapping == names


@pytest.mark.parametrize("other", ["resnet18_v1", "resnet18_v2", "vgg11_bn", "squeezenet1.1"])
@pytest.mark.parametrize("habit", NAMING)
def test_another_network_binds_nothing_by_any_framework(other: str, habit: str) -> None:
    source = _network(other)
    names = NAMING[habit](layers_in_order(source.graph, source.shapes))
    assert match(_network("mobilenetv2_0.25"), _source(names, source.shapes)).mapping == {}


@pytest.mark.parametrize("habit", NAMING)
def test_half_of_a_norm_is_not_the_whole(habit: str) -> None:
    """Where a file has something else in place of the variance, such as 1 / std, no other vector stands in for it."""
    target = _network("resnet18_v1")
    names = NAMING[habit](layers_in_order(target.graph, target.shapes))
    variances = [name for name in names if name.endswith("running_var")]
    source = {names[n]: target.shapes[n] for n in names if n not in variances}
    source.update({f"layer{k}.inv_std": target.shapes[name] for k, name in enumerate(variances)})
    found = match(target, Side(source)).mapping
    assert not set(found) & set(variances)
    assert all(names[t] == s for t, s in found.items())
