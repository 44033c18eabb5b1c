"""Memory: none is kept by an extraction that is over, and none is taken for parameters."""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Any

import mxnet as mx
import pytest
import rivals
from networks import CUTS, END, traced, zoo_network

import gluon_subgraph as gs

pytestmark = pytest.mark.filterwarnings("ignore")

WARM_UP, COUNT = 200, 1_000


def resident_mb() -> float:
    """Return the memory of this process, what is free inside the allocator given back first."""
    mx.nd.waitall()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("cut", list(CUTS))
def test_growth(cut: str, benchmark: Any) -> None:
    """The whole call, tracing included, a thousand times over."""
    net = zoo_network("resnet18_v2")

    def extract_often(count: int) -> None:
        for _ in range(count):
            gs.extract(net, CUTS[cut], END)

    extract_often(WARM_UP)
    before = resident_mb()
    benchmark.group = "memory"
    benchmark.pedantic(extract_often, (COUNT,), rounds=1)
    benchmark.extra_info.update(table="growth", cut=cut, count=COUNT, before=before, after=resident_mb())


@pytest.mark.parametrize("cut", list(CUTS))
@pytest.mark.parametrize("side", ["gluon_subgraph", "rebuild"])
def test_sharing(cut: str, side: str, benchmark: Any) -> None:
    """What the whole of a network as a piece takes beside the network."""
    case = traced(zoo_network("resnet152_v2"))
    calls = {
        "gluon_subgraph": lambda: gs.extract(case.net, CUTS[cut], END),
        "rebuild": lambda: rivals.rebuild(case.symbol, case.params, CUTS[cut], END),
    }
    calls[side]()  # what is loaded at the first call stays
    before = resident_mb()
    benchmark.group = "memory"
    block = benchmark.pedantic(calls[side], rounds=1)
    after = resident_mb()
    own = {id(p) for p in case.params.values()}
    copied = sum(p.data().size * 4 for p in block.collect_params().values() if id(p) not in own)
    benchmark.extra_info.update(
        table="sharing", network="resnet152_v2", cut=cut, side=side, before=before, after=after, copied=copied / 2**20
    )
