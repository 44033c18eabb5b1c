"""The hypothesis profile of `make fuzz`, and its report of how much was tried."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import sys
from typing import Any, Iterator

import pytest
from hypothesis import HealthCheck, settings

# A law takes a quarter of what its profile says (fuzz_laws.py): 10,000 examples over the laws there are.
settings.register_profile("fuzz", max_examples=2900, deadline=None, suppress_health_check=list(HealthCheck))
_total: dict[str, int] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: Any) -> Iterator[None]:
    """Note with the test how many examples, or damaged files, it tried."""
    tally = getattr(sys.modules.get("fuzz_laws"), "TALLY", {})
    before = dict(tally)
    yield
    item.user_properties += [(what, tally[what] - count) for what, count in before.items() if tally[what] > count]


def pytest_runtest_logreport(report: Any) -> None:
    for what, count in report.user_properties if report.when == "call" else ():
        _total[what] = _total.get(what, 0) + count


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    if _total and config.getoption("--hypothesis-profile", None) == "fuzz":
        tried = ", ".join(f"{count:,} {what}" for what, count in sorted(_total.items()))
        terminalreporter.write_line(f"fuzz: tried {tried}")


def pytest_report_teststatus(report: Any, config: Any) -> Any:
    """Say after each test of a long run how much it tried: its progress."""
    if report.when != "call":  # a module that is skipped while it is collected is reported, too
        return None
    counts = [f"{count:,} {what}" for what, count in report.user_properties if what in ("examples", "damaged files")]
    if report.passed and counts:
        return "passed", ".", f"PASSED ({', '.join(counts)})"
    return None
