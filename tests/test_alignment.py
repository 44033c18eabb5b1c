"""Both twins of the alignment: against brute force on short sequences, against each other, and by law."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gluon_subgraph import _alignment_py

FORBIDDEN = -1e30
NO_WAY = -1e29  # what is worth less has a forbidden pair
Costs = "tuple[float, float, float, float]"
COSTS = (2.0, 0.5, 1.0, 0.25)


@pytest.fixture(params=["python", "cython"])
def alignment(request: pytest.FixtureRequest) -> ModuleType:
    """Return either twin."""
    return _alignment_py if request.param == "python" else _compiled()


def _compiled() -> ModuleType:
    return pytest.importorskip("gluon_subgraph._alignment", reason="the extension is not built: make build")


def _run(alignment: ModuleType, scores: Any, costs: Any) -> tuple[float, list[int], list[float]]:
    weight, partner, margins = alignment.align(np.ascontiguousarray(scores, dtype=np.float64), *costs)
    assert partner.dtype == np.intc
    assert margins.dtype == np.float64
    return weight, partner.tolist(), margins.tolist()


def _alignments(n1: int, n2: int) -> Iterator[list[tuple[int, int, int]]]:
    """Yield every monotone alignment as its moves (kind, i, j): 0 pairs, 1 and 2 pass over one of that sequence."""
    stack: list[tuple[int, int, list[tuple[int, int, int]]]] = [(0, 0, [])]
    while stack:
        i, j, moves = stack.pop()
        if (i, j) == (n1, n2):
            yield moves
        if i < n1 and j < n2:
            stack.append((i + 1, j + 1, [*moves, (0, i, j)]))
        if i < n1:
            stack.append((i + 1, j, [*moves, (1, i, j)]))
        if j < n2:
            stack.append((i, j + 1, [*moves, (2, i, j)]))


def _worth(moves: list[tuple[int, int, int]], scores: np.ndarray, costs: Any) -> float:
    """Return the scores of the pairs less the costs of the gaps; a gap is a run of moves of one kind.

    Each element passed over pays what its own place asks: at an end of the other sequence, or within it.
    """
    n1, n2 = scores.shape
    total, before = 0.0, 0
    for kind, i, j in moves:
        if kind == 0:
            total += scores[i, j]
        else:
            is_at_end = j in (0, n2) if kind == 1 else i in (0, n1)
            first, further = costs[2:] if is_at_end else costs[:2]
            total -= further if before == kind else first
        before = kind
    return total


def _partners(moves: list[tuple[int, int, int]], n1: int) -> list[int]:
    partner = [-1] * n1
    for kind, i, j in moves:
        if kind == 0:
            partner[i] = j
    return partner


def _assert_best(result: Any, scores: np.ndarray, costs: Any) -> None:
    """Assert the worth of the best, that the partners returned are worth it, and the margin of each decision."""
    n1, n2 = scores.shape
    weight, partner, margins = result
    every = [(_worth(moves, scores, costs), _partners(moves, n1)) for moves in _alignments(n1, n2)]
    assert weight == pytest.approx(max(worth for worth, _ in every))
    assert weight == pytest.approx(max(worth for worth, partners in every if partners == partner))
    assert len(margins) == n1
    for i in range(n1):
        otherwise = [worth for worth, partners in every if partners[i] != partner[i]]
        best = max([FORBIDDEN, *otherwise])
        if best > NO_WAY:
            assert margins[i] == pytest.approx(weight - best)
        else:
            assert margins[i] > -NO_WAY


@st.composite
def _problems(draw: Any, longest: int = 4) -> tuple[np.ndarray, Any]:
    """Return scores of few different values, so that ties are common, and costs: a further element is the cheaper."""
    n1, n2 = draw(st.integers(0, longest)), draw(st.integers(0, longest))
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    scores = random.choice([FORBIDDEN, -1.0, 0.0, 0.25, 1.0, 1.0, 3.0], size=(n1, n2))
    costs: list[float] = []
    for _ in range(2):
        first = random.choice([0.0, 0.5, 1.0, 2.0])
        costs += [first, random.choice([c for c in (0.0, 0.25, 0.5, 2.0) if c <= first])]
    return scores, tuple(costs)


@settings(max_examples=60, deadline=None)
@given(_problems())
def test_align_short_sequences_as_by_brute_force(problem: Any) -> None:
    _assert_best(_run(_alignment_py, *problem), *problem)
    _assert_best(_run(_compiled(), *problem), *problem)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(_problems(longest=5))
def test_align_as_by_brute_force_at_length(problem: Any) -> None:
    _assert_best(_run(_compiled(), *problem), *problem)


@settings(deadline=None)
@given(_problems(longest=12), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_align_twins_agree_exactly(problem: Any, worths: list[float]) -> None:
    scores, costs = problem
    any_scores = np.random.RandomState(len(worths)).choice([FORBIDDEN, *worths], size=scores.shape)
    for drawn in (scores, any_scores):
        assert _run(_compiled(), drawn, costs) == _run(_alignment_py, drawn, costs)


@settings(deadline=None)
@given(_problems(longest=8))
def test_align_exchanged_sequences_weigh_the_same(problem: Any) -> None:
    scores, costs = problem
    assert _run(_alignment_py, scores, costs)[0] == pytest.approx(_run(_alignment_py, scores.T, costs)[0])


@settings(deadline=None)
@given(_problems(longest=8))
def test_align_read_backwards_weighs_the_same(problem: Any) -> None:
    scores, costs = problem
    assert _run(_alignment_py, scores, costs)[0] == pytest.approx(_run(_alignment_py, scores[::-1, ::-1], costs)[0])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param((0, 0), (0.0, [], []), id="both"),
        pytest.param((0, 3), (-1.5, [], []), id="first"),
    ],
)
def test_align_empty_sequences_cost_their_gaps(alignment: ModuleType, shape: Any, expected: Any) -> None:
    assert _run(alignment, np.zeros(shape), COSTS) == expected


def test_align_empty_second_sequence_passes_over_all(alignment: ModuleType) -> None:
    weight, partner, margins = _run(alignment, np.zeros((3, 0)), COSTS)
    assert (weight, partner) == (-1.5, [-1, -1, -1])
    assert min(margins) > 1e29


def test_align_forbidden_pairs_are_never_made(alignment: ModuleType) -> None:
    weight, partner, margins = _run(alignment, np.full((3, 3), FORBIDDEN), COSTS)
    assert (weight, partner) == (-3.0, [-1, -1, -1])
    assert min(margins) > 1e29


def test_align_forbidden_diagonal_goes_round_it(alignment: ModuleType) -> None:
    scores = np.where(np.eye(3, dtype=bool), FORBIDDEN, 5.0)
    weight, partner, _ = _run(alignment, scores, COSTS)
    assert (weight, partner) == (8.0, [1, 2, -1])


def test_align_two_equal_places_have_no_margin(alignment: ModuleType) -> None:
    weight, _, margins = _run(alignment, [[1.0, 1.0]], (1.0, 1.0, 0.0, 0.0))
    assert (weight, margins) == (1.0, [0.0])


def test_align_ten_thousand_elements_needs_no_recursion(alignment: ModuleType) -> None:
    scores = np.ones((10_000, 2))
    weight, partner, _ = _run(alignment, scores, (0.0, 0.0, 0.0, 0.0))
    assert weight == 2.0
    assert sorted(p for p in partner if p >= 0) == [0, 1]


def test_align_long_equal_sequences_pair_one_to_one() -> None:
    n = 1_000
    scores = np.where(np.eye(n, dtype=bool), 1.0, FORBIDDEN)
    weight, partner, margins = _run(_compiled(), scores, COSTS)
    assert (weight, partner) == (float(n), list(range(n)))
    assert min(margins) > 1.0


def test_align_leaves_its_scores_as_they_were(alignment: ModuleType) -> None:
    scores = np.array([[1.0, FORBIDDEN], [0.5, 2.0]])
    before = scores.copy()
    _run(alignment, scores, COSTS)
    assert scores.tobytes() == before.tobytes()


def test_twins_have_the_same_names() -> None:
    assert getattr(_compiled(), "__all__", ["align"]) == _alignment_py.__all__
