"""Make the corpus: `python benchmarks/corpus/build.py FOLDER` (see README.md).

Every pair is run before anything is written; a pair whose outputs differ is reported and left out.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import random
import re
import sys
import traceback
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

warnings.filterwarnings("ignore")  # mxnet 1.9.1 is older than the Python it runs on

import cases  # noqa: E402
import disturb  # noqa: E402
import pairs  # noqa: E402
import prove  # noqa: E402
import zoos  # noqa: E402
from cases import Case  # noqa: E402
from graphs import TORCH  # noqa: E402

Pair = tuple[str, str]
WITH_TORCH = ("module", "head", "slice", "revslice", "dropout", "se", "adapter", "perm", "prefix", "blind")


def number_of(text: str) -> int:
    return zlib.crc32(text.encode())


def half_of(pair: Pair) -> str:
    """Return the half an architecture pair is in, the same for both directions."""
    if pair[0].startswith("syn-"):  # all variants of one trap go together
        pair = (pair[0].rsplit("_", 1)[0].rstrip("2"), "")
    return "held" if number_of("/".join(sorted(pair))) % 3 == 0 else "tune"


def chosen_steps(pair: Pair, names: list[str], count: int) -> list[str]:
    """Return `count` of `names`, others for other pairs, so that all occur about equally often."""
    return random.Random(number_of("__".join(pair))).sample(names, min(count, len(names)))


class Corpus:
    """The folder the cases go to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.refused = folder, []
        for half in ("tune", "held"):
            (folder / half).mkdir(parents=True, exist_ok=True)

    def add(self, case: Case, pair: Pair, category: str, names: list[str]) -> None:
        """Write `case` under the disturbances `names`."""
        steps = {**disturb.STEPS, **disturb.OWN_STEPS}
        half = half_of(pair)
        for name in names:
            chance = random.Random(number_of("__".join([*pair, name])))
            changed = steps[name](case, chance)
            if changed is None or (not changed.truth and not category.startswith("negative")):
                continue
            cases.check(changed)
            if category.startswith("negative"):
                changed = replace(changed, must_bind=True)
            cases.write(changed, self.folder / half, pair, name, category)

    def add_proven(self, pair: Pair, category: str, count: int) -> None:
        """Find the truth of `pair` and write its cases, target and source also with changed places."""
        target, source = zoos.side_of(pair[0]), zoos.source_of(pair[1])
        truth = prove.find_truth(target, source)
        if truth is None:
            self.refused.append("no truth: " + "__".join(pair))
            return
        case = Case(target, source.side, truth.pairs, truth.accept, truth.reshape)
        if source.side.format == TORCH:
            self.add(case, pair, category, ["base", *chosen_steps(pair, list(WITH_TORCH), count)])
            return
        others = [name for name in disturb.STEPS if name != "base"]
        self.add(case, pair, category, ["base", *chosen_steps(pair, others, count)])
        if len(truth.pairs) == len(source.side.params):
            back = (pair[1], pair[0])
            self.add(cases.mirrored(case), back, category, chosen_steps(back, ["base", *others], count // 2))

    def add_itself(self, name: str) -> None:
        side = zoos.side_of(name)
        case = Case(side, side, {n: n for n, _ in side.params})
        self.add(case, (name, name), "same-model", chosen_steps((name, name), list(disturb.OWN_STEPS), 4))

    def add_negative(self, pair: Pair, category: str) -> None:
        target, source = zoos.side_of(pair[0]), zoos.source_side_of(pair[1])
        names = ["base", "opaque", "nosym"] if source.symbol is not None else ["base", "perm"]
        self.add(Case(target, source, {}), pair, category, names)

    def has(self, pair: Pair) -> bool:
        return any((self.folder / half_of(pair)).glob(f"{pair[0]}__{pair[1]}__*"))

    def summary(self) -> str:
        """Return the number of cases by category and by disturbance in each half, as the folder has them."""
        rows = []
        for file in self.folder.glob("*/*.json.gz"):
            case = json.loads(gzip.decompress(file.read_bytes()))
            rows.append((file.parent.name, case["category"], case["perturb"], case["must_bind"]))
        lines = [f"{len(rows)} cases, {sum(not row[3] for row in rows)} of them undetermined"]
        for place, title in ((1, "category"), (2, "disturbance")):
            table = collections.Counter((row[place], row[0]) for row in rows)
            lines.append(f"\n{title:16} {'tune':>6} {'held':>6}")
            for key in sorted({key for key, _ in table}):
                lines.append(f"{key:16} {table[key, 'tune']:6} {table[key, 'held']:6}")
        return "\n".join([*lines, "", "left out in this run:", *self.refused, ""])


def jobs() -> list[tuple[str, tuple]]:
    """Return what has to be done: the method of `Corpus` and its arguments."""
    found: list[tuple[str, tuple]] = []
    found += [("add_proven", (pair, "synthetic", 6)) for pair in pairs.traps()]
    found += [("add_negative", (pair, "negative-near")) for pair in pairs.NEAR]
    found += [("add_negative", (pair, "negative")) for pair in pairs.FAR]
    found += [("add_itself", (name,)) for name in pairs.ITSELF]
    found += [("add_proven", (pair, "symbol", 8)) for pair in pairs.classical()]
    found += [("add_proven", (pair, "gluon", 6)) for pair in pairs.across()]
    found += [("add_proven", (pair, "torch", 5)) for pair in pairs.torch_named()]
    return found


def uses_torch(job: tuple[str, tuple]) -> bool:
    what = job[1][0]
    return isinstance(what, tuple) and what[1].split("-")[0] in zoos.TORCH_COLLECTIONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--torch", type=Path, help="build the pairs with torch networks, from what torch_side.py wrote here"
    )
    parser.add_argument(
        "--only", default="", help="regular expression a pair must contain, as in `mx-resnet18_v1, osmr-`"
    )
    parser.add_argument("--resume", action="store_true", help="leave out pairs the folder has cases of")
    arguments = parser.parse_args()
    zoos.TORCH_FOLDER = arguments.torch
    corpus = Corpus(arguments.folder)
    chosen = [job for job in jobs() if uses_torch(job) == bool(arguments.torch) and re.search(arguments.only, str(job))]
    if arguments.resume:
        chosen = [job for job in chosen if not (isinstance(job[1][0], tuple) and corpus.has(job[1][0]))]
    for method, what in tqdm(chosen, mininterval=2):
        try:
            getattr(corpus, method)(*what)
        except Exception as error:  # one network that cannot be traced or run must not end the build
            last = traceback.extract_tb(sys.exc_info()[2])[-1]
            corpus.refused.append(f"{what[0]}: {type(error).__name__} {str(error)[:120]!r} in {last.name}")
    (arguments.folder / "STATUS.txt").write_text(corpus.summary())


if __name__ == "__main__":
    main()
