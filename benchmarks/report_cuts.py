"""The tables of what `extract` costs: beside other ways, step by step, by the size of the network, in memory."""

from __future__ import annotations

from typing import Any, Sequence

from results import Goal, Run, exponent, ms, number, table

CUTS = ("inner", "front")
RIVALS = {"rebuild": "rebuild", "plain": "plain MXNet", "onnx": "ONNX", "graphsurgeon": "GraphSurgeon"}
REBUILD_RATIO, REBUILD_RATIO_SMALLEST = 3.0, 7.0
EXPONENT = 1.15
MEGABYTES = 1.0  # what RSS may change by; pages are counted, not bytes


def cut_parts(run: Run, goals: list[Goal]) -> list[str]:
    """Return the paragraphs and tables, and add the goals."""
    parts = [
        *((_speed, "speed"), (_whole_call, "whole call"), (_steps, "steps"), (_scaling, "scaling")),
        *((_memory, "growth"), (_repair, "repair")),
    ]
    return [text for part, name in parts if run.of(table=name) for text in part(run, goals)]


def _cases(run: Run) -> list[tuple[str, str]]:
    """Return (network, cut), the smallest network first."""
    nodes = {t["network"]: t["nodes"] for t in run.of(table="before")}
    networks = sorted(run.values("network", table="speed"), key=lambda n: nodes.get(n, 0))
    return [(network, cut) for network in networks for cut in CUTS]


def _speed(run: Run, goals: list[Goal]) -> list[str]:
    rows = []
    cases = _cases(run)
    for network, cut in cases:
        facts = {"table": "speed", "network": network, "cut": cut}
        times = [run.seconds(side=side, **facts) for side in ("gluon_subgraph", *RIVALS, "full route")]
        ratios = [run.fact("ratio", side=side, **facts) for side in RIVALS]
        medians = [run.fact("median_ratio", side=side, **facts) for side in RIVALS]
        least = run.fact("ratio", side="least", **facts)
        pairs = (f"{number(a)} ({number(b)})" if a else "-" for a, b in zip(ratios, medians))
        cached_op = ms(run.seconds(side="cached op", **facts))
        rows.append((network, cut, *map(ms, times), *pairs, number(1 / least if least else None), cached_op))
        for side, ratio in zip(RIVALS, ratios):
            needed = 1.0
            if side == "rebuild":
                needed = REBUILD_RATIO_SMALLEST if network == cases[0][0] else REBUILD_RATIO
            asked = f"at least {needed:g} times as fast as" if needed > 1 else "ahead of"
            is_met = None if ratio is None else ratio > needed
            goals.append(Goal(f"{network}, {cut}: {asked} {RIVALS[side]}", number(ratio), is_met))
    ratio_heads = (f"{rival} / ours" for rival in RIVALS.values())
    head = ("network", "cut", "ours", *RIVALS.values(), "full route", *ratio_heads, "ours / least", "cached op")
    return ["## From a traced symbol to a working block", SPEED, table(head, rows)]


SPEED = """\
In hand on every side: the traced Symbol and `net.collect_params()`. Every side's block is run before it is timed and
compared with the whole network: equal bit for bit, the ONNX file's to rounding. Each round of another side begins with
one of ours; the ratios are of the minima of these rounds, and in parentheses the median over the rounds. Goals are
judged by the minima.

- *cut*: `inner` from the first pooling layer to the flattened features, `front` from the network's own input to them.
- *ours*: `extract`, all checks included; *full route* where the input is renamed as well.
- *rebuild*: each operator again with `getattr(mx.sym, op)`, a stock SymbolBlock, copies of the parameters' values.
- *plain MXNet*: for `inner` surgery on the Symbol's JSON, for `front` `get_internals`; a stock SymbolBlock with
  `params=`. No checks.
- *ONNX*: `onnx.utils.extract_model` from file to file, its checker and shape inference switched off.
- *GraphSurgeon*: NVIDIA's ONNX GraphSurgeon, from file to file as well.
- *least*: what nobody can leave out. For `inner`: let MXNet write the text of the source and load that of the piece;
  for `front`: `get_internals` and `list_outputs`.
- *cached op*: made of the piece's Symbol at the first call of a hybridized block, on every side alike."""


def _whole_call(run: Run, _: list[Goal]) -> list[str]:
    rows = []
    for network, cut in _cases(run):
        before = [run.seconds(table="before", network=network, side=side) for side in BEFORE]
        facts = {"table": "whole call", "network": network, "cut": cut}
        times = [run.fact("ours", **facts), run.seconds(**facts)]
        nodes = run.fact("nodes", table="before", network=network)
        rows.append((network, nodes, cut, *map(ms, times), number(run.fact("ratio", **facts)), *map(ms, before)))
    head = ("network", "nodes", "cut", "`extract(net, ...)`", "plain MXNet", "plain MXNet / ours", *BEFORE.values())
    return ["### With what comes before", WHOLE_CALL, table(head, rows)]


BEFORE = {"trace": "our trace", "plain trace": "plain trace", "collect_params": "collect_params"}
WHOLE_CALL = """\
The call as it is typed, beside the plain way with the same done first: `net(mx.sym.var("data"))` and
`net.collect_params()`. Our trace also records which block made which node."""


def _steps(run: Run, _: list[Goal]) -> list[str]:
    rows = []
    names: list[str] = []
    for network, cut in _cases(run):
        steps = run.fact("steps", table="steps", network=network, cut=cut)
        if steps is None:
            continue
        total = steps["total"]
        names = [name for name in steps if name != "total"]
        spent = [steps[name] for name in names]
        trace = run.seconds(table="before", network=network, side="trace")
        rows.append((network, cut, ms(trace), *(ms(s or None) for s in (*spent, total - sum(spent), total))))
    head = ("network", "cut", "(trace)", *names, "names, cut, checks", "sum without trace")
    return ["### Where the time goes", table(head, rows)]


def _scaling(run: Run, goals: list[Goal]) -> list[str]:
    columns = [(s, p) for s in run.values("shape", table="scaling") for p in PIECES]
    sizes = run.values("side", table="scaling")
    times = {c: [run.seconds(table="scaling", shape=c[0], piece=c[1], side=size) for size in sizes] for c in columns}
    rows: list[Sequence[Any]] = [(f"{n:,}", *(ms(times[c][i]) for c in columns)) for i, n in enumerate(sizes)]
    exponents = {c: exponent(sizes, times[c]) for c in columns}
    rows.append(("exponent", *(number(e) for e in exponents.values())))
    for (shape, piece), power in exponents.items():
        is_met = None if power is None else power <= EXPONENT
        goals.append(Goal(f"{shape}, {piece}: exponent at most {EXPONENT}", number(power), is_met))
    head = ("nodes of the network", *(f"{shape}, {piece}" for shape, piece in columns))
    return ["## Time against the number of nodes", SCALING, table(head, rows)]


PIECES = ("everything", "everything, full route", "fixed size")
SCALING = """\
From a traced symbol. A chain of activations, and a chain of residual blocks (weight, dense, activation, sum). A piece
of fixed size has 400 nodes in the middle; what grows there is reading the names and the text of what lies upstream.
The exponent is that of a power of the number of nodes, fitted to the logarithms."""


def _memory(run: Run, goals: list[Goal]) -> list[str]:
    growth = []
    for test in run.of(table="growth"):
        change = test["after"] - test["before"]
        growth.append((test["cut"], f"{test['before']:.1f}", f"{test['after']:.1f}", f"{change:+.1f}"))
        text = f"{test['cut']} cut: {test['count']:,} extractions keep less than {MEGABYTES:g} MB"
        goals.append(Goal(text, f"{change:+.1f} MB", change < MEGABYTES))
    sharing = []
    for test in run.of(table="sharing"):
        change = test["after"] - test["before"]
        sharing.append((test["side"], test["cut"], f"{test['copied']:.1f}", f"{change:+.1f}"))
        if test["side"] == "gluon_subgraph":
            is_met = test["copied"] == 0 and change < MEGABYTES
            goals.append(Goal(f"{test['network']}, {test['cut']}: sharing adds 0 MB", f"{change:+.1f} MB", is_met))
    return [
        "## Memory",
        "Resident memory of the process (MB) before and after a thousand whole calls on resnet18_v2, 200 before them:",
        table(("cut", "before", "after", "change"), growth),
        "The whole of resnet152_v2 as a piece: the values it copies, and what it takes altogether (MB; gradients too):",
        table(("side", "cut", "values copied", "change"), sharing),
    ]


def _repair(run: Run, _: list[Goal]) -> list[str]:
    rows = [(f"{t['nodes']:,}", t["side"], ms(t["stats"]["min"])) for t in run.of(table="repair")]
    head = ("nodes", "inputs given, each inside a block", '`extract(..., open_cut="add")`')
    return ["## Repairing an open cut", "A residual chain, from a traced symbol:", table(head, rows)]
