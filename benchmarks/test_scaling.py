"""Time against the number of nodes: of the whole network kept, of a piece of fixed size, and of repairing a cut."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from networks import CHAINS, SIZES, ends_of_piece, traced

import gluon_subgraph as gs

pytestmark = pytest.mark.filterwarnings("ignore")

REPAIRED = 10_000  # nodes of the network whose open cut is repaired


@pytest.fixture(scope="module", params=list(CHAINS))
def shape(request: Any) -> str:
    return request.param


@pytest.fixture(scope="module", params=SIZES)
def given(request: Any, shape: str) -> Any:
    net = CHAINS[shape](request.param)
    net.initialize()
    case = traced(net)
    gc.collect()
    gc.freeze()
    yield request.param, case
    gc.unfreeze()


@pytest.mark.parametrize("piece", ["everything", "fixed size"])
def test_piece(given: Any, shape: str, piece: str, measure: Any) -> None:
    size, case = given
    start, end = ends_of_piece(case.net, piece)
    block = measure(
        lambda traced_network: gs.extract(traced_network, start, end),
        _rounds(size),
        case.new_network,
        table="scaling",
        shape=shape,
        piece=piece,
        side=size,
    )
    assert block.input_names == (f"{start}_output",)
    assert len(block.symbol.get_internals().list_outputs()) > (0.9 * size if piece == "everything" else 300)


def test_full_route(given: Any, shape: str, measure: Any) -> None:
    """Everything kept, with the input renamed, which needs the whole Graph."""
    size, case = given
    start, end = ends_of_piece(case.net, "everything")
    measure(
        lambda traced_network: gs.extract(traced_network, {"renamed": start}, end),
        min(_rounds(size), 3),
        case.new_network,
        table="scaling",
        shape=shape,
        piece="everything, full route",
        side=size,
    )


def _rounds(size: int) -> int:
    return max(2, min(20, 100_000 // size))


@pytest.mark.parametrize("beside", [1, 100])
def test_repair(beside: int, measure: Any) -> None:
    """Cuts inside residual blocks leave their sums open: further inputs close them."""
    net = CHAINS["residual chain"](REPAIRED)
    net.initialize()
    case = traced(net)
    first = net.steps // 2
    starts = [f"c_relu{i}" for i in range(first, first + beside)]
    block = measure(
        lambda traced_network: gs.extract(traced_network, starts, f"c_node{net.steps - 1}", open_cut="add"),
        3,
        case.new_network,
        table="repair",
        nodes=REPAIRED,
        side=beside,
    )
    assert len(block.input_names) == beside + 1
