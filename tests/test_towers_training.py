"""Towers in training and in files: gradients add up, parameters stay one, executors and exports see each once."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import copy
import pickle
from pathlib import Path
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from samples import bits, convolutional, initialised, layers, normal, same, triple, values

nn = gluon.nn
SIDES = ("left_", "right_")
X = (4, 3, 8, 8)
IMAGES = [normal(*X, seed=seed) for seed in (1, 2)]


def _normalised(prefix: str = "m_", **options: Any) -> gluon.HybridBlock:
    """Return a convolution and a dense layer with BatchNorm between, without dropout."""
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, in_channels=3), nn.BatchNorm(in_channels=4, **options), nn.Activation("relu"))
        net.add(nn.Flatten(), nn.Dense(2, in_units=4 * 6 * 6))
    return initialised(net)


def _backward(run: Callable[..., Any], inputs: Any, net: gluon.Block, seeds: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the outputs of one training pass, each with its own weights in the loss, and all gradients."""
    for x in inputs:
        x.attach_grad()
    with autograd.record():
        outputs = run(*inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        loss = sum((y * normal(*y.shape, seed=seed)).sum() for y, seed in zip(outputs, seeds))
    loss.backward()
    grads = {n: p.grad().asnumpy().copy() for n, p in net.collect_params().items() if p.grad_req != "null"}
    return outputs, {**grads, **{f"input {seed}": x.grad.asnumpy().copy() for seed, x in zip(seeds, inputs)}}


@pytest.mark.parametrize("hybridize", [None, {"static_alloc": True, "static_shape": True}], ids=["plain", "static"])
@pytest.mark.parametrize("make", [_normalised, lambda: _normalised(use_global_stats=True)], ids=["moving", "frozen"])
def test_gradients_are_the_sum_of_those_of_the_single_passes(make: Any, hybridize: Any) -> None:
    net, twin = make(), make()
    towers = gs.tie_towers(net)
    if hybridize is not None:
        towers.hybridize(**hybridize)
        twin.hybridize(**hybridize)
    outputs, found = _backward(towers, IMAGES, net, (5, 6))
    (left,), left_grads = _backward(twin, IMAGES[:1], twin, (5,))
    (right,), right_grads = _backward(twin, IMAGES[1:], twin, (6,))
    assert same(outputs, [left, right])
    expected = {name: grad + right_grads[name] for name, grad in left_grads.items() if "input" not in name}
    expected.update({"input 5": left_grads["input 5"], "input 6": right_grads["input 6"]})
    assert {n: g.tobytes() for n, g in found.items()} == {n: g.tobytes() for n, g in expected.items()}
    assert all(grad.any() for grad in found.values())


@pytest.mark.parametrize("count", [1, 3, 4])
def test_gradients_of_any_number_of_towers_add_up_exactly(count: int) -> None:
    """Whole numbers, whose sums are exact in any order."""
    random = np.random.RandomState(count)
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(3, in_units=4), nn.Activation("relu"), nn.Dense(2, in_units=3))
    net.initialize()
    for parameter in net.collect_params().values():
        parameter.set_data(mx.nd.array(random.randint(-3, 4, parameter.shape)))
    inputs = [mx.nd.array(random.randint(-3, 4, (5, 4))) for _ in range(count)]
    towers = gs.tie_towers(net, [f"t{k}_" for k in range(count)])

    def gradients(run: Callable[..., Any], given: Any) -> dict[str, Any]:
        with autograd.record():
            outputs = run(*given)
            loss = sum(y.square().sum() for y in (outputs if isinstance(outputs, list) else [outputs]))
        loss.backward()
        return {name: p.grad().asnumpy().copy() for name, p in net.collect_params().items()}

    singly = [gradients(net, [x]) for x in inputs]
    together = gradients(towers, inputs)
    assert {n: g.tolist() for n, g in together.items()} == {n: sum(s[n] for s in singly).tolist() for n in together}


def _train(run: Callable[..., Any], params: Any, steps: int = 20) -> None:
    """Take steps on batches that differ from side to side and from step to step."""
    trainer = gluon.Trainer(params, "adam", {"learning_rate": 0.01}, kvstore=None)
    for step in range(steps):
        inputs = [normal(*X, seed=2 * step + side) + side for side in range(2)]
        with autograd.record():
            left, right = run(*inputs)
            loss = (left - right).square().sum() + left.square().sum()
        loss.backward()
        trainer.step(X[0])


def test_towers_stay_equal_in_training_and_value_copies_drift_apart(tmp_path: Path) -> None:
    net, x = convolutional(), IMAGES[0]
    towers = gs.tie_towers(net)
    before = values(net)
    _train(towers, towers.collect_params())
    assert all(before[name] != now for name, now in values(net).items())
    assert same(towers(x, x), [net(x), net(x)])
    towers.export(str(tmp_path / "t"))
    stored = gluon.SymbolBlock.imports(
        str(tmp_path / "t-symbol.json"), [side + "data" for side in SIDES], str(tmp_path / "t-0000.params")
    )
    assert same(stored(x, x), [net(x), net(x)])

    one = gs.extract(convolutional(), "data", "dense0_fwd")
    other = copy.deepcopy(one)
    _train(lambda a, b: (one(a), other(b)), [*one.collect_params().values(), *other.collect_params().values()])
    weights = {name: p for name, p in one.params.items() if p.grad_req != "null"}
    apart = max(float((p.data() - other.params[n].data()).abs().max().asscalar()) for n, p in weights.items())
    assert apart > 0.1
    assert not same(one(x), other(x))


def test_running_statistics_move_once_per_tower_as_in_two_steps_of_the_network() -> None:
    net = _normalised()
    towers, before = gs.tie_towers(net), values(net)
    towers(*IMAGES)
    assert values(net) == before
    outputs, _ = _backward(towers, IMAGES, net, (5, 6))
    in_turn = []
    for order in ((1, 0), (0, 1)):  # MXNet chooses; on a CPU the last tower's backward pass comes first
        twin = _normalised()
        passes = {i: _backward(twin, IMAGES[i : i + 1], twin, (5,))[0][0] for i in order}
        assert same(outputs, [passes[0], passes[1]])
        in_turn.append(_statistics(twin))
    assert _statistics(net) in in_turn
    assert len({bits(net[1].running_mean.data()), before["m_batchnorm0_running_mean"]}) == 2


def _statistics(net: gluon.Block) -> dict[str, Any]:
    return {name: value for name, value in values(net).items() if "running" in name}


def test_frozen_statistics_stay_and_make_training_mode_compute_what_inference_does() -> None:
    net = _normalised(use_global_stats=True)
    towers, before = gs.tie_towers(net), _statistics(net)
    inferred = towers(*IMAGES)
    outputs, _ = _backward(towers, IMAGES, net, (5, 6))
    assert same(outputs, inferred)
    assert _statistics(net) == before


@pytest.mark.parametrize("which", ["network", "towers"])
def test_freeze_before_or_after_tying_keeps_the_statistics(which: str) -> None:
    net = _normalised()
    if which == "network":
        gs.freeze(net, "*batchnorm*")
    towers = gs.tie_towers(net)
    if which == "towers":
        gs.freeze(towers, "*batchnorm*")
    before = values(net)
    trainer = gluon.Trainer(towers.collect_params(), "sgd", kvstore=None)
    _backward(towers, IMAGES, net, (5, 6))
    trainer.step(1)
    assert {n for n, now in values(net).items() if now == before[n]} == {n for n in before if "batchnorm" in n}
    gs.unfreeze(towers)
    _backward(towers, IMAGES, net, (5, 6))
    assert all(now != before[name] for name, now in _statistics(net).items())


def test_joined_batches_mix_what_towers_normalise_apart() -> None:
    """The other way to share weights: concatenate the batches, run the network once, split."""
    net, twin = _normalised(), _normalised()
    inputs = [IMAGES[0], IMAGES[1] + 3]

    def joined(left: Any, right: Any) -> Any:
        return mx.nd.split(twin(mx.nd.concat(left, right, dim=0)), num_outputs=2, axis=0)

    def gap(pairs: Any) -> float:
        return max(float((a - b).abs().max().asscalar()) for a, b in pairs)

    towers = gs.tie_towers(net)
    assert gap(zip(towers(*inputs), joined(*inputs))) < 1e-5
    with autograd.record():
        apart, mixed = towers(*inputs), joined(*inputs)
    assert gap(zip(apart, mixed)) > 0.1


def _module(symbol: Any, shapes: dict[str, Any], labels: dict[str, Any], **params: Any) -> mx.mod.Module:
    module = mx.mod.Module(symbol, list(shapes), list(labels) or None)
    module.bind([*shapes.items()], [*labels.items()] or None)
    module.init_params(**params)
    return module


def test_exported_towers_bind_with_each_parameter_once(tmp_path: Path) -> None:
    net = _normalised()
    towers = gs.tie_towers(net)
    towers.export(str(tmp_path / "t"))
    symbol, arguments, auxiliary = mx.model.load_checkpoint(str(tmp_path / "t"), 0)
    listed = symbol.list_inputs()
    assert len(set(listed)) == len(listed)
    assert set(listed) == {"left_data", "right_data", *net.collect_params().keys()}
    assert set(arguments) | set(auxiliary) == set(net.collect_params().keys())

    shapes = {side + "data": X for side in SIDES}
    weights = [normal(4, 2, seed=seed) for seed in (5, 6)]
    outputs, grads = _backward(towers, IMAGES, net, (5, 6))
    executor = symbol.simple_bind(mx.cpu(), grad_req="write", **shapes)
    executor.copy_params_from({**arguments, **dict(zip(shapes, IMAGES))}, auxiliary)
    assert same(executor.forward(is_train=True), outputs)
    executor.backward(weights)
    module = _module(symbol, shapes, {}, arg_params=arguments, aux_params=auxiliary)
    module.forward(mx.io.DataBatch(IMAGES), is_train=True)
    assert same(module.get_outputs(), outputs)
    module.backward(weights)
    by_module = dict(zip(module._exec_group.param_names, module._exec_group.grad_arrays))
    for name in arguments:
        assert executor.grad_dict[name].asnumpy().tobytes() == grads[name].tobytes()
        assert by_module[name][0].asnumpy().tobytes() == grads[name].tobytes()


def test_module_with_two_towers_takes_one_step_from_42_to_41_58() -> None:
    """Both towers read x = 1 and give w = 42; each adds 42 - 0 to the gradient; 42 - 0.005 * 84 = 41.58.

    A weight that only one tower moved would be at 42 - 0.005 * 42 = 41.79.
    """
    product = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, no_bias=True, name="fc")
    net = mx.sym.LinearRegressionOutput(product, mx.sym.var("label"), name="out")
    symbol = gs.tie_towers(net, common="label")
    assert symbol.list_arguments() == ["left_data", "fc_weight", "label", "right_data"]
    assert symbol.list_outputs() == ["left_out_output", "right_out_output"]
    shapes = {side + "data": (1, 1) for side in SIDES}
    module = _module(symbol, shapes, {"label": (1, 1)}, arg_params={"fc_weight": mx.nd.array([[42.0]])})
    module.init_optimizer(kvstore=None, optimizer="sgd", optimizer_params={"learning_rate": 0.005})
    batch = mx.io.DataBatch([mx.nd.ones((1, 1))] * 2, [mx.nd.zeros((1, 1))])
    seen = []
    for _ in range(2):
        module.forward(batch, is_train=True)
        seen.append([y.asnumpy().item() for y in module.get_outputs()])
        module.backward()
        module.update()
    assert seen[0] == [42.0, 42.0]
    assert seen[1] == pytest.approx([41.58, 41.58], abs=1e-5)
    assert seen[1][0] == seen[1][1]


@pytest.mark.parametrize("common", [(), "softmax_label"], ids=["own labels", "one label"])
def test_labels_of_a_module_s_network_are_inputs(common: Any) -> None:
    symbol = mx.sym.SoftmaxOutput(layers(1)(mx.sym.var("data")), name="softmax")
    labels = ["softmax_label"] if common else [side + "softmax_label" for side in SIDES]
    module = _module(
        gs.tie_towers(symbol, common=common), {side + "data": (2, 4) for side in SIDES}, dict.fromkeys(labels, (2,))
    )
    batch = mx.io.DataBatch([normal(2, 4), normal(2, 4, seed=2)], [mx.nd.array([0, 3])] * len(labels))
    module.forward_backward(batch)
    assert [y.shape for y in module.get_outputs()] == [(2, 4), (2, 4)]
    _, arguments, auxiliary = triple(layers(1))
    towers = gs.tie_towers((symbol, arguments, auxiliary), common=common)
    own = ["left_data", "left_softmax_label", "right_data", "right_softmax_label"]
    assert towers.input_names == (("left_data", "right_data", "softmax_label") if common else tuple(own))
    plain = gs.tie_towers(gs.extract((symbol, arguments, auxiliary), "data", "softmax"))
    assert plain.input_names == ("left_data", "right_data")


def test_parameters_saved_by_towers_load_into_towers_and_network(tmp_path: Path) -> None:
    net, path = convolutional(), str(tmp_path / "p")
    gs.tie_towers(net).save_parameters(path)
    towers = gs.tie_towers(convolutional(prefix="d_", seed=3), ("x_", "y_", "z_"))
    whole = gs.extract(convolutional(seed=4), "data", "dense0_fwd")
    towers.load_parameters(path)
    whole.load_parameters(path)
    assert same(towers(*IMAGES, IMAGES[0]), [net(x) for x in (*IMAGES, IMAGES[0])])
    assert same(whole(IMAGES[0]), net(IMAGES[0]))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda block: pickle.loads(pickle.dumps(block))], ids=["copy", "pickle"]
)
def test_a_copy_of_towers_is_tied_in_itself(copied: Any) -> None:
    net = convolutional()
    towers = gs.tie_towers(net)
    other, before = copied(towers), values(net)
    assert same(other(*IMAGES), towers(*IMAGES))
    _train(other, other.collect_params(), steps=2)
    left, right = other(IMAGES[0], IMAGES[0])
    assert same(left, right)
    assert not same(left, net(IMAGES[0]))
    assert values(net) == before
