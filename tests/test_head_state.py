"""Copies of a trunk with a head, by pickle and deepcopy, at any time: no Trainer, nothing untied, nothing lost."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from heads_to_graft import dense
from mxnet import autograd, gluon
from samples import CUTS, Offset, convolutional, initialised, layers, normal, same, values
from snapshots import unchanged

nn = gluon.nn
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda block: pickle.loads(pickle.dumps(block)),
    "old pickle": lambda block: pickle.loads(pickle.dumps(block, protocol=2)),
    "deepcopy": copy.deepcopy,
}
copies = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
ONE, TWO = [mx.cpu(0)], [mx.cpu(0), mx.cpu(1)]


def _step(block: gluon.Block, x: Any, contexts: Any, *, kvstore: Any = "device") -> gluon.Trainer:
    trainer = gluon.Trainer(block.collect_params(), "adam", {"learning_rate": 0.1}, kvstore=kvstore)
    with autograd.record():
        losses = [(block(x.as_in_context(ctx)) ** 2).sum() for ctx in contexts]
    autograd.backward(losses)
    trainer.step(2)
    return trainer


@copies
@pytest.mark.parametrize("kvstore", ["device", None], ids=str)
@pytest.mark.parametrize("contexts", [ONE, TWO], ids=["one context", "two contexts"])
@pytest.mark.parametrize("hybridize", [False, True])
def test_copy_in_the_middle_of_training_has_no_trainer(
    make_copy: Any, kvstore: Any, contexts: Any, hybridize: bool
) -> None:
    block, x = gs.replace_head(layers(2), dense(in_units=4)), normal(2, 4)
    block.reset_ctx(contexts)
    block.hybridize(hybridize)
    size = len(pickle.dumps(block))
    trainer = _step(block, x, contexts, kvstore=kvstore)
    with unchanged(block):
        twin = make_copy(block)
        assert len(pickle.dumps(block)) == size
    assert {p._trainer for p in block.collect_params().values()} == {trainer}
    assert {p._trainer for p in twin.collect_params().values()} == {None}
    before = values(block)
    assert (values(twin), same(twin(x), block(x))) == (before, True)
    _step(twin, x, contexts)
    assert values(block) == before
    assert [n for n, value in values(twin).items() if value == before[n]] == []


def _sharing(net: Any) -> gluon.HybridBlock:
    head = nn.HybridSequential(prefix="h_")
    head.add(nn.Dense(4, in_units=4, prefix=net[1].prefix, params=net[1].params))
    head.add(nn.Dense(2, in_units=4, prefix="h_end_"))
    head[1].initialize()
    return head


@copies
def test_parameter_of_head_and_trunk_stays_one(make_copy: Any) -> None:
    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(*(nn.Dense(4, in_units=4, activation="tanh") for _ in range(3)))
    block = gs.replace_head(initialised(net), _sharing(net))
    assert block.head[0].weight is block.trunk.params["n_dense1_weight"]
    twin = make_copy(block)
    assert same(twin(normal(2, 4)), block(normal(2, 4)))
    assert twin.head[0].weight is twin.trunk.params["n_dense1_weight"]
    assert twin.head[0].weight is twin.collect_params()["n_dense1_weight"]
    assert twin.head[0].weight is not net[1].weight


@copies
def test_blocks_copied_together_stay_tied(make_copy: Any) -> None:
    net, head = layers(2), dense()
    first, second = gs.replace_head(net, head), gs.replace_head(net, dense(prefix="other_"))
    third = gs.replace_head(layers(2, "m_"), head)
    one, two, three = make_copy([first, second, third])
    assert one.trunk.params["n_dense0_weight"] is two.trunk.params["n_dense0_weight"]
    assert (one.head is three.head, one.head is two.head) == (True, False)


def test_shallow_copy_is_another_block_of_the_same_parts() -> None:
    block = gs.replace_head(layers(2), dense())
    block.classes = ["cat", "dog"]
    twin = copy.copy(block)
    assert (twin.trunk.params["n_dense0_weight"], twin.head) == (block.trunk.params["n_dense0_weight"], block.head)
    assert twin.classes is block.classes
    twin.head = dense(4, prefix="other_")
    assert [b(normal(2, 4)).shape for b in (twin, block)] == [(2, 4), (2, 3)]


HEADS: dict[str, Callable[[], Any]] = {
    "piece": lambda: gs.extract(layers(2, "p_"), {"x": "data"}, "dense1_fwd"),
    "another headed block": lambda: gs.replace_head(layers(2, "p_"), dense()),
    "a piece among others": lambda: _among_others(),
    "stock SymbolBlock": lambda: _stock(),
    "constants": lambda: _with_constants(),
    "norm": lambda: _with_norm(),
}


def _among_others() -> gluon.HybridBlock:
    head = nn.HybridSequential(prefix="h_")
    head.add(nn.Dense(4, prefix="h_dense_"), gs.extract(layers(2, "p_"), {"x": "data"}, "dense1_fwd"))
    return initialised(head)


def _stock() -> gluon.HybridBlock:
    piece = gs.extract(layers(2, "p_"), {"x": "data"}, "dense1_fwd")
    return gluon.SymbolBlock(piece.symbol, mx.sym.var("x"), piece.collect_params())


def _with_constants() -> gluon.HybridBlock:
    head = nn.HybridSequential(prefix="h_")
    head.add(nn.Dense(3, prefix="h_dense_"), Offset(prefix="o_"))
    return initialised(head)


def _with_norm() -> gluon.HybridBlock:
    head = nn.HybridSequential(prefix="h_")
    head.add(nn.Flatten(), nn.BatchNorm(prefix="h_norm_"), nn.Dense(3, prefix="h_end_"))
    return initialised(head)


@copies
@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("case", HEADS)
def test_every_kind_of_head_is_copied(case: str, hybridize: bool, make_copy: Any) -> None:
    block, x = gs.replace_head(layers(2), HEADS[case]()), normal(2, 4)
    block.hybridize(hybridize)
    expected, before = block(x), values(block)
    twin = make_copy(block)
    assert (values(twin), same(twin(x), expected)) == (before, True)
    assert [type(child) for child in twin._children.values()] == [type(child) for child in block._children.values()]
    if case != "stock SymbolBlock":  # of which stock Gluon cannot train a copy
        _step(twin, x, ONE)
    assert values(block) == before


@copies
@pytest.mark.parametrize("make", [lambda: gs.replace_head(layers(2), dense()), lambda: gs.extract(layers(2), *_ENDS)])
def test_copy_has_what_was_set_on_the_block(make: Callable[[], Any], make_copy: Any) -> None:
    block = make()
    block.classes, block._palette = ["cat", "dog"], {"cat": 1}
    twin = make_copy(block)
    assert (twin.classes, twin._palette) == (block.classes, block._palette)
    assert twin.classes is not block.classes
    assert sorted(vars(twin)) == sorted(vars(block))


_ENDS = ("data", "dense1_fwd")


class _Named(gs.SubgraphBlock):
    """Counts its calls."""

    calls = 0

    def forward(self, *inputs: Any) -> Any:
        self.calls += 1
        return super().forward(*inputs)


@copies
def test_copy_of_a_subclass_has_its_attributes(make_copy: Any) -> None:
    symbol = layers(2)(mx.sym.var("data"))
    block = _Named(symbol, mx.sym.var("data"))
    block.initialize()
    block(normal(2, 4))
    twin = make_copy(block)
    assert (type(twin), twin.calls) == (_Named, 1)


@pytest.mark.parametrize("make", [lambda: gs.replace_head(layers(2), dense()), lambda: gs.extract(layers(2), *_ENDS)])
def test_deep_copy_has_the_hooks_and_a_pickled_one_none(make: Callable[[], Any]) -> None:
    block, fired = make(), []
    block.register_forward_pre_hook(lambda b, _: fired.append(b))
    block.register_forward_hook(lambda b, *_: fired.append(b))
    twin = copy.deepcopy(block)
    twin(normal(2, 4))
    assert fired == [twin, twin]
    pickle.loads(pickle.dumps(block))(normal(2, 4))
    assert fired == [twin, twin]


@copies
def test_copy_leaves_behind_what_the_block_is_a_part_of(make_copy: Any) -> None:
    whole, x = nn.HybridSequential(prefix="w_"), normal(2, 3, 8, 8)
    with whole.name_scope():
        head = initialised(nn.Dense(5, in_units=6, params=convolutional("other_")[8].params))
        block = gs.replace_head(convolutional(), head)
        whole.add(block)
    whole.hybridize()
    whole.cannot_be_copied = (part for part in "abc")
    assert same(make_copy(block)(x), whole(x))
    assert block.head._cached_graph == ()


@copies
def test_copy_of_a_block_that_is_not_initialised_is_none_either(make_copy: Any) -> None:
    block = gs.replace_head(convolutional(), nn.Dense(3, prefix="new_"))
    twin = make_copy(block)
    assert twin.head.weight._data is None
    twin.head.initialize()
    assert twin(normal(2, 3, 8, 8)).shape == (2, 3)
    assert block.head.weight.shape == (3, 0)
    assert make_copy(gs.extract(convolutional(), *CUTS)).input_names == gs.extract(convolutional(), *CUTS).input_names


def test_numpy_block_is_read_and_copied_outside_numpy_mode(tmp_path: Path) -> None:
    with mx.util.np_shape(), mx.util.np_array():
        net = nn.HybridSequential(prefix="n_")
        net.add(nn.Dense(4, in_units=4, prefix="a_"), nn.Dense(5, in_units=4, prefix="b_"))
        block = gs.replace_head(initialised(net), dense(in_units=4))
    names = [node.name for node in gs.list_nodes(block)]
    assert names == ["data", "a_fwd", "new_fwd"]
    block.export(str(tmp_path / "b"))
    pieces = gs.extract(block, "a_fwd", "new_fwd"), copy.deepcopy(block)
    again = gs.replace_head(block, nn.Dense(2, prefix="again_"))
    plain = gs.replace_head(layers(2), dense())
    with mx.util.np_shape(), mx.util.np_array():
        again.head.initialize()
        x = mx.np.array(normal(2, 4).asnumpy())
        assert (pieces[0](block.trunk(x)) == block(x)).all()
        assert (pieces[1](x) == block(x)).all()
        assert again(x).shape == (2, 2)
        assert [n.name for n in gs.list_nodes(plain)][-1] == "new_fwd"
