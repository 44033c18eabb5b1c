"""Which layer is the last one, and so where a head begins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from heads_to_graft import dense
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon
from samples import initialised, normal, same, triple

nn = gluon.nn
UNITS = 4


def _checkpoint(symbol: mx.sym.Symbol, **fixed: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return a symbol with values for all but its data, for an input of `UNITS`."""
    shapes, _, auxiliary = symbol.infer_shape(data=(2, UNITS))
    arguments = {n: normal(*s, seed=i) for i, (n, s) in enumerate(zip(symbol.list_arguments(), shapes)) if n != "data"}
    statistics = {n: mx.nd.ones(s) for n, s in zip(symbol.list_auxiliary_states(), auxiliary)}
    return symbol, {**arguments, **fixed}, statistics


def _layer(name: str, data: Any, **options: Any) -> Any:
    return mx.sym.FullyConnected(data, num_hidden=UNITS, name=name, **options)


def _added(name: str, data: Any) -> Any:
    return mx.sym.broadcast_add(data, mx.sym.var(f"{name}_bias", shape=(UNITS,)), name=f"{name}_add")


def _product(data: Any, name: str = "product") -> Any:
    return mx.sym.dot(data, mx.sym.var(f"{name}_weight", shape=(UNITS, UNITS)), name=name)


ENDINGS = {
    "dense": lambda x: _layer("end", x),
    "relu and dropout behind": lambda x: mx.sym.Dropout(mx.sym.relu(_layer("end", x)), p=0.5),
    "product": lambda x: _product(x),
    "product and bias": lambda x: _added("product", _product(x)),
    "dense and bias": lambda x: _added("end", _layer("end", x, no_bias=True)),
    "loss": lambda x: mx.sym.SoftmaxOutput(_layer("end", x), mx.sym.var("softmax_label", shape=(2,)), name="softmax"),
    "label made of another": lambda x: mx.sym.SoftmaxOutput(
        _layer("end", x), mx.sym.Reshape(mx.sym.var("l", shape=(2, 1)), shape=(-1,)), name="softmax"
    ),
    "weight computed": lambda x: mx.sym.FullyConnected(
        x, mx.sym.L2Normalization(mx.sym.var("w", shape=(UNITS, UNITS))), num_hidden=UNITS, no_bias=True, name="end"
    ),
    "two of one value": lambda x: _layer("one", x) + _layer("two", x),
    "norm": lambda x: mx.sym.BatchNorm(x, fix_gamma=False, name="norm"),
    "temperature": lambda x: mx.sym.broadcast_mul(x, mx.sym.var("scale", shape=(1,))),
    "constant behind": lambda x: mx.sym.broadcast_mul(
        _layer("end", x), mx.sym.var("Constant", shape=(1,), init="Constant_1")
    ),
    "whole numbers behind": lambda x: mx.sym.take(mx.sym.transpose(_layer("end", x)), mx.sym.var("order", shape=(2,))),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_head_begins_at_what_the_last_layer_reads(ending: str) -> None:
    trunk = mx.sym.relu(_layer("first", mx.sym.var("data")), name="before")
    fixed = {"order": mx.nd.array([1, 0], dtype="int32")} if ending == "whole numbers behind" else {}
    symbol, arguments, auxiliary = _checkpoint(ENDINGS[ending](trunk), **fixed)
    arguments.pop("softmax_label", None)
    arguments.pop("l", None)
    block = gs.replace_head((symbol, arguments, auxiliary), dense())
    assert (block.input_names, block.trunk.output_names) == (("data",), ("before_output",))
    expected = mx.nd.relu(mx.nd.FullyConnected(normal(2, UNITS), *_of_first(arguments), num_hidden=UNITS))
    assert same(block.trunk(normal(2, UNITS)), expected)


def _of_first(arguments: dict[str, Any]) -> tuple[Any, Any]:
    return arguments["first_weight"], arguments["first_bias"]


def test_norm_that_learns_nothing_belongs_to_the_head_behind_it(tmp_path: Path) -> None:
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Dense(4, in_units=4, prefix="a_"), nn.Dense(4, in_units=4, prefix="b_"))
    net.add(nn.BatchNorm(scale=False, center=False, in_channels=4, prefix="norm_"))
    assert gs.replace_head(initialised(net), dense()).trunk.output_names == ("a_fwd_output",)
    saved = gs.extract(net, "data", net).save(str(tmp_path / "n"))
    assert gs.replace_head(saved[:2], dense()).trunk.output_names == ("a_fwd_output",)
    # a symbol of stock MXNet does not note that the shift is fixed
    assert gs.replace_head(triple(net), dense()).trunk.output_names == ("b_fwd_output",)
    with pytest.raises(gs.SubgraphError, match="the last layer of the old head, 'norm_fwd', is a BatchNorm"):
        gs.replace_head(triple(net), dense(), reuse_rows={0: 1})
    with pytest.raises(gs.BindingError, match="'norm_fwd', a BatchNorm behind the classifier 'b_fwd'"):
        gs.replace_head(net, dense(), reuse_rows={0: 1})


def test_frozen_layers_are_layers() -> None:
    net = nn.HybridSequential(prefix="n_")
    net.add(nn.Dense(4, in_units=4, prefix="a_"), nn.Dense(4, in_units=4, prefix="b_"))
    initialised(net).collect_params().setattr("grad_req", "null")
    block = gs.replace_head(net, dense())
    assert block.trunk.output_names == ("a_fwd_output",)
    assert {p.grad_req for p in block.trunk.params.values()} == {"null"}


def test_layer_that_reads_the_input_leaves_no_trunk() -> None:
    net = initialised(nn.Dense(4, in_units=4, prefix="n_"))
    with pytest.raises(gs.SubgraphError, match=r"(?s)'data' is an input of 'n_', so that no trunk.*Use the head alone"):
        gs.replace_head(net, dense())


def test_network_without_layers_is_refused() -> None:
    with pytest.raises(gs.SubgraphError, match=r"(?s)no layer with parameters.*0 parameters.*at="):
        gs.replace_head(nn.Activation("relu", prefix="n_"), dense())
    block = gs.replace_head(nn.Activation("relu", prefix="n_"), dense(), at="n_fwd")
    assert list(block.trunk.params.keys()) == []
    assert same(block(normal(2, 4)), block.head(mx.nd.relu(normal(2, 4))))


def test_bare_symbol_and_plain_block_are_refused() -> None:
    with pytest.raises(gs.SubgraphError, match="bare Symbol, which has no parameters"):
        gs.replace_head(mx.sym.relu(mx.sym.var("data")), dense())
    with pytest.raises(gs.SubgraphError, match="is a Sequential, which holds no network"):
        gs.replace_head(nn.Sequential(), dense())


def test_layer_called_twice_on_different_values_is_refused() -> None:
    class Shared(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__(prefix="s_")
            self.a, self.b = nn.Dense(4, in_units=4, prefix="a_"), nn.Dense(4, in_units=4, prefix="b_")

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            y = self.a(x)
            return self.b(y) + self.b(F.relu(y, name="r"))

    with pytest.raises(gs.SubgraphError, match=r"(?s)read 2 different values.*'a_fwd', 's_r'.*at='a_fwd'"):
        gs.replace_head(initialised(Shared()), dense())


def test_sequence_model_keeps_its_recurrent_layer() -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Embedding(9, 4), gluon.rnn.LSTM(3, input_size=4, layout="NTC"), nn.Dense(9, in_units=15))
    x = mx.nd.array([[1, 2, 3, 4, 5]])
    expected = initialised(net)(x)
    block = gs.replace_head(net, dense(), reuse_rows={0: 8})
    assert same(block(x)[:, 0], expected[:, 8])


def test_numpy_networks_take_numpy_heads() -> None:
    with mx.util.np_shape(), mx.util.np_array():
        net, head = nn.HybridSequential(prefix="n_"), nn.Dense(3, prefix="new_")
        net.add(nn.Dense(4, in_units=4, prefix="a_"), nn.Dense(5, in_units=4, prefix="b_"))
        initialised(net), initialised(head)
        x = mx.np.array(normal(2, 4).asnumpy())
        block = gs.replace_head(net, head, reuse_rows={2: 4})
        for hybridize in (False, True):
            block.hybridize(hybridize)
            assert (block(x)[:, 2] == net(x)[:, 4]).asnumpy().all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["layer", "relu", "skip", "norm"]), min_size=1, max_size=12))
def test_trunk_holds_all_but_the_last_layer(kinds: list[str]) -> None:
    value: Any = _layer("layer0", mx.sym.var("data"))
    reads: Any = None
    for i, kind in enumerate(kinds, 1):
        if kind == "layer":
            value, reads = _layer(f"layer{i}", value), value
        elif kind == "relu":
            value = mx.sym.relu(value, name=f"relu{i}")
        elif kind == "norm":
            value, reads = mx.sym.LayerNorm(value, name=f"norm{i}"), value
        else:
            value = mx.sym.elemwise_add(value, mx.sym.tanh(value), name=f"skip{i}")
    checkpoint = _checkpoint(value)
    if reads is None:
        with pytest.raises(gs.SubgraphError, match="no trunk lies before it"):
            gs.replace_head(checkpoint, dense())
        return
    block = gs.replace_head(checkpoint, dense())
    assert block.trunk.output_names == (f"{reads.name}_output",)
    last = max(i for i, kind in enumerate(kinds, 1) if kind in ("layer", "norm"))
    assert sorted(block.trunk.params) == sorted(n for n in checkpoint[1] if int(re.findall(r"\d+", n)[0]) < last)
