"""Score the matcher on a corpus: `python benchmarks/corpus/score.py FOLDER [FOLDER ...]`.

A folder holds cases as `build.py` writes them, itself or in subfolders; each folder of cases gets its own table. A
case is complete when every parameter of the truth is bound to it and nothing else is bound. Where a case does not fix
the answer, only wrong bindings count. The exit status is 1 if anything is bound wrongly.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, Iterable, NamedTuple

import gluon_subgraph  # noqa: F401 - before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
from tqdm import tqdm

from gluon_subgraph.codec import graph_of_symbol
from gluon_subgraph.graph import Graph
from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

FILE_PREFIXES = ("arg:", "aux:")


class Score(NamedTuple):
    """What became of one case."""

    case: str
    category: str
    disturbance: str
    is_determined: bool
    right: int
    wrong: int
    unbound: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether all that is determined is bound, and nothing wrongly."""
        return self.wrong == 0 and self.unbound == 0


def main() -> int:
    """Print a table for each folder of cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-v", "--verbose", action="store_true", help="list the cases that are not complete")
    options = parser.parse_args()
    wrong = 0
    for folder in options.folders:
        for place in sorted({path.parent for path in folder.rglob("*.json.gz")}):
            scores = [score_case(path) for path in tqdm(sorted(place.glob("*.json.gz")), desc=place.name, leave=False)]
            print(f"\n{place.name}")
            print("\n".join(table(scores)))
            if options.verbose:
                print(
                    "\n".join(f"  {s.case}: {s.unbound} unbound, {s.wrong} wrong" for s in scores if not s.is_complete)
                )
            wrong += sum(score.wrong for score in scores)
    return 1 if wrong else 0


def score_case(path: Path) -> Score:
    """Return how the matcher does on one case."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        case = json.load(file)
    target, source = side_of(case["target"]), side_of(case["source"])
    name_in_file = {bare(name): name for name, _ in case["source"]["params"]}
    start = time.perf_counter()
    found = {t: name_in_file[s] for t, s in match(target, source).mapping.items()}
    seconds = time.perf_counter() - start
    truth, accepted = case["truth"], case.get("accept", {})
    right = sum(truth.get(t) == s or (t in truth and s in accepted.get(t, ())) for t, s in found.items())
    free = set(case.get("reshape", ()))
    unbound = sum(t not in found and t not in free for t in truth) if case["must_bind"] else 0
    return Score(
        case["id"], case["category"], case["perturb"], case["must_bind"], right, len(found) - right, unbound, seconds
    )


def side_of(data: Any) -> Side:
    """Return the target or the source of a case as the matcher takes it."""
    shapes = {bare(n): tuple(shape) for n, shape in data["params"] if not n.endswith("num_batches_tracked")}
    return Side(shapes, graph_of(data["symbol"]), data.get("structural") or {})


def graph_of(text: str | None) -> Graph | None:
    """Return the graph of Symbol JSON."""
    return None if text is None else graph_of_symbol(mx.sym.load_json(text))


def bare(name: str) -> str:
    """Return a name without the prefix of a parameter file."""
    return next((name[len(p) :] for p in FILE_PREFIXES if name.startswith(p)), name)


def table(scores: Iterable[Score]) -> list[str]:
    """Return the counts by category and by disturbance, then of all."""
    scores = list(scores)
    determined = [s for s in scores if s.is_determined]
    lines = [f"{'':20} {'cases':>6} {'complete':>9} {'':7} {'wrong':>6} {'unbound':>8} {'ms/case':>8}"]
    for key in ("category", "disturbance"):
        lines += [
            line(name, [s for s in determined if getattr(s, key) == name])
            for name in sorted(Counter(getattr(s, key) for s in determined))
        ] + [""]
    lines.append(line("all determined", determined))
    real = [s for s in determined if s.category != "synthetic" and s.right + s.unbound]
    lines.append(line("no trap, no negative", real))
    rest = [s for s in scores if not s.is_determined]
    return [*lines, line("undetermined", rest)] if rest else lines


def line(name: str, scores: list[Score]) -> str:
    """Return one line of the table."""
    complete, count = sum(s.is_complete for s in scores), len(scores)
    wrong, unbound = sum(s.wrong for s in scores), sum(s.unbound for s in scores)
    milliseconds = 1000 * sum(s.seconds for s in scores) / max(1, count)
    share = f"{complete / max(1, count):6.1%}"
    return f"{name:20} {count:6} {complete:9} {share:>7} {wrong:6} {unbound:8} {milliseconds:8.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
