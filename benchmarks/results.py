"""The benchmarks of one run or several, what is kept of them, and how numbers and tables are written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Iterable, Iterator, NamedTuple, Sequence

MACHINE = ("system", "python_version", "load_at_start", "loop", "packages")


class Goal(NamedTuple):
    """One requirement: what is asked, what was measured, and whether that is enough (None: not measured)."""

    text: str
    value: str
    is_met: bool | None


class Run:
    """The benchmarks of a run, found by what they say of themselves."""

    def __init__(self, machine: Any, benchmarks: Iterable[Any]) -> None:
        self.machine = machine
        self.benchmarks = list(benchmarks)
        self.tests = [case for test in self.benchmarks for case in _cases_of(test)]

    @classmethod
    def of_files(cls, paths: Sequence[Path]) -> Run:
        """Return the benchmarks of several files, of each the last; the machine is described by the first.

        A file is what ``--benchmark-json`` wrote, or what `write` did.
        """
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        benchmarks = {test["fullname"]: test for run in runs for test in run["benchmarks"]}
        machine = _machine_of(runs[0])
        machine["packages"] = {n: v for run in runs for n, v in run["machine_info"]["packages"].items()}
        machine["runs"] = sum(run["machine_info"].get("runs", 1) for run in runs)
        return cls(machine, [_reduced(test) for test in benchmarks.values()])

    def write(self, path: Path) -> None:
        """Write what the report needs, a benchmark a line, without the single rounds."""
        lines = ",\n".join(json.dumps(test, separators=(",", ":")) for test in self.benchmarks)
        path.write_text(
            f'{{"machine_info": {json.dumps(self.machine)},\n"benchmarks": [\n{lines}\n]}}\n', encoding="utf-8"
        )

    def of(self, **facts: Any) -> list[dict[str, Any]]:
        """Return the tests that state `facts`, in the order they ran."""
        return [t for t in self.tests if all(t.get(k) == v for k, v in facts.items())]

    def seconds(self, which: str = "min", **facts: Any) -> float | None:
        """Return the time of the one test that states `facts`, None where it did not run or did not end."""
        found = self.of(**facts)
        return found[0]["stats"][which] if found and "over" not in found[0] else None

    def fact(self, key: str, **facts: Any) -> Any:
        """Return what the one test that states `facts` says of `key`, None where it did not run."""
        found = self.of(**facts)
        return found[0].get(key) if found else None

    def values(self, key: str, **facts: Any) -> list[Any]:
        """Return the different values that tests state for `key`, in the order they ran."""
        return list(dict.fromkeys(t[key] for t in self.of(**facts)))


def _machine_of(run: Any) -> dict[str, Any]:
    info = run["machine_info"]
    cpu = {key: info.get("cpu", {}).get(key) for key in ("brand_raw", "count")}
    return {"cpu": cpu, **{key: info[key] for key in MACHINE if key in info}}


def _reduced(test: Any) -> dict[str, Any]:
    """Return a benchmark without its single rounds, without what it does not say, in four or six figures."""
    stats = {key: test["stats"][key] for key in ("min", "median", "rounds")}
    facts = {key: value for key, value in test["extra_info"].items() if value is not None}
    return _rounded({"fullname": test["fullname"], "extra_info": facts, "stats": stats})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    if isinstance(value, float):  # megabytes are compared with one another, and need more
        return float(f"{value:.4g}" if abs(value) < 100 else f"{value:.6g}")
    return value


def _cases_of(test: Any) -> Iterator[dict[str, Any]]:
    """Yield a benchmark, or each of the cases that it went through in one process of its own."""
    facts = test["extra_info"]
    for size, case in facts["cases"].items() if "cases" in facts else [(None, facts)]:
        stats = test["stats"]
        if "seconds" in case:  # taken in that process
            stats = {"min": case["seconds"], "median": case["median"], "rounds": case["rounds"]}
        yield {**facts, **case, "stats": stats, **({} if size is None else {"size": int(size)})}


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
    """Return three significant figures, two below a tenth; no exponent, no trailing dot."""
    if value is None:
        return "-"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, min(3 if abs(value) < 0.1 else 2, digits))}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
