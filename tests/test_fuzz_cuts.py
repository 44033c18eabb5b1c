"""Laws of cutting, on random networks in every form: a piece computes what the whole network computes."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
from typing import Any

import pytest
from fuzz_laws import Case, case_of, cases, law, listed, outline
from hypothesis import assume
from hypothesis import strategies as st
from snapshots import unchanged

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.graph import Entry
from gluon_subgraph.repair import ancestors


def drawn_cut(case: Case, data: Any) -> tuple[list[Entry], list[Entry]]:
    """Return where a piece starts and ends: each start is upstream of an end."""
    ends = data.draw(st.lists(st.sampled_from(case.inner), min_size=1, max_size=2, unique=True), "ends")
    above = ancestors(case.graph, ends)
    starts = [e for e in case.starts if e in above and e not in ends]
    assume(starts)
    return data.draw(st.lists(st.sampled_from(starts), min_size=1, max_size=2, unique=True), "starts"), ends


def is_needless(error: gs.SubgraphError) -> bool:
    """Return whether a cut was refused because of two starts, or two ends, one lies behind the other."""
    return any(reason in str(error) for reason in ("does not reach", "every path from it", "lies upstream of input"))


def cut_or_none(case: Case, net: Any, starts: list[Entry], ends: list[Entry]) -> Any:
    """Return the piece, closed where it leaks; None where one start, or one end, hides another."""
    try:
        return gs.extract(net, case.named(starts), case.named(ends), open_cut="add")
    except gs.SubgraphError as error:
        if len(starts) + len(ends) == 2 or not is_needless(error):
            raise
        return None


@law(cases(), st.data())
def test_piece_computes_what_the_whole_computes(drawn: Any, data: Any) -> None:
    with case_of(*drawn) as case:
        starts, ends = drawn_cut(case, data)
        with unchanged(case.net):
            piece = cut_or_none(case, case.net, starts, ends)
        if piece is not None:
            assert listed(piece(*case.given(piece.input_names))) == case.right(case.named(ends))


@law(cases(), st.data())
def test_front_middle_and_tail_chained_are_the_whole(drawn: Any, data: Any) -> None:
    with case_of(*drawn) as case:
        starts, ends = drawn_cut(case, data)
        middle = cut_or_none(case, case.net, starts, ends)
        if middle is None:
            return
        value_of = dict(zip(middle.input_names, case.given(middle.input_names)))
        inner = [e for e in map(case.names.find, middle.input_names) if e in case.inner]
        if inner:
            front = gs.extract(case.net, case.inputs_of(inner), case.named(inner))
            value_of.update(zip(case.named(inner), front(*case.given(front.input_names))))
        between = dict(zip(ends, middle(*(value_of[name] for name in middle.input_names))))
        results = [e for e in dict.fromkeys(case.graph.outputs) if e not in between]
        left = [e for e in ends if e in ancestors(case.graph, results)]
        tail = cut_or_none(case, case.net, left, results) if left else None
        if tail is not None:
            fed = [between.get(e, case.value_of[e]) for e in map(case.names.find, tail.input_names)]
            assert listed(tail(*fed)) == case.right(case.named(results))


# Of names that are repeated, a piece has fewer than the whole, and numbers them from 1. What SoftmaxOutput becomes at
# inference depends on whether the piece tells how many dimensions its input has.
@law(cases(namings=("plain", "prefixed", "odd"), heads=("", "LinearRegressionOutput")), st.data())
def test_piece_of_a_piece_is_the_piece(drawn: Any, data: Any) -> None:
    with case_of(*drawn) as case:
        starts, ends = drawn_cut(case, data)
        outer = gs.extract(case.net, case.inputs_of(ends), case.named(ends))
        direct = cut_or_none(case, case.net, starts, ends)
        if direct is None:
            return
        with unchanged(outer):
            inner = gs.extract(outer, list(direct.input_names), case.named(ends))
        assert (inner.input_names, outline(inner.graph)) == (direct.input_names, outline(direct.graph))
        if drawn[1] != "block":  # MXNet numbers the bodies of loops anew each time it traces
            assert inner.graph == direct.graph
            assert inner.symbol.tojson() == direct.symbol.tojson()


@law(cases(), st.data())
def test_repair_that_the_error_names_closes_the_cut(drawn: Any, data: Any) -> None:
    with case_of(*drawn) as case:
        starts, ends = drawn_cut(case, data)
        inputs, outputs = case.named(starts), case.named(ends)
        try:
            gs.extract(case.net, inputs, outputs)
        except gs.OpenCutError as error:
            with unchanged(case.net):
                repaired = gs.extract(case.net, [*inputs, *error.repair], outputs)
            added = gs.extract(case.net, inputs, outputs, open_cut="add")
            assert (repaired.input_names, outline(repaired.graph)) == (added.input_names, outline(added.graph))
            assert listed(repaired(*case.given(repaired.input_names))) == case.right(outputs)
        except gs.SubgraphError as error:
            if not is_needless(error):
                raise


@law(cases(forms=["triple"]), st.data())
def test_symbol_of_a_piece_is_what_a_bare_symbol_gives(drawn: Any, data: Any) -> None:
    with case_of(*drawn) as case:
        starts, ends = drawn_cut(case, data)
        inputs, outputs = case.named(starts), case.named(ends)
        try:
            piece = gs.extract(case.net, inputs, outputs)
        except gs.OpenCutError:
            return  # a bare Symbol does not tell data from parameters
        except gs.SubgraphError as error:
            with unchanged(case.network.symbol), pytest.raises(type(error), match="othing was changed"):
                gs.extract_symbol(case.network.symbol, inputs, outputs)
        else:
            try:
                with unchanged(case.network.symbol):
                    symbol = gs.extract_symbol(case.network.symbol, inputs, outputs)
            except gs.OpenCutError as error:
                assert set(error.leaks) <= set(case.network.values), error  # noqa: PT017 - parameters, taken for data
                return
            assert graph_of_symbol(symbol) == graph_of_symbol(piece.symbol)
