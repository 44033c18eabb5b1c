"""The tables of what training costs: with the trunk frozen, and with two towers over one set of parameters."""

from __future__ import annotations

from results import Goal, Run, ms, number, table

SHARE = 0.45  # of a full step that one with the trunk frozen may take
GOAL_NETWORK = "resnet18_v1"


def training_parts(run: Run, goals: list[Goal]) -> list[str]:
    """Return the paragraphs and tables, and add the goals."""
    parts = [(_freezing, "freezing"), (_towers, "towers")]
    return [text for part, name in parts if run.of(table=name) for text in part(run, goals)]


def _freezing(run: Run, goals: list[Goal]) -> list[str]:
    rows = []
    for test in run.of(table="freezing", side="full"):
        share = 1 / test["ratio"]
        facts = {"table": "freezing", "network": test["network"]}
        beside = [run.seconds(side=side, **facts) for side in ("stock MXNet", "floor")]
        times = (test["ours"], test["stats"]["min"], *beside)
        rows.append((test["network"], test["shape"], *map(ms, times), number(share)))
        if test["network"] == GOAL_NETWORK:
            text = f"{GOAL_NETWORK}, trunk frozen: a step takes at most {SHARE:g} of a full one"
            goals.append(Goal(text, number(share), share <= SHARE))
    head = ("network", "images", "trunk frozen", "full", "stock MXNet", "floor", "frozen / full")
    return ["## A training step with the trunk frozen", FREEZING, table(head, rows)]


FREEZING = """\
Forward, backward and update of a network of ten classes, hybridized; frozen is everything but the last layer, by
`gs.freeze(net.features)`. Rounds of both are taken side by side. *stock MXNet*: `grad_req` set to `"null"`, which
leaves BatchNorm moving; *floor*: the trunk run for inference, and a step of the head alone."""


def _towers(run: Run, _: list[Goal]) -> list[str]:
    rows = [
        (t["network"], t["mode"], t["shape"], ms(t["ours"]), ms(t["stats"]["min"]), number(t["ratio"]))
        for t in run.of(table="towers")
    ]
    made = [
        (t["network"], ms(t["ours"]), ms(t["stats"]["min"]), number(t["ratio"])) for t in run.of(table="tie towers")
    ]
    head = ("network", "what", "images of each side", "towers", "joined batches", "joined / towers")
    made_head = ("network", "`tie_towers(net)`", "stock SymbolBlock", "stock / ours")
    return [
        "## Two inputs through one set of weights",
        TOWERS,
        table(head, rows),
        "The call itself, beside two symbolic calls of the network and a stock SymbolBlock over both:",
        table(made_head, made),
    ]


TOWERS = """\
`tie_towers(net)` beside concatenating the two batches, running the network once and splitting. Both give the same
outputs at inference; in training, BatchNorm of the joined batches normalises each side by the statistics of both."""
