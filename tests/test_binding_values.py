"""bind_params sets the values it should, in place, and after an error none at all."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import copy
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mxnet import gluon
from samples import Offset, Scale, bits, convolutional, initialised, layers, normal, same, symbol_block, triple, values
from snapshots import unchanged

nn = gluon.nn


def renamed(arrays: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**arrays, **changes}


def arrays_of(net: gluon.Block) -> dict[str, Any]:
    """Return copies of all values, by name."""
    return {name: p.data().copy() for name, p in net.collect_params().items()}


TARGETS = {
    "gluon": lambda net: net,
    "symbol block": symbol_block,
    "piece": lambda net: gs.extract(net, "data", "c_dense0_fwd"),
}


@pytest.mark.parametrize("make", TARGETS.values(), ids=TARGETS)
def test_bind_of_every_kind_of_block_gives_the_source_s_values(make: Any) -> None:
    target, source = make(convolutional(seed=1)), convolutional(seed=2)
    binding = gs.bind_params(target, source)
    assert values(target) == values(source)
    assert binding.is_complete
    assert dict.fromkeys(binding.mapping, "same") == binding.transforms
    assert list(binding.mapping) == list(binding.mapping.values())


def test_bind_of_triple_writes_into_its_arrays() -> None:
    symbol, arguments, auxiliary = triple(convolutional(seed=1))
    before = {name: id(array) for name, array in {**arguments, **auxiliary}.items()}
    view = arguments["c_conv0_weight"][1:2]
    source = convolutional(seed=2)
    gs.bind_params((symbol, arguments, auxiliary), source)
    after = {**arguments, **auxiliary}
    assert {name: id(array) for name, array in after.items()} == before
    assert {name: bits(array) for name, array in after.items()} == values(source)
    assert same(view, source[0].weight.data()[1:2])


def test_bind_sets_parameters_in_place() -> None:
    target, source = convolutional(seed=1), convolutional(seed=2)
    piece = gs.extract(target, "c_batchnorm0_fwd", "c_dropout0_fwd")
    arrays = {name: id(p.data()) for name, p in target.collect_params().items()}
    settings_before = [(p.grad_req, p.lr_mult, p.dtype, p.list_ctx()) for p in target.collect_params().values()]
    gs.bind_params(target, source)
    assert {name: id(p.data()) for name, p in target.collect_params().items()} == arrays
    assert [(p.grad_req, p.lr_mult, p.dtype, p.list_ctx()) for p in target.collect_params().values()] == settings_before
    assert values(piece) == {name: values(source)[name] for name in values(piece)}


def test_bind_leaves_the_source_as_it_was() -> None:
    source = convolutional(seed=2)
    with unchanged(source):
        gs.bind_params(convolutional(seed=1), source)


def test_bind_keeps_a_hybridized_net_s_outputs_in_step() -> None:
    target, source, x = convolutional(seed=1), convolutional(seed=2), normal(2, 3, 8, 8)
    target.hybridize(static_alloc=True, static_shape=True)
    target(x)
    gs.bind_params(target, source)
    source.hybridize()
    assert same(target(x), source(x))


def test_bind_within_record_does_not_fail() -> None:
    target, source = layers(2, seed=1), layers(2, seed=2)
    with mx.autograd.record():
        gs.bind_params(target, source)
    assert values(target) == values(source)


@pytest.mark.parametrize("state", ["deferred", "uninitialised", "half initialised"])
def test_bind_gives_shape_and_value_to_parameters_without(state: str) -> None:
    source = convolutional(seed=2)
    target = convolutional(deferred=True)
    if state != "deferred":
        target = nn.HybridSequential(prefix="c_")
        with target.name_scope():
            target.add(nn.Conv2D(4, 3, padding=1))
        source = gs.extract(source, "data", "c_conv0_fwd")
    if state == "half initialised":
        target[0].weight.initialize()
    gs.bind_params(target, source)
    assert values(target) == values(source)
    assert target[0].weight.shape == (4, 3, 3, 3)
    assert target[0].weight.grad().shape == (4, 3, 3, 3)


def test_bind_of_parameters_without_a_place_puts_them_on_ctx() -> None:
    contexts = [mx.cpu(0), mx.cpu(1)]
    target = layers(2, initialise=False)
    gs.bind_params(target, layers(2, seed=2), ctx=contexts)
    assert [p.list_ctx() for p in target.collect_params().values()] == [contexts] * 4
    assert [bits(a) for a in target[0].weight.list_data()] == [bits(layers(2, seed=2)[0].weight.data())] * 2


def test_bind_of_deferred_parameters_keeps_their_own_contexts() -> None:
    target = nn.Dense(3, prefix="d_")
    target.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    gs.bind_params(target, {"d_weight": np.ones((3, 2), "float32"), "d_bias": np.ones(3, "float32")})
    assert target.weight.list_ctx() == [mx.cpu(0), mx.cpu(1)]
    assert target(mx.nd.ones((1, 2), ctx=mx.cpu(1))).asnumpy().tolist() == [[3, 3, 3]]


def test_bind_sets_all_contexts_of_a_parameter() -> None:
    target, source = layers(2), layers(2, seed=2)
    target.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    gs.bind_params(target, source)
    for name, parameter in target.collect_params().items():
        assert [bits(a) for a in parameter.list_data()] == [values(source)[name]] * 2


def test_bind_from_several_contexts_takes_what_a_file_would_hold() -> None:
    source = layers(1, seed=2)
    source.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    source[0].bias.list_data()[1][:] = 2
    target = layers(1)
    gs.bind_params(target, source)
    assert target[0].bias.data().asnumpy().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("ctx", [mx.cpu(1), [mx.cpu(0), mx.cpu(1)]])
def test_bind_of_initialised_parameters_to_another_context_is_refused(ctx: Any) -> None:
    target = layers(2)
    with unchanged(target), pytest.raises(
        gs.BindingError, match=r"(?s)is on \[cpu\(0\)\].*reset_ctx.*nothing was loaded"
    ):
        gs.bind_params(target, layers(2, seed=2), ctx=ctx)


def test_bind_keeps_grad_req_null_and_constants_without_gradient() -> None:
    target, source = initialised(Offset(prefix="o_"), 1), initialised(Offset(prefix="o_"), 2)
    target.dense.weight.grad_req = "null"
    source.offset.data()[:] = 5
    gs.bind_params(target, source)
    assert values(target) == values(source)
    assert [p.grad_req for p in target.collect_params().values()] == ["null", "null", "write"]


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "int32", "int64", "uint8"])
def test_bind_of_every_dtype_is_exact(dtype: str) -> None:
    target, array = Scale(3, dtype, prefix="s_"), np.array([1, 2, 100], dtype)
    target.initialize()
    gs.bind_params(target, {"s_weight": array})
    assert bits(target.weight.data()) == (dtype, (3,), array.tobytes())


@pytest.mark.parametrize(("dtype", "other"), [("float32", "float16"), ("float16", "float32"), ("float32", "int64")])
def test_bind_of_other_dtype_is_refused_unless_cast(dtype: str, other: str) -> None:
    target, array = Scale(2, dtype, prefix="s_"), np.array([1, 2], other)
    target.initialize()
    for given_array in (array, mx.nd.array(array, dtype=other)):
        with unchanged(target), pytest.raises(
            gs.BindingError, match=f"(?s)'s_weight' {dtype} <- .* {other}.*ast_dtype=True.*nothing was loaded"
        ):
            gs.bind_params(target, {"s_weight": given_array})
        gs.bind_params(target, {"s_weight": given_array}, cast_dtype=True)
        assert bits(target.weight.data()) == (dtype, (2,), array.astype(dtype).tobytes())
        target.weight.set_data(mx.nd.zeros(2))


def test_bind_of_big_endian_array_gives_its_numbers() -> None:
    target = initialised(Scale(2, prefix="s_"))
    gs.bind_params(target, {"s_weight": np.array([1, 2], ">f4")})
    assert target.weight.data().asnumpy().tolist() == [1, 2]


def test_bind_of_strided_and_read_only_arrays_gives_their_numbers() -> None:
    target, array = nn.Dense(3, in_units=2, prefix="d_"), np.arange(12, dtype="float32").reshape(4, 3)[::2].T
    array.flags.writeable = False
    gs.bind_params(target, {"d_weight": array, "d_bias": np.broadcast_to(np.float32(1), (3,))})
    assert target.weight.data().asnumpy().tolist() == array.tolist()


def test_bind_to_itself_changes_nothing() -> None:
    net = convolutional()
    with unchanged(net):
        assert gs.bind_params(net, net).is_complete
        gs.bind_params(net, net.collect_params())
        gs.bind_params(net, {name: p.data() for name, p in net.collect_params().items()})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)), kind=st.sampled_from(["gluon", "arrays", "numpy", "views"]))
def test_bind_to_itself_permuted_reads_all_before_it_writes(order: list[int], kind: str) -> None:
    net = layers()
    names = [f"n_dense{i}_weight" for i in range(5)]
    source: Any = net
    if kind == "arrays":
        source = {name: net.collect_params()[name].data() for name in names}
    elif kind == "numpy":  # memory that a target shares, seen through NumPy
        whole = {name: np.arange(16, dtype="float32").reshape(4, 4) + 100 * i for i, name in enumerate(names)}
        shared = {name: mx.nd.from_numpy(a, zero_copy=True) for name, a in whole.items()}
        gs.bind_params(shared, whole, pairs={names[i]: names[j] for i, j in enumerate(order)})
        assert [shared[n].asnumpy()[0, 0] for n in names] == [100 * j for j in order]
        return
    elif kind == "views":
        source = {name: net.collect_params()[name].data().reshape((4, 4)) for name in names}
    before = values(net)
    gs.bind_params(
        net, source, pairs={names[i]: names[j] for i, j in enumerate(order)}, allow_missing=True, ignore_extra=True
    )
    assert [values(net)[names[i]] for i in range(5)] == [before[names[j]] for j in order]


def test_bind_of_transposed_own_array_is_exact() -> None:
    weight = mx.nd.array([[1, 2, 3], [4, 5, 6]])
    target = {"a": mx.nd.zeros((3, 2))}
    binding = gs.bind_params(target, {"b": weight}, pairs={"a": "b"})
    assert binding.transforms == {"a": "transpose"}
    assert target["a"].asnumpy().tolist() == [[1, 4], [2, 5], [3, 6]]


def test_bind_of_reshaped_pair_keeps_the_order_of_values() -> None:
    target, array = {"a": mx.nd.zeros((2, 4))}, np.arange(8, dtype="float32").reshape(2, 1, 2, 2)
    binding = gs.bind_params(target, {"b": array}, pairs={"a": "b"})
    assert binding.transforms == {"a": "reshape"}
    assert target["a"].asnumpy().tolist() == array.reshape(2, 4).tolist()


def test_bind_of_tied_parameter_sets_it_once() -> None:
    def twice(prefix: str, seed: int) -> gluon.HybridBlock:
        net = nn.HybridSequential(prefix=prefix)
        with net.name_scope():
            net.add(nn.Dense(4, in_units=4, activation="tanh"))
            net.add(nn.Dense(4, in_units=4, activation="tanh", params=net[0].params))
        return initialised(net, seed)

    tied, source = twice("t_", 1), twice("s_", 2)
    gs.bind_params(tied, source)
    assert tied[0].weight is tied[1].weight
    assert same(tied[1].weight.data(), source[0].weight.data())


@pytest.mark.parametrize("value", [1, 2])
def test_bind_of_one_array_under_two_names_takes_one_value_only(value: int) -> None:
    shared = mx.nd.zeros(3)
    target = {"a": shared, "b": shared}
    source = {"a": mx.nd.ones(3), "b": mx.nd.ones(3) * value}
    if value == 1:
        gs.bind_params(target, source)
        assert shared.asnumpy().tolist() == [1, 1, 1]
        return
    with unchanged(target), pytest.raises(gs.BindingError, match="(?s)'a' and 'b' are one array.*skip=.'b'..*nothing"):
        gs.bind_params(target, source)


def test_bind_resets_what_a_trainer_keeps_of_the_values() -> None:
    target, source = layers(1), layers(1, seed=2)
    target.collect_params().reset_ctx([mx.cpu(0), mx.cpu(1)])
    trainer = gluon.Trainer(target.collect_params(), "sgd", {"learning_rate": 0}, kvstore="device")
    with mx.autograd.record():
        loss = [target(normal(2, 4, ctx=c)).sum() for c in (mx.cpu(0), mx.cpu(1))]
    mx.autograd.backward(loss)
    trainer.step(1)
    gs.bind_params(target, source)
    trainer.step(1, ignore_stale_grad=True)
    assert values(target) == values(source)


def test_copy_is_trained_and_its_values_are_bound_back() -> None:
    """The route for a part that is to be trained apart from its network: copy, train, bind back."""
    net = convolutional("c_")
    piece = gs.extract(net, "data", "dropout0_fwd")
    own = copy.deepcopy(piece)
    before = values(net)
    for parameter in own.collect_params().values():
        parameter.set_data(parameter.data() + 1)
    assert values(net) == before
    assert gs.bind_params(piece, own).is_complete
    changed = set(piece.collect_params())
    for name, (dtype, shape, value) in values(net).items():
        assert (before[name] == (dtype, shape, value)) == (name not in changed)
    assert values(own) == {name: values(net)[name] for name in changed}
    other = convolutional("other_", seed=3)
    part = gs.extract(other, "data", "dropout0_fwd")
    assert gs.bind_params(part, piece).is_complete
    assert same(part(normal(2, 3, 8, 8)), piece(normal(2, 3, 8, 8)))
