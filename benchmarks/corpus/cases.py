"""One case: two sides and the truth between them; whether it fixes the answer; how it is written."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import graphs
from graphs import Side


@dataclass
class Case:
    """Target, source and the truth between them."""

    target: Side
    source: Side
    truth: dict[str, str]
    accept: dict[str, list[str]] = field(default_factory=dict)
    reshape: list[str] = field(default_factory=list)
    must_bind: bool = True
    notes: str = ""

    def with_truth(self, truth: dict[str, str], **more: object) -> Case:
        accept = {t: names for t, names in self.accept.items() if t in truth}
        return replace(self, truth=truth, accept=accept, reshape=[t for t in self.reshape if t in truth], **more)


def rename_target(case: Case, target: Side, name_of: dict[str, str]) -> Case:
    new = name_of.get
    truth = {new(t, t): s for t, s in case.truth.items()}
    accept = {new(t, t): names for t, names in case.accept.items()}
    return replace(case, target=target, truth=truth, accept=accept, reshape=[new(t, t) for t in case.reshape])


def rename_source(case: Case, source: Side, name_of: dict[str, str]) -> Case:
    new = name_of.get
    truth = {t: new(s, s) for t, s in case.truth.items()}
    accept = {t: [new(s, s) for s in names] for t, names in case.accept.items()}
    return replace(case, source=source, truth=truth, accept=accept)


def natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(t), "") if t.isdigit() else (1, 0, t) for t in re.findall(r"\d+|[^\d]+", name)]


def words(name: str) -> set[str]:
    return {w for w in re.split(r"[^a-z]+", name.lower()) if w}


def names_tell(case: Case, is_shuffled: bool = False) -> bool:
    """Tell whether equal shapes come in one order on both sides, or have words in their names that set them apart."""
    if case.source.symbol is not None:
        return True
    names = [n for n, _ in case.source.params]
    if is_shuffled:
        names = sorted(names, key=natural)
    place = {n: i for i, n in enumerate(names)}
    shapes = case.target.shape_of()
    orders = [_executed(case.target), [n for n, _ in case.target.params]]
    if is_shuffled:
        orders[1] = sorted(orders[1], key=natural)
    decide = all if case.target.name.startswith("syn-") else any  # layers all of one shape have nothing but their order
    return decide(_in_one_order(order, case, place, shapes) for order in orders)


def _executed(side: Side) -> list[str]:
    nodes, _ = graphs.nodes_of(side.symbol)
    return [name for i in range(len(nodes)) for _, name in graphs.param_slots(nodes, i, side.inputs)]


def _in_one_order(order: list[str], case: Case, place: dict[str, int], shapes: dict[str, tuple[int, ...]]) -> bool:
    latest: dict[tuple[int, ...], str] = {}
    for target in order:
        source = case.truth.get(target)
        if source is None or len(shapes[target]) < 2:
            continue
        before = latest.get(shapes[target])
        if before is not None and place[case.truth[before]] > place[source]:
            shared = words(target) & words(source)
            if not (shared - words(before)) or not (words(case.truth[before]) & words(before)) - words(target):
                return False
        latest[shapes[target]] = target
    return True


def write(case: Case, folder: Path, pair: tuple[str, str], perturb: str, category: str) -> None:
    """Write `case` as one compressed file whose bytes depend on the case alone."""
    name = f"{pair[0]}__{pair[1]}__{perturb}"
    target, source = case.target, case.source
    content = {
        "id": name,
        "pair": list(pair),
        "perturb": perturb,
        "category": category,
        "must_bind": case.must_bind,
        "reshape": case.reshape,
        "accept": case.accept,
        "notes": case.notes,
        "target": {
            "symbol": target.symbol,
            "params": target.params,
            "structural": target.structural,
            "inputs": target.inputs,
        },
        "source": {"symbol": source.symbol, "params": source.params, "format": source.format},
        "truth": case.truth,
    }
    with open(folder / f"{name}.json.gz", "wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) as packed:
        packed.write(json.dumps(content).encode())


def mirrored(case: Case) -> Case:
    """Return the case with target and source in each other's place."""
    back = {s: t for t, s in case.truth.items()}
    accept: dict[str, list[str]] = {}
    for target, names in case.accept.items():
        for source in names:
            accept.setdefault(source, []).append(target)
    return Case(case.source, case.target, back, accept, [case.truth[t] for t in case.reshape])


def check(case: Case) -> None:
    """Raise if the truth names what is not there or pairs unequal shapes."""
    ours, theirs = case.target.shape_of(), dict(case.source.params)
    for target, source in case.truth.items():
        shapes = [tuple(ours[target]), tuple(theirs[source])]
        if shapes[0] != shapes[1] and target not in case.reshape:
            msg = f"{target} {shapes[0]} is not {source} {shapes[1]}"
            raise ValueError(msg)
    reached = graphs.all_shapes(case.target.symbol, case.target.inputs)
    wrong = [n for n, shape in case.target.params if reached[n] != tuple(shape)]
    if wrong:
        msg = f"the graph gives {wrong[:3]} another shape"
        raise ValueError(msg)
