"""Shared by the benchmarks: rounds that start alike, and what the report needs to know."""

from __future__ import annotations

import gc
import os
import statistics
from importlib import metadata
from typing import Any, Callable

import pytest
from timing import clock

import gluon_subgraph  # noqa: F401 - before any module here imports mxnet

collect_ignore = ["corpus"]  # it needs model collections, and has no benchmarks
LOAD_AT_START = os.getloadavg()[0]
PACKAGES = (
    *("mxnet", "numpy", "onnx", "onnxruntime", "pytest-benchmark"),
    *("onnx-graphsurgeon", "safetensors", "networkx_algo_common_subtree", "torch", "torch_liberator"),
    *("networkx", "rustworkx", "igraph"),
)


def seconds_of_loop() -> float:
    """Return how long a million additions take: how fast the machine is just now."""
    start = clock()
    total = 0
    for i in range(1_000_000):
        total += i
    return clock() - start


LOOP = min(seconds_of_loop() for _ in range(5))


def pytest_itemcollected(item: Any) -> None:
    """Let every benchmark be timed with `clock`."""
    item.add_marker(pytest.mark.benchmark(timer=clock))


@pytest.fixture
def measure(benchmark: Any) -> Callable[..., Any]:
    """Time a call in rounds; before each, the last one's result is freed and garbage is collected.

    `new_argument` makes, untimed, what the call takes. Given `ours`, which returns the seconds that our side took,
    each round begins with it: what else the machine does then falls on both sides alike.
    """

    def run(
        call: Callable[..., Any],
        rounds: int,
        new_argument: Callable[[], Any] | None = None,
        ours: Callable[[], float] | None = None,
        **facts: Any,
    ) -> Any:
        kept: list[Any] = []
        beside: list[float] = []

        def before() -> Any:
            kept.clear()
            gc.collect()
            if ours is not None:
                beside.append(ours())
            return () if new_argument is None else (new_argument(),), {}

        warm_up = int(rounds > 3)  # what takes seconds needs none
        benchmark.group = ", ".join(str(v) for k, v in facts.items() if k != "side")
        benchmark.pedantic(lambda *given: kept.append(call(*given)), setup=before, rounds=rounds, warmup_rounds=warm_up)
        benchmark.extra_info.update(facts)
        if beside:
            benchmark.extra_info.update(ratios_of(benchmark.stats.stats.data, beside[warm_up:]))
        return kept[-1]

    return run


def ratios_of(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """Return how many times as long they take: by the minima, and by the median of the rounds."""
    rounds = [a / b for a, b in zip(theirs, ours)]
    return {
        "ours": min(ours),
        "ours_median": statistics.median(ours),
        "ratio": min(theirs) / min(ours),
        "median_ratio": statistics.median(rounds),
    }


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Note what else the machine did, and the versions of the packages measured."""
    machine_info["load_at_start"] = round(LOAD_AT_START, 1)
    machine_info["loop"] = LOOP
    machine_info["packages"] = {"gluon_subgraph": gluon_subgraph.__version__}
    for name in PACKAGES:
        try:
            machine_info["packages"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
