"""Damaged symbol files and files of arrays are refused or read right: nothing else, whatever is done with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz_files import KINDS
from fuzz_laws import LONG, TALLY
from snapshots import PACKAGE_PARENT

PART = 250  # files a test, so that a long run shows its progress
COUNTS = {"symbol": 1000, "params": 1000, "npz": 250, "npz compressed": 250, "safetensors": 500}
FEW = {"symbol": 40, "params": 30, "npz": 10, "npz compressed": 10, "safetensors": 10}


def parts() -> list[tuple[str, int, int]]:
    counts = COUNTS if LONG else FEW
    return [(kind, k, min(k + PART, counts[kind])) for kind in KINDS for k in range(0, counts[kind], PART)]


def worked(kind: str, first: int, last: int, folder: Path) -> tuple[list[Any], str]:
    """Return what a process reports of damaged files, and how it ended before the last of them, if it did."""
    paths = [PACKAGE_PARENT, str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    worker = str(Path(__file__).parent / "fuzz_worker.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", worker, kind, str(first), str(last), str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"number"')]
    return reports, f"exit {done.returncode}: {done.stderr[-1500:]}"


@pytest.mark.parametrize(("kind", "first", "last"), parts())
def test_damaged_files_are_refused_or_read_right(kind: str, first: int, last: int, tmp_path: Path) -> None:
    failures: list[str] = []
    count = last - first
    outcomes = set()
    while first < last:
        reports, end = worked(kind, first, last, tmp_path)
        for report in reports:
            first = report["number"] + 1
            outcomes |= set(report["verdicts"].values())
            wrong = {k: v for k, v in report["verdicts"].items() if v not in ("done", "refused")}
            failures += [f"damaged({kind!r}, {report['number']}): {wrong}"] if wrong else []
        if first < last:
            failures.append(f"damaged({kind!r}, {first}): {end}")
            first += 1
    TALLY["damaged files"] += count
    assert failures == []
    assert outcomes == {"done", "refused"}
