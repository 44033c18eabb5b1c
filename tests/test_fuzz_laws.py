"""Laws of all but cutting, on random networks: rename and back, towers, binding, files, copies, freezing."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import copy
import pickle
import random
import tempfile
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from fuzz_laws import Case, case_of, cases, law, listed, outline
from fuzz_networks import LABEL, Plan, network_of, plans
from hypothesis import strategies as st
from random_graphs import RandomNetwork, stock_block
from samples import values
from snapshots import unchanged

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.network import Network

PREFIXES = ("left_", "right_")


def whole_of(case: Case) -> gs.SubgraphBlock:
    """Return the whole network as a piece, its outputs each once."""
    ends = list(dict.fromkeys(case.graph.outputs))
    return gs.extract(case.net, case.inputs_of(ends), case.named(ends))


def right_of(case: Case) -> list[Any]:
    """Return the right values of what `whole_of` returns."""
    return case.right(case.named(list(dict.fromkeys(case.graph.outputs))))


def run(case: Case, piece: gs.SubgraphBlock) -> list[Any]:
    return listed(piece(*case.given(piece.input_names)))


def set_randomly(piece: gs.SubgraphBlock, seed: int) -> None:
    """Give the parameters settings that differ from the usual."""
    drawn = random.Random(seed)
    for parameter in piece.collect_params().values():
        parameter.lr_mult, parameter.wd_mult = drawn.choice([0.0, 0.5, 1.0]), drawn.choice([0.0, 1.0, 2.0])
        if parameter.grad_req != "null":
            parameter.grad_req = drawn.choice(["write", "add", "null"])


def settings_of(piece: gs.SubgraphBlock) -> dict[str, Any]:
    return {
        name: (p.shape, np.dtype(p.dtype).name, p.grad_req, p.lr_mult, p.wd_mult, p._differentiable)
        for name, p in piece.collect_params().items()
    }


@law(cases(), st.sampled_from(["prefix", "reversed", "odd"]))
def test_renamed_network_computes_the_same_and_back_it_is_the_same(drawn: Any, how: str) -> None:
    names: Any = {"prefix": "new_", "reversed": lambda name: name[::-1], "odd": lambda name: f'ö "{name}"\\'}[how]
    with case_of(*drawn) as case, tempfile.TemporaryDirectory() as folder:
        is_files = drawn[1] == "files"
        with unchanged(case.net):
            planned = gs.rename(case.net, names, dry_run=True)
            renamed = gs.rename(case.net, names, out=f"{folder}/new" if is_files else None)
        back = gs.rename(renamed.net, renamed.inverse, out=f"{folder}/back" if is_files else None)
        assert (planned.mapping, back.mapping) == (renamed.mapping, renamed.inverse)
        ends = list(dict.fromkeys(case.graph.outputs))
        for net, new_of in ((renamed.net, renamed.mapping), (back.net, {})):
            whole = Case(net, case.network, *_graph_and_names(net), case.value_of)
            inputs = case.inputs_of(ends)
            piece = gs.extract(net, [new_of.get(name, name) for name in inputs], whole.named(ends))
            assert listed(piece(*case.given(inputs))) == case.right(case.named(ends))
        assert outline(_graph_and_names(back.net)[0]) == outline(case.graph)


def _graph_and_names(net: Any) -> Any:
    network = Network.of(net)
    return network.graph, network.names


@law(cases(without=("dropout",)), st.booleans())
def test_towers_are_two_runs(drawn: Any, is_first_common: bool) -> None:
    with case_of(*drawn) as case:
        fed = {**case.network.inputs, **case.network.labels}
        common = list(fed)[:is_first_common]
        with unchanged(case.net):
            towers = gs.tie_towers(case.net, PREFIXES, common=common)
        other = {name: value if name in common else value * 2 - 1 for name, value in fed.items()}
        given = {prefix + name: v for prefix, run in zip(PREFIXES, (fed, other)) for name, v in run.items()}
        given.update({name: fed[name] for name in common})
        found = towers(*(given[name] for name in towers.input_names))
        plan, _ = drawn
        second = network_of(plan)._replace(inputs={n: other[n] for n in case.network.inputs})
        runs = [_outputs_of(case.network), _outputs_of(second)]
        assert listed(found) == [value for run in runs for value in run]


def _outputs_of(network: RandomNetwork) -> list[Any]:
    fed = {**network.inputs, **network.labels}
    return listed(stock_block(network.symbol, list(fed), network.values)(*fed.values()))


@law(plans(naming="prefixed"), st.randoms(use_true_random=False), st.booleans())
def test_binding_to_a_renamed_and_shuffled_copy_is_right_or_refused(plan: Plan, drawn: Any, has_symbol: bool) -> None:
    source = network_of(plan)
    known = [name for name in source.symbol.list_inputs() if name not in (*plan.input_names, LABEL)]
    numbers = drawn.sample(range(1000), len(set(known)))
    opaque = {name: f"p{number:03d}" for name, number in zip(dict.fromkeys(known), numbers)}
    symbol, *values = gs.rename(network_of(plan._replace(seed=plan.seed + 1)).triple, opaque).net
    shuffled = [dict(drawn.sample(list(part.items()), len(part))) for part in values]
    target = source._replace(symbol=symbol, arg_params=shuffled[0], aux_params=shuffled[1])
    if not opaque:
        return
    with unchanged(source.triple, target.triple):
        binding = gs.match_params(target.triple, source.triple)
    if binding.is_complete:
        with unchanged(source.triple):
            gs.bind_params(target.triple, source.triple)
        assert _outputs_of(target) == _outputs_of(source)
    else:
        assert (binding.missing, binding.mismatched, binding.ambiguous == {}) == ({}, {}, False)
        with unchanged(source.triple, target.triple), pytest.raises(gs.BindingError, match="nothing was loaded"):
            gs.bind_params(target.triple, source.triple)


@law(cases(), st.integers(0, 1000))
def test_saved_and_loaded_piece_is_the_piece(drawn: Any, seed: int) -> None:
    with case_of(*drawn) as case, tempfile.TemporaryDirectory() as folder:
        piece = whole_of(case)
        set_randomly(piece, seed)
        with unchanged(piece):
            piece.save(f"{folder}/piece")
        loaded = gs.load(f"{folder}/piece")
        assert (loaded.input_names, loaded.output_names) == (piece.input_names, piece.output_names)
        assert (settings_of(loaded), values(loaded)) == (settings_of(piece), values(piece))
        assert outline(graph_of_symbol(loaded.symbol)) == outline(graph_of_symbol(piece.symbol))
        assert run(case, loaded) == run(case, piece)


@law(cases(), st.integers(0, 1000), st.sampled_from([copy.deepcopy, lambda piece: pickle.loads(pickle.dumps(piece))]))
def test_copied_piece_is_the_piece_with_parameters_of_its_own(drawn: Any, seed: int, copied: Any) -> None:
    with case_of(*drawn) as case:
        piece = whole_of(case)
        set_randomly(piece, seed)
        with unchanged(piece, case.net):
            other = copied(piece)
        assert (settings_of(other), values(other)) == (settings_of(piece), values(piece))
        assert other.graph == piece.graph
        assert run(case, other) == run(case, piece) == right_of(case)
        own = {id(p) for p in other.collect_params().values()}
        assert own.isdisjoint(id(p) for p in piece.collect_params().values())


# MXNet leaves the gradient of the branch that `cond` does not take uninitialised, and in training sets each gamma to 1
# that `fix_gamma` makes meaningless.
TRAINED = {"without": ("chosen", "norm without scale")}


@law(cases(**TRAINED, head=""), st.data())
def test_frozen_parameters_do_not_train_and_the_others_do_as_before(drawn: Any, data: Any) -> None:
    with case_of(*drawn) as case:
        piece = copy.deepcopy(whole_of(case))
        before = settings_of(piece)
        names = sorted(name for name, settings in before.items() if settings[2] != "null")
        if not names:
            return
        chosen = data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1), "frozen")
        parameters = piece.collect_params()
        gs.freeze(piece, [parameters[name] for name in chosen])
        old = values(piece)
        train(case, piece)
        assert {name: values(piece)[name] for name in chosen} == {name: old[name] for name in chosen}
        gs.unfreeze(piece)
        assert settings_of(piece) == before


@law(cases(**TRAINED))
def test_network_frozen_as_a_whole_rests(drawn: Any) -> None:
    with case_of(*drawn) as case:
        piece = whole_of(case)
        if not piece.collect_params().keys():
            return
        gs.freeze(piece)
        with unchanged(case.net):
            train(case, piece)
        assert run(case, piece) == right_of(case)


def train(case: Case, piece: gs.SubgraphBlock) -> None:
    """Take two steps that move everything that learns."""
    given = [x.copy() for x in case.given(piece.input_names)]
    for x in given:
        x.attach_grad()  # there is something to differentiate, even if all is frozen
    learning = [p for p in piece.collect_params().values() if p.grad_req != "null"]
    trainer = mx.gluon.Trainer(learning, "sgd", {"learning_rate": 0.1}) if learning else None
    for _ in range(2):
        with mx.autograd.record():
            returned = piece(*given)
            loss = sum(y.sum() for y in (returned if isinstance(returned, list) else [returned]))
        loss.backward()
        if trainer is not None:
            trainer.step(1, ignore_stale_grad=True)
    mx.nd.waitall()


# MXNet infers no shape through `cond`.
@law(cases(without=("chosen",)))
def test_list_shows_every_operator_with_the_shapes_of_its_values(drawn: Any) -> None:
    with case_of(*drawn) as case:
        shapes = {name: value.shape for name, value in {**case.network.inputs, **case.network.labels}.items()}
        with unchanged(case.net):
            nodes = gs.list_nodes(case.net, shapes=shapes)
        found = [shape for n in nodes for shape in ([n.shape] if len(n.outputs) == 1 else n.shape) if n.op != "input"]
        assert found == [case.value_of[entry].shape for entry in case.inner]
        assert [node.op for node in nodes if node.op != "input"] == [
            node.op for node in case.graph.nodes if not node.is_variable
        ]
