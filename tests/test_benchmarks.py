"""What the READMEs say of the benchmarks is what the results say, and merging parts keeps the last of each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
sys.path.append(str(BENCHMARKS))  # behind all else: the modules there are no package

import report  # noqa: E402
from report_summary import ahead_lines  # noqa: E402
from results import Run  # noqa: E402
from summary import rows_of  # noqa: E402


@pytest.fixture(scope="module")
def kept():
    return Run.of_files([report.RESULTS])


def test_report_of_the_results_is_the_readme_of_the_benchmarks(kept):
    text, _ = report.report(kept)
    assert text == report.README.read_text(encoding="utf-8")


def test_numbers_of_the_results_are_those_of_the_readme(kept):
    text = report.PROJECT_README.read_text(encoding="utf-8")
    assert report.with_numbers(text, kept, report.report(kept)[1]) == text


def test_numbers_cannot_be_put_into_a_readme_without_its_markers(kept):
    with pytest.raises(ValueError, match="has no part between"):
        report.with_numbers("# Nothing\n", kept, [])


def test_results_are_small_and_survive_a_second_reading(kept, tmp_path):
    kept.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == report.RESULTS.read_bytes()
    assert report.RESULTS.stat().st_size < 100_000


def test_every_kind_of_work_is_in_the_one_table(kept):
    kinds = {row.kind for row in rows_of(kept)}
    for kind in ("list nodes", "extract", "load", "bind by structure", "bind by names", "trees", "step, trunk frozen"):
        assert kind in kinds


def test_every_peer_that_is_ahead_is_given_a_reason(kept):
    lines = ahead_lines(rows_of(kept))
    ahead = {(row.kind, peer.name) for row in rows_of(kept) for peer in row.peers if peer.is_ahead}
    assert all(any(line.startswith(f"- *{kind}*") and name in line for line in lines) for kind, name in ahead)
    assert [line for line in lines if "not known" in line] == []


def test_any_part_of_a_run_can_be_reported(kept):
    for name in sorted({test["extra_info"]["table"] for test in kept.benchmarks}):
        part = Run(kept.machine, [t for t in kept.benchmarks if t["extra_info"]["table"] == name])
        text, goals = report.report(part)
        assert text.startswith("# Benchmarks")
        assert report.with_numbers(f"{report.BEGIN}{report.END}", part, goals).endswith(report.END)


def test_of_several_files_the_last_measurement_counts(kept, tmp_path):
    first = kept.benchmarks[0]
    later = {**first, "stats": {"min": 1.0, "median": 2.0, "rounds": 3}}
    Run({**kept.machine, "runs": 1}, [later]).write(tmp_path / "later.json")
    merged = Run.of_files([report.RESULTS, tmp_path / "later.json"])
    assert [test["fullname"] for test in merged.benchmarks] == [test["fullname"] for test in kept.benchmarks]
    assert merged.benchmarks == [later, *kept.benchmarks[1:]]
    assert merged.machine["runs"] == kept.machine["runs"] + 1


def test_a_case_that_takes_too_long_is_stopped_and_the_others_kept(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(
        f"import sys\nsys.path.append({str(BENCHMARKS)!r})\nimport limited\nlimited.LIMIT = 1\n"
        "limited.answer(lambda: 7, lambda result: {'weight': result})\n"
        "limited.answer(lambda: exec('while True: pass'))\n"
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60)
    assert [json.loads(line)["weight"] for line in run.stdout.splitlines()] == [7]
    assert run.returncode < 0
