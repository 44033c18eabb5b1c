"""A headed block behaves as a Gluon block does, and what it is made of is settled."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any, Callable

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from heads_to_graft import Towers, dense
from mxnet import autograd, gluon
from samples import Offset, convolutional, initialised, layers, normal, same, values
from snapshots import unchanged

nn = gluon.nn
X = (2, 3, 8, 8)


def _headed(prefix: str = "c_", head: Any = None, seed: int = 0) -> Any:
    return gs.replace_head(
        convolutional(prefix, seed=seed), head or initialised(nn.Dense(3, in_units=6, prefix="new_"))
    )


def _step(block: Any, x: Any) -> None:
    trainer = gluon.Trainer(block.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = (block(x) ** 2).sum()
    loss.backward()
    trainer.step(2)


@pytest.mark.parametrize("hybridize", [None, {}, {"static_alloc": True, "static_shape": True}], ids=str)
def test_it_computes_the_head_of_the_trunk(hybridize: Any) -> None:
    block = _headed()
    if hybridize is not None:
        block.hybridize(**hybridize)
    for shape in (X, (1, 3, 8, 8), (3, 3, 12, 12)):
        assert same(block(normal(*shape)), block.head(block.trunk(normal(*shape))))


@pytest.mark.parametrize("hybridize", [False, True])
def test_inputs_keep_their_order(hybridize: bool, tmp_path: Path) -> None:
    net, x, y = initialised(Towers(prefix="t_")), normal(2, 4), normal(2, 3)
    block = gs.replace_head(net, dense(), reuse_rows={1: 4})
    block.hybridize(hybridize)
    assert same(block(x, y)[:, 1], net(x, y)[:, 4])
    assert block.input_names == ("data0", "data1")
    block.export(str(tmp_path / "b"))
    stock = gluon.SymbolBlock.imports(
        str(tmp_path / "b-symbol.json"), ["data0", "data1"], str(tmp_path / "b-0000.params")
    )
    assert same(stock(x, y), block(x, y))
    again = gs.replace_head(block, nn.Dense(2, prefix="again_"))
    again.head.initialize()
    assert again(x, y).shape == (2, 2)
    with pytest.raises(gs.SubgraphError, match="takes 2 inputs, 1 were given"):
        block(x)


def test_second_head_keeps_the_trunk() -> None:
    net, x = convolutional(), normal(*X)
    first = gs.replace_head(net, dense())
    first(x)
    second = gs.replace_head(first, initialised(nn.Dense(2, prefix="second_")), reuse_rows={1: 2})
    assert [n.name for n in second.trunk.graph.nodes] == [n.name for n in first.trunk.graph.nodes]
    assert [p is net.collect_params()[n] for n, p in second.trunk.params.items()] == [True] * 14
    assert same(second(x)[:, 1], first(x)[:, 2])


@pytest.mark.parametrize("hybridize", [False, True])
def test_two_in_one_parent(hybridize: bool) -> None:
    parent = nn.HybridSequential(prefix="p_")
    with parent.name_scope():
        one, two = (gs.replace_head(layers(2, p), initialised(nn.Dense(4, in_units=4))) for p in ("a_", "b_"))
        parent.add(one, two)
    x = normal(2, 4)
    parent.hybridize(hybridize)
    assert same(parent(x), two(one(x)))
    assert sorted(parent.collect_params()) == sorted([*one.collect_params(), *two.collect_params()])
    before = values(parent)
    _step(parent, x)
    assert [n for n, value in values(parent).items() if value == before[n]] == []


def test_export_needs_no_forward_and_takes_the_names_of_the_inputs(tmp_path: Path) -> None:
    net = gs.extract(convolutional(), {"image": "data"}, "dense0_fwd")
    block = gs.replace_head(net, initialised(nn.Dense(3, in_units=6, prefix="new_")))
    texts = []
    for hybridize in (False, True):
        block.hybridize(hybridize)
        block.export(str(tmp_path / "b"), 7)
        texts.append((tmp_path / "b-symbol.json").read_text())
        assert set(mx.nd.load(str(tmp_path / "b-0007.params"))) == {
            f"{'aux' if 'running' in n else 'arg'}:{n}" for n in block.collect_params()
        }
        block(normal(*X))
    assert texts[0] == texts[1]
    symbol, arguments, auxiliary = mx.model.load_checkpoint(str(tmp_path / "b"), 7)
    assert same(
        gs.replace_head((symbol, arguments, auxiliary), dense(), reuse_rows={0: 2})(normal(*X))[:, 0],
        block(normal(*X))[:, 2],
    )


def test_without_values_nothing_is_written(tmp_path: Path) -> None:
    block = gs.replace_head(convolutional(), nn.Dense(3, prefix="new_"))
    for write in (block.export, block.save_parameters):
        with pytest.raises(gs.BindingError, match=r"2 of \d+ parameters have no value: '(new_|head.)weight'"):
            write(str(tmp_path / "b"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deduplicate", [False, True])
def test_parameters_load_into_another_instance(deduplicate: bool, tmp_path: Path) -> None:
    one = _headed("a_", seed=1)
    two = gs.replace_head(convolutional("b_", seed=2), nn.Dense(3, prefix="other_"))
    one.save_parameters(str(tmp_path / "p"), deduplicate)
    names = list(mx.nd.load(str(tmp_path / "p")))
    assert ("trunk.conv0_weight" in names, "head.weight" in names) == (True, True)
    two.load_parameters(str(tmp_path / "p"))
    assert same(one(normal(*X)), two(normal(*X)))
    assert [v for _, v in sorted(values(one).items())][:14] == [v for _, v in sorted(values(two).items())][:14]


def test_file_of_another_head_is_refused_and_nothing_is_loaded(tmp_path: Path) -> None:
    _headed(head=initialised(nn.Dense(4, in_units=6, prefix="x_"))).save_parameters(str(tmp_path / "p"))
    block = _headed()
    with unchanged(block), pytest.raises(
        gs.BindingError, match=r"(?s)'head.weight' differs in shape.*Nothing was loaded"
    ):
        block.load_parameters(str(tmp_path / "p"))


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))], ids=["deep", "pickle"])
def test_copy_is_equal_and_trains_apart(make_copy: Callable[[Any], Any], hybridize: bool) -> None:
    block, x = _headed(), normal(*X)
    block.hybridize(hybridize)
    expected, before = block(x), values(block)
    assert same(block.head(block.trunk(x)), expected)  # compiles the head by itself
    twin = make_copy(block)
    assert (type(twin), twin._active, values(twin)) == (type(block), hybridize, before)
    assert same(twin(x), expected)
    _step(twin, x)
    assert (values(block), same(block(x), expected)) == (before, True)
    assert [n for n, value in values(twin).items() if value == before[n]] == []


def _deep() -> gluon.HybridBlock:
    head = nn.HybridSequential(prefix="b_")
    with head.name_scope():
        head.add(nn.Dense(4, activation="relu"), nn.Dense(2))
    return head


@pytest.mark.parametrize("make", [lambda: nn.Dense(2, prefix="b_dense1_"), _deep], ids=["same class", "another"])
@pytest.mark.parametrize("hybridize", [False, True])
def test_assigning_head_swaps_it(make: Callable[[], Any], hybridize: bool) -> None:
    block, x = _headed(), normal(*X)
    block.hybridize(hybridize)
    block(x)
    head = make()
    block.head = head
    head.initialize()
    assert block(x).shape[:2] == (2, 2)
    assert same(block(x), head(block.trunk(x)))
    assert (block.head, list(block._children)) == (head, ["trunk", "head"])
    assert list(block.collect_params())[-2:] == ["b_dense1_weight", "b_dense1_bias"]


def test_head_may_be_a_piece_of_a_network_and_may_share_parameters() -> None:
    net, x = convolutional(), normal(*X)
    piece = gs.extract(net, {"x": "c_pool0_fwd"}, "dense0_fwd")
    block = gs.replace_head(net, piece, at="pool0_fwd")
    assert same(block(x), net(x))
    assert sorted(block.collect_params()) == sorted(net.collect_params())


def test_double_precision_trunk_and_head_are_cast_together() -> None:
    net, head, x = convolutional(), dense(in_units=6), normal(*X)
    net.cast("float64")
    head.cast("float64")
    block = gs.replace_head(net, head, reuse_rows={1: 4})
    assert same(block(x.astype("float64"))[:, 1], net(x.astype("float64"))[:, 4])
    block.cast("float32")
    assert {np.dtype(p.dtype).name for p in block.collect_params().values()} == {"float32"}
    assert block(x).dtype == np.float32


def test_reset_ctx_moves_trunk_and_head() -> None:
    net, x = convolutional(), normal(*X)
    block = gs.replace_head(net, dense(in_units=6))
    expected = block(x)
    block.hybridize()
    for contexts in (mx.cpu(1), [mx.cpu(0), mx.cpu(1)]):
        block.reset_ctx(contexts)
        result = block(x.as_in_context(mx.cpu(1)))
        assert (same(result, expected), result.context, net[0].weight.list_ctx()[-1]) == (True, mx.cpu(1), mx.cpu(1))
    with pytest.raises(gs.SubgraphError, match=r"(?s)ctx='cpu' is no context.*nothing was moved"):
        block.reset_ctx("cpu")
    deferred = gs.replace_head(convolutional(), nn.Dense(3, prefix="new_"))
    with unchanged(deferred), pytest.raises(gs.BindingError, match=r"2 of \d+ parameters have no value"):
        deferred.reset_ctx(mx.cpu(1))


def test_names_leave_out_the_prefix_of_the_network() -> None:
    block = _headed()
    assert gs.extract(block, "pool0_fwd", "new_fwd").input_names == ("c_pool0_fwd_output",)
    paths = {n.name: n.path for n in gs.list_nodes(block) if n.op != "input"}
    assert (paths["c_body_conv0_fwd"], paths["new_fwd"]) == ("trunk.3.body.0", "head")


def test_constants_and_settings_of_the_trunk_stay() -> None:
    net = nn.HybridSequential(prefix="o_")
    net.add(Offset(prefix="off_"), nn.Dense(4, in_units=2, prefix="end_"))
    initialised(net)[0].dense.weight.lr_mult = 3
    block = gs.replace_head(net, dense())
    assert isinstance(block.collect_params()["off_offset"], gluon.Constant)
    assert block.collect_params()["off_dense0_weight"].lr_mult == 3


def test_it_prints_what_it_is_made_of(capsys: Any) -> None:
    block = _headed()
    assert re.search(
        r"(?s)^HeadedBlock\(\n  \(trunk\): SubgraphBlock\(.*\n  \(head\): Dense\(6 -> 3, linear\)\n\)$", repr(block)
    )
    block.summary(X)
    out = capsys.readouterr().out
    assert re.search(r"head\s+new_fwd\s+FullyConnected\s+\(2, 3\)\s+21\n", out)
    with pytest.raises(gs.SubgraphError, match="takes 1 input, 0 were given"):
        block.summary()


def test_saved_block_loads_as_one_piece(tmp_path: Path) -> None:
    net, x, y = initialised(Towers(prefix="t_")), normal(2, 4), normal(2, 3)
    block = gs.replace_head(net, dense())
    block(x, y)
    with unchanged(block):
        saved = block.save(str(tmp_path / "b"))
    assert saved.params_file == str(tmp_path / "b-0000.params")
    again = gs.load(str(tmp_path / "b"))
    assert (again.input_names, again.name_prefix) == (block.input_names, again.name_prefix)
    assert same(again(x, y), block(x, y))


class _Unused(gluon.HybridBlock):
    """Has a layer that it does not call."""

    def __init__(self) -> None:
        super().__init__(prefix="u_")
        with self.name_scope():
            self.used, self.unused = nn.Dense(3), nn.Dense(2)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return [self.used(x)]


@pytest.mark.filterwarnings("ignore:Parameter u_dense1")  # Gluon's own hint
@pytest.mark.parametrize("hybridize", [False, True])
def test_layer_that_the_head_does_not_use_is_left_alone(hybridize: bool, tmp_path: Path) -> None:
    block = gs.replace_head(convolutional(), _Unused())
    block.head.initialize()
    block.hybridize(hybridize)
    (result,) = block(normal(*X))
    assert result.shape == (2, 3)
    block.export(str(tmp_path / "b"))
    assert "arg:u_dense1_weight" not in mx.nd.load(str(tmp_path / "b-0000.params"))


def test_new_head_reaches_the_hybridized_whole_that_has_run() -> None:
    block = gs.replace_head(convolutional(), initialised(nn.Dense(3, prefix="first_")))
    whole = nn.HybridSequential(prefix="w_")
    whole.add(block)
    whole.hybridize()
    x = normal(4, 3, 8, 8)
    assert whole(x).shape == (4, 3)
    block.head = initialised(nn.Dense(7, prefix="second_"))
    assert same(whole(x), block(x))
    assert whole(x).shape == (4, 7)
