"""A block without a graph under other parameter names: collected, saved and loaded by them, and otherwise the same."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import copy
from pathlib import Path
from typing import Any

import mxnet as mx
import pytest
from mxnet import autograd, gluon
from samples import Scale, bits, initialised, normal, same, values
from snapshots import unchanged

nn = gluon.nn


class Looking(gluon.Block):
    """Looks at its values, so that it cannot be traced; owns a parameter, a plain child and lists."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(4,), init="one")
            self.inner = nn.Sequential(prefix="in_")
            with self.inner.name_scope():
                self.inner.add(nn.Dense(4, in_units=4), Scale(4))
        self.parts = [self.inner]

    def forward(self, x: Any) -> Any:
        x = self.parts[0](x) if x.sum().asscalar() > 0 else -self.inner(x)
        return x * self.params.get("weight").data()


def _net(prefix: str = "n_", seed: int = 0) -> nn.Sequential:
    net = nn.Sequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4), Looking())
    return initialised(net, seed)


NAMES = ["dense0_weight", "dense0_bias", "looking0_weight"]
NAMES += ["looking0_in_dense0_weight", "looking0_in_dense0_bias", "looking0_in_scale0_weight"]


def test_renamed_block_gives_out_new_names_of_the_same_parameters() -> None:
    net, x = _net(), normal(2, 4)
    with unchanged(net):
        renamed = gs.rename(net, "m_")
        back = gs.rename(renamed.net, renamed.inverse)
        assert same(renamed.net(x), net(x))
        assert same(renamed.net(-x), net(-x))
    assert type(renamed.net) is nn.Sequential
    assert renamed.mapping == {f"n_{name}": f"m_{name}" for name in NAMES}
    assert list(renamed.net.collect_params()) == [f"m_{name}" for name in NAMES]
    assert list(renamed.net.collect_params("m_look.*weight")) == [f"m_{n}" for n in NAMES if "look" in n and "we" in n]
    assert [id(p) for p in renamed.net.collect_params().values()] == [id(p) for p in net.collect_params().values()]
    assert list(back.net.collect_params().items()) == list(net.collect_params().items())
    assert [id(a) for a in (renamed.net[1].parts[0], renamed.net[0])] == [id(renamed.net[1].inner), id(net[0])]
    assert renamed.net[1] is not net[1]


@pytest.mark.parametrize(
    "names", ["m_", {"*dense*": "*fc*"}, lambda name: name.upper()], ids=["prefix", "glob", "function"]
)
def test_renamed_block_saves_and_loads_by_either_scheme(names: Any, tmp_path: Path) -> None:
    net = _net(seed=1)
    renamed = gs.rename(net, names).net
    file = str(tmp_path / "f")
    before = values(net)
    for save in (lambda: renamed.save_parameters(file), lambda: net.save_parameters(file)):
        save()
        initialised(net, seed=2)
        renamed.load_parameters(file)
        assert values(net) == before
    renamed.collect_params().save(file)
    assert list(mx.nd.load(file)) == list(renamed.collect_params())
    initialised(net, seed=2)
    renamed.collect_params().load(file)
    assert values(net) == before
    renamed.collect_params().save(file, strip_prefix=renamed.prefix)
    initialised(net, seed=2)
    renamed.load_parameters(file)
    assert values(net) == before


@pytest.mark.parametrize("names", ["m_", {"*dense*": "*fc*"}, "*_old_weight"], ids=["prefix", "glob", "all"])
@pytest.mark.parametrize("keys", ["{}", "arg:{}"])
def test_renamed_block_loads_by_every_name_it_has_had(names: Any, keys: str, tmp_path: Path) -> None:
    net, file = _net(seed=1), str(tmp_path / "f")
    first = gs.rename(net, names).net
    second = gs.rename(copy.deepcopy(first), {"*weight": "*w"}).net
    for target, sources in [(first, [net, first]), (second, [net, first, second])]:
        for source in sources:
            for cut in ("", source.prefix):
                expected = [p.data() + 1 for p in target.collect_params().values()]
                mx.nd.save(file, {keys.format(n[len(cut) :]): v for n, v in zip(source.collect_params(), expected)})
                target.load_parameters(file)
                assert [bits(p.data()) for p in target.collect_params().values()] == [bits(v) for v in expected]


def test_file_that_does_not_fit_a_renamed_block_loads_nothing(tmp_path: Path) -> None:
    net, file = _net(seed=1), str(tmp_path / "f")
    renamed = gs.rename(net, "m_").net
    arrays = {name: p.data() + 1 for name, p in net.collect_params().items()}
    mx.nd.save(file, {**arrays, "n_" + NAMES[-1]: mx.nd.ones((5,))})
    with unchanged(net):
        with pytest.raises(gs.BindingError, match=r"'n_looking0_in_scale0_weight' differs in shape"):
            renamed.load_parameters(file)
        mx.nd.save(file, {name: array for name, array in arrays.items() if "bias" not in name})
        with pytest.raises(gs.BindingError, match=r"2 of 6 parameters are not in .*allow_missing=True|2 of 6"):
            renamed.load_parameters(file)
    renamed.load_parameters(file, allow_missing=True)
    assert bits(net[0].weight.data()) == bits(arrays["n_dense0_weight"])


def test_parameters_of_a_renamed_block_are_chosen_by_their_new_names() -> None:
    net = _net()
    renamed = gs.rename(net, {"*dense*": "*fc*"}).net
    parent = nn.Sequential(prefix="p_")
    parent.add(renamed)
    for block in (renamed, parent, gs.rename(parent, {"n_fc*": "n_fc*"}).net):
        assert gs.freeze(block, "n_fc0*") == ["n_fc0_weight", "n_fc0_bias"]
        assert gs.unfreeze(block) == ["n_fc0_weight", "n_fc0_bias"]
        with pytest.raises(gs.SubgraphError, match="matches none of 6 parameters"):
            gs.freeze(block, "*dense*")
        assert "n_looking0_in_fc0_weight" in str(gs.trainable(block))
    assert gs.freeze(net, "*dense0_bias") == ["n_dense0_bias", "n_looking0_in_dense0_bias"]


def test_copy_shares_its_hybrid_blocks_and_no_others() -> None:
    net = _net()
    renamed = gs.rename(net, "m_").net
    renamed.hybridize()
    assert net[0]._active
    renamed[1].more = nn.Dense(4, in_units=4)
    assert list(net.collect_params()) == [f"n_{name}" for name in NAMES]


def test_saved_by_name_it_loads_into_a_block_of_those_names(tmp_path: Path) -> None:
    source, target = _net("a_", seed=1), _net("b_", seed=2)
    gs.rename(source, "b_").net.collect_params().save(str(tmp_path / "f"))
    target.collect_params().load(str(tmp_path / "f"))
    assert list(values(target).values()) == list(values(source).values())


@pytest.mark.parametrize("hybridize", [False, True])
def test_renamed_block_trains_nests_and_copies(hybridize: bool) -> None:
    nets = [_net(seed=1), _net(seed=2)]
    parent = nn.Sequential(prefix="p_")
    parent.add(gs.rename(nets[0], "left_").net, gs.rename(nets[1], "right_").net)
    assert list(parent.collect_params()) == [side + name for side in ("left_", "right_") for name in NAMES]
    if hybridize:
        parent.hybridize()
    x = normal(2, 4)
    assert same(parent(x), nets[1](nets[0](x)))
    again = gs.rename(parent, {"right_*": "last_*"}).net
    assert list(again.collect_params()) == [side + name for side in ("left_", "last_") for name in NAMES]
    trainer = gluon.Trainer(again.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    before = values(nets[0])
    with autograd.record():
        loss = again(x).sum()
    loss.backward()
    trainer.step(1)
    assert values(nets[0]) != before
    assert same(again(x), nets[1](nets[0](x)))
    assert list(copy.deepcopy(gs.rename(_net(), "m_").net).collect_params()) == [f"m_{name}" for name in NAMES]


def test_shared_blocks_stay_shared_and_extra_children_join() -> None:
    inner = nn.Sequential(prefix="in_")
    with inner.name_scope():
        inner.add(nn.Dense(4, in_units=4))
    net = nn.Sequential(prefix="n_")
    net.add(inner, inner)
    renamed = gs.rename(initialised(net), {"in_*": "out_*"}).net
    assert renamed[0] is renamed[1]
    assert list(renamed.collect_params()) == ["out_dense0_weight", "out_dense0_bias"]
    with unchanged(net), renamed.name_scope():
        renamed.add(nn.Dense(2))
    assert list(renamed.collect_params())[2:] == ["n_dense0_weight", "n_dense0_bias"]
    assert len(net) == 2
    assert bits(renamed[0](normal(1, 4))) == bits(inner(normal(1, 4)))


def test_names_that_collide_or_are_missing_are_refused() -> None:
    net = _net()
    with unchanged(net):
        with pytest.raises(gs.NameConflictError, match="'n_dense0_weight' and 'n_dense0_bias' would both be called"):
            gs.rename(net, {"dense0_*": "dense0_x"})
        with pytest.raises(
            gs.UnknownNodeError, match="(?s)matches none of the 6 names of 'n_': 'dense0_w'.*Nearest: 'n_de"
        ):
            gs.rename(net, {"dense0_w": "x"}, dry_run=True)


def test_network_that_cannot_be_traced_says_so() -> None:
    class Shaped(gluon.HybridBlock):
        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return x.reshape(x.shape[0], -1)

    with pytest.raises(gs.SubgraphError, match="cannot be traced"):
        gs.rename(Shaped(prefix="s_"), "x_")
