"""The benchmarks of one run, and how numbers and tables are written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Iterable, NamedTuple, Sequence


class Goal(NamedTuple):
    """One requirement: what is asked, what was measured, and whether that is enough (None: not measured)."""

    text: str
    value: str
    is_met: bool | None


class Run:
    """The benchmarks of a run, found by what they say of themselves."""

    def __init__(self, machine: Any, benchmarks: Iterable[Any]) -> None:
        self.machine = machine
        self.tests = [{**test["extra_info"], "stats": test["stats"]} for test in benchmarks]

    @classmethod
    def of_files(cls, paths: Sequence[Path]) -> Run:
        """Return the benchmarks of several files, of each the last; the machine is described by the first."""
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        benchmarks = {test["fullname"]: test for run in runs for test in run["benchmarks"]}
        packages = {name: version for run in runs for name, version in run["machine_info"]["packages"].items()}
        return cls({**runs[0]["machine_info"], "packages": packages, "runs": len(runs)}, benchmarks.values())

    def of(self, **facts: Any) -> list[dict[str, Any]]:
        """Return the tests that state `facts`, in the order they ran."""
        return [t for t in self.tests if all(t.get(k) == v for k, v in facts.items())]

    def seconds(self, **facts: Any) -> float | None:
        """Return the time of the one test that states `facts`, None where it did not run."""
        found = self.of(**facts)
        return found[0]["stats"]["min"] if found else None

    def fact(self, key: str, **facts: Any) -> Any:
        """Return what the one test that states `facts` says of `key`, None where it did not run."""
        found = self.of(**facts)
        return found[0].get(key) if found else None

    def values(self, key: str, **facts: Any) -> list[Any]:
        """Return the different values that tests state for `key`, in the order they ran."""
        return list(dict.fromkeys(t[key] for t in self.of(**facts)))


def exponent(sizes: Sequence[int], times: Sequence[float | None]) -> float | None:
    """Return the slope of the least-squares line through the logarithms."""
    points = [(math.log(n), math.log(t)) for n, t in zip(sizes, times) if t]
    if len(points) < 2:
        return None
    x_mean, y_mean = (sum(values) / len(points) for values in zip(*points))
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)


def ms(seconds: float | None) -> str:
    """Return seconds as milliseconds."""
    return "-" if seconds is None else number(1000 * seconds)


def number(value: float | None) -> str:
    """Return three significant figures; no exponent, no trailing dot."""
    if value is None:
        return "-"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, min(2, digits))}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
