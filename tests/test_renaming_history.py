"""Parameters remember what they were called: which names in a file mean which, and which new ones are refused."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import contextlib
import copy
import pickle
import tempfile
from pathlib import Path
from typing import Any, Callable, Mapping

import mxnet as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon
from samples import initialised, layers, normal, same, values
from snapshots import unchanged

nn = gluon.nn


def _chain(*names: str) -> gs.SubgraphBlock:
    """Return a block that adds scalars of these names."""
    symbol = mx.sym.var("data")
    for i, name in enumerate(names):
        symbol = mx.sym.broadcast_add(symbol, mx.sym.var(name), name=f"op{i}")
    arrays = {name: mx.nd.full((1,), -1.0) for name in names}
    return gs.extract((symbol, arrays, {}), "data", f"op{len(names) - 1}")


def _numbers(block: gluon.Block) -> tuple[float, ...]:
    return tuple(float(p.data().asscalar()) for p in block.collect_params().values())


def _saved(path: Path, numbers: Mapping[str, float]) -> str:
    mx.nd.save(str(path / "f"), {key: mx.nd.full((1,), number) for key, number in numbers.items()})
    return str(path / "f")


AROUND: dict[str, Callable[[gs.SubgraphBlock], Any]] = {
    "itself": lambda block: block,
    "renamed": lambda block: gs.rename(block, {}).net,
    "cut": lambda block: gs.extract(block, "data", block.output_names[0]),
    "nested": lambda block: gs.rename(_parent(block), {}).net,
    "copied": copy.deepcopy,
    "pickled": lambda block: pickle.loads(pickle.dumps(block)),
    "cut, nested, pickled": lambda block: (
        gs.rename(_parent(pickle.loads(pickle.dumps(gs.extract(block, "data", block.output_names[0])))), "q_").net
    ),
}


def _parent(*blocks: gluon.HybridBlock) -> nn.HybridSequential:
    parent = nn.HybridSequential(prefix="")
    parent.add(*blocks)
    return parent


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_history_travels_with_the_parameters(around: Any, tmp_path: Path) -> None:
    first = gs.rename(layers(2), "x_").net
    second = gs.rename(first, {"dense0_*": "one_*", "dense1_*": "two_*"}).net
    target = around(gs.rename(second, "y_").net)
    for names in (layers(2).collect_params(), first.params, second.params):
        source = initialised(layers(2), seed=7)
        arrays = {name: p.data() for name, p in zip(names, source.collect_params().values())}
        mx.nd.save(str(tmp_path / "f"), arrays)
        initialised(target, seed=3)
        target.load_parameters(str(tmp_path / "f"))
        assert list(values(target).values()) == list(values(source).values())


def test_head_over_a_renamed_trunk_loads_files_of_earlier_days(tmp_path: Path) -> None:
    net = layers(3)
    block = gs.replace_head(gs.rename(gs.rename(net, "x_").net, "y_").net, nn.Dense(2, in_units=4, prefix="h_"))
    block.head.initialize()
    expected = values(net)
    for names in ("n_", "x_"):
        file = str(tmp_path / "f")
        mx.nd.save(file, {names + name[2:]: p.data() for name, p in net.collect_params().items()})
        initialised(net, seed=5)
        with pytest.raises(gs.BindingError, match="2 of 6 parameters are not in"):
            block.load_parameters(file)
        block.load_parameters(file, allow_missing=True, ignore_extra=True)
        assert list(values(net).values())[:4] == list(expected.values())[:4]
        initialised(net)


@pytest.mark.parametrize("reverse", [False, True])
def test_names_of_today_come_before_those_of_earlier_days(reverse: bool, tmp_path: Path) -> None:
    block = gs.rename(_chain("l_a", "l_b"), {"l_*": "r_*"}).net
    numbers = {"l_a": 1.0, "l_b": 2.0, "r_a": 3.0, "r_b": 4.0}
    block.load_parameters(_saved(tmp_path, dict(reversed(list(numbers.items()))) if reverse else numbers))
    assert _numbers(block) == (3, 4)


def test_full_names_come_before_structural_ones(tmp_path: Path) -> None:
    block = _chain("n_a", "n_b")
    block.load_parameters(_saved(tmp_path, {"a": 1, "n_a": 2, "b": 3, "n_b": 4}))
    assert _numbers(block) == (2, 4)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ({}, {"n_a": 1, "a": 2}),
        ({}, {"n_a": 1, "a": 2, "b": 3}),
        ({"n_*": "m_*"}, {"n_a": 1, "m_a": 2, "n_b": 3}),
        ({"n_*": "m_*"}, {"arg:n_a": 1, "a": 2, "b": 3, "n_b": 3}),
    ],
    ids=str,
)
def test_one_parameter_of_two_values_is_refused_where_no_naming_decides(
    names: Any, numbers: Any, tmp_path: Path
) -> None:
    block = gs.rename(_chain("n_a", "n_b"), names).net
    for options in ({}, {"allow_missing": True, "ignore_extra": True}):
        if options or len({key[-1] for key in numbers}) == 2:
            with pytest.raises(
                gs.BindingError, match=r"(?s)are one parameter, and their values differ.*'n_a'.*nothing"
            ):
                block.load_parameters(_saved(tmp_path, numbers), **options)
    assert _numbers(block) == (-1, -1)
    block.load_parameters(_saved(tmp_path, {key: 5.0 + ("b" in key) for key in [*numbers, "n_b"]}))
    assert _numbers(block) == (5, 6)


def test_tied_parameter_of_two_values_is_refused(tmp_path: Path) -> None:
    net = layers(1)
    both = gs.rename(_parent(gs.rename(net, "a_").net, gs.rename(net, "b_").net), {}).net
    before = values(net)
    both.export(str(tmp_path / "p"))
    file = str(tmp_path / "p-0000.params")
    both.load_parameters(file)
    arrays = mx.nd.load(file)
    mx.nd.save(file, {key: array + ("b_" in key) for key, array in arrays.items()})
    with pytest.raises(gs.BindingError, match=r"'arg:a_dense0_weight' and 'arg:b_dense0_weight' in .* are one param"):
        both.load_parameters(file)
    assert values(net) == before


def test_name_that_two_parameters_have_had_is_refused_unless_the_names_of_today_decide(tmp_path: Path) -> None:
    block = _chain("a", "b")
    for step in ({"a": "x"}, {"b": "y"}, {"x": "y", "y": "x"}):
        block = gs.rename(block, step).net
    for numbers in ({"x": 1, "y": 2}, {"y": 1, "x": 2}, {"x": 1, "b": 2}):
        if "b" in numbers:  # the name that only one has had makes a naming of the whole block
            block.load_parameters(_saved(tmp_path, numbers))
            assert _numbers(block) == (1, 2)
        else:
            with pytest.raises(gs.BindingError, match=r"(?s)may mean '[xy]' or '[xy]'.*several namings.*nothing was"):
                block.load_parameters(_saved(tmp_path, numbers))
    block = gs.rename(gs.rename(block, {"x": "u", "y": "v"}).net, {}).net
    with pytest.raises(gs.BindingError, match=r"(?s)'x' in .* may mean 'v' or 'u'"):
        block.load_parameters(_saved(tmp_path, {"x": 1, "y": 2}))
    block.load_parameters(_saved(tmp_path, {"u": 3, "v": 4}), ignore_extra=True)
    assert sorted(_numbers(block)) == [3, 4]


def test_where_nothing_is_renamed_files_are_read_as_the_network_reads_them(tmp_path: Path) -> None:
    there = gs.rename(_chain("a_w"), "b_")
    gs.rename(there.net, "c_")
    back = gs.rename(there.net, there.inverse).net
    both = gs.rename(_parent(back, _chain("b_a_w")), {}).net
    renamed = gs.rename(both, {"op*": "x*", "b_a_w": "z"}).net
    file = _saved(tmp_path, {"b_a_w": 5.0})
    with pytest.raises(gs.BindingError, match="'b_a_w' in .* may mean 'a_w' or 'z'"):
        renamed.load_parameters(file, allow_missing=True)
    both.load_parameters(file, allow_missing=True)
    assert _numbers(both) == (-1, 5)
    back.load_parameters(file)
    assert _numbers(both) == (5, 5)


def _plain(prefix: str) -> gluon.Block:
    net = nn.Sequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    return initialised(net)


@pytest.mark.parametrize("make", [lambda: layers(2), lambda: _plain("n_")], ids=["HybridBlock", "Block"])
def test_name_that_another_parameter_was_made_with_is_refused(make: Any) -> None:
    net = make()
    exchange = {"*0_weight": "*1_weight", "*1_weight": "*0_weight"}
    chained = gs.rename(net, {"*dense0*": "*x0*"}).net
    with unchanged(net):
        for block, names, now in [
            (net, exchange, ""),
            (net, {"n_dense0_weight": "n_dense1_weight", "n_dense1_weight": "w"}, ""),
            (chained, {"*dense1*": "*dense0*"}, ", which is called 'n_x0_weight' now"),
        ]:
            for is_dry in (True, False):
                with pytest.raises(
                    gs.NameConflictError,
                    match=rf"(?s)'n_dense\d_weight' would be called 'n_dense\d_weight', .* when it was made{now}\."
                    r".*change places.*Rename the files.*Nothing was changed",
                ):
                    gs.rename(block, names, dry_run=is_dry)
    assert list(gs.rename(chained, {"*x0*": "*dense0*"}).net.collect_params()) == list(net.collect_params())


OLD = [f"n_dense{i}_{kind}" for i in (0, 1) for kind in ("weight", "bias", "fwd")]
NEW = [*OLD, *(name[2:] for name in OLD), "0.weight", "1.weight", "0.bias", "1.bias", "a", "b", "c", "d"]


@given(
    st.lists(st.dictionaries(st.sampled_from([*OLD, "data", "a", "b"]), st.sampled_from(NEW), min_size=1), max_size=4),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_renames_that_are_allowed_are_undone_and_save_files_that_load(steps: Any, is_piece: bool) -> None:
    net = layers(2)
    block = start = gs.rename(gs.extract(net, "data", "dense1_fwd") if is_piece else net, {}).net
    inverses = []
    for step in steps:
        known = {*block.params, *block.input_names}
        try:
            renamed = gs.rename(block, {old: new for old, new in step.items() if old in known})
        except gs.NameConflictError:
            continue
        block = renamed.net
        inverses.append(renamed.inverse)
    before = values(net)
    with tempfile.TemporaryDirectory() as folder:
        block.save_parameters(f"{folder}/paths")
        block.collect_params().save(f"{folder}/names")
        initialised(net, seed=5)
        block.load_parameters(f"{folder}/paths")
        assert values(net) == before
        initialised(net, seed=6)
        expected = values(net)
        with contextlib.suppress(gs.BindingError):  # of names that were exchanged on the way, which is no loss
            block.load_parameters(f"{folder}/names")
            expected = before
        assert values(net) == expected
    for inverse in reversed(inverses):
        block = gs.rename(block, inverse).net
    assert (block.graph, list(block.params), block.input_names) == (start.graph, list(start.params), start.input_names)


def test_data_under_the_name_of_a_parameter_is_refused() -> None:
    with pytest.raises(gs.NameConflictError, match="'data' would be called 'n_dense0_bias'"):
        gs.rename(layers(1), {"data": "n_dense0_bias", "n_dense0_bias": "data"})


def test_names_may_be_exchanged_by_way_of_files(tmp_path: Path) -> None:
    net, x = layers(2), normal(2, 4)
    gs.rename(net, {}).net.save(str(tmp_path / "p"))
    pair = f"{tmp_path}/p-symbol.json", f"{tmp_path}/p-0000.params"
    exchanged = gs.load(gs.rename(pair, {"*0_*": "*1_*", "*1_*": "*0_*"}, out=pair).net[0])
    assert list(exchanged.params)[::2] == ["n_dense1_weight", "n_dense0_weight"]
    assert same(exchanged(x), net(x))
    _parent(exchanged).collect_params().save(str(tmp_path / "f"))
    before = values(exchanged)
    for parameter in exchanged.collect_params().values():
        parameter.set_data(parameter.data() * 0)
    exchanged.load_parameters(str(tmp_path / "f"))
    assert values(exchanged) == before


def test_variables_that_are_called_as_others_in_a_file_of_save_parameters_are_refused(tmp_path: Path) -> None:
    piece = gs.extract(layers(2), "data", "dense1_fwd")
    names = {f"n_dense{i}_{kind}": f"dense{1 - i}_{kind}" for i in (0, 1) for kind in ("weight", "bias")}
    with pytest.raises(gs.NameConflictError, match=r"(?s)'dense0_weight' would be a .* calls 'dense1_weight'.*nothing"):
        gs.rename(piece, names)
    names.pop("n_dense0_bias")
    block = gs.rename(piece, names).net
    before = values(block)
    block.save_parameters(str(tmp_path / "f"))
    initialised(block, seed=6)
    block.load_parameters(str(tmp_path / "f"))
    assert values(block) == before


def test_parent_of_two_instances_of_one_prefix_is_saved_by_path_or_renamed(tmp_path: Path) -> None:
    parent = _parent(*(gs.rename(layers(1, seed=i), side).net for i, side in enumerate(("left_", "right_"))))
    assert len(parent.collect_params().keys()) == 4
    parent.collect_params().save(str(tmp_path / "f"))
    assert sorted(mx.nd.load(str(tmp_path / "f"))) == ["n_dense0_bias", "n_dense0_weight"]  # two values are lost
    before = values(parent)
    whole = gs.rename(parent, {}).net
    for save, load in [
        (parent.save_parameters, parent.load_parameters),
        (whole.collect_params().save, whole.load_parameters),
        (whole.save_parameters, parent.load_parameters),
    ]:
        save(str(tmp_path / "f"))
        initialised(parent, seed=8)
        load(str(tmp_path / "f"))
        assert values(parent) == before
