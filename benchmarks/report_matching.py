"""The tables of matching: networks beside their copies, names alone, and growth."""

from __future__ import annotations

from results import Goal, Run, exponent, ms, number, table

NAMES_RATIO = 100.0
EXPONENT = 1.3


def matching_parts(run: Run, goals: list[Goal]) -> list[str]:
    """Return the paragraphs and tables, and add the goals."""
    parts = [(_matching, "matching"), (_names, "names"), (_growth, "matching growth")]
    return [text for part, name in parts if run.of(table=name) for text in part(run, goals)]


def _matching(run: Run, goals: list[Goal]) -> list[str]:
    rows = []
    tests = run.of(table="matching", side="from text")
    for test in sorted(tests, key=lambda test: (test["layers"], test["copy"] != "opaque")):
        facts = {"table": "matching", "network": test["network"], "copy": test["copy"]}
        seconds = test["stats"]["min"]
        times = [run.seconds(side=side, **facts) for side in BESIDE]
        loading = run.seconds(side="load_json", **facts)
        ratio = number(loading / seconds if loading else None)
        row = (test["network"], test["layers"], test["copy"], ms(seconds), *map(ms, times), ratio)
        rows.append((*row, f"{test['right']:.1%}"))
        if "goal" in test:
            text = f"match {test['network']} from text: at most {1000 * test['goal']:g} ms"
            goals.append(Goal(text, f"{ms(seconds)} ms", seconds <= test["goal"]))
    head = ("network", "layers", "copy", "from text", *BESIDE.values(), "`load_json` / from text", "right")
    return ["## Which parameter is which", MATCHING, table(head, rows)]


BESIDE = {
    "text alone": "`json.loads`",
    "load_json": "MXNet's `load_json`",
    "trace": "our trace",
    "graphs": "Graphs of both",
    "match": "`match` of Graphs",
}
MATCHING = """\
A network of the zoo beside a copy. `opaque`: meaningless names, parameters in any order; `changed`: dropout behind 15 %
of its activations, squeeze and excitation behind as many others, and another head too. HRNet-W18 is built in
`hrnet.py`.

- *from text*: from the JSON text of both symbols, with the shapes of their parameters, to the pairs of layers.
- *`json.loads`*: the part of it that is Python's reader of JSON. *`load_json`*: MXNet's, of both texts. *our trace*: of
  one network.
- *Graphs of both*, then *`match` of Graphs*: what the user calls, from two Symbols.
- *right*: how many of the parameters that both have are bound. None is bound wrongly; the benchmark fails if one is."""


def _names(run: Run, goals: list[Goal]) -> list[str]:
    rows = []
    for test in run.of(table="names"):
        rows.append(
            (test["network"], test["parameters"], test["side"], ms(test["stats"]["min"]), f"{test['right']:.1%}")
        )
    beside = []
    for test in run.of(table="names rival"):
        seconds, ratio = test["stats"]["min"], test["ratio"]
        beside.append(
            (test["network"], test["side"], ms(test["ours"]), ms(seconds), number(ratio), f"{test['right']:.1%}")
        )
        text = f"names of {test['network']}: {NAMES_RATIO:g} times as fast as torch_liberator's {test['side']}"
        goals.append(Goal(text, number(ratio), ratio >= NAMES_RATIO))
    parts = ["### From names alone", NAMES, table(("network", "parameters", "target", "ours", "right"), rows)]
    if not beside:
        goals.append(Goal(f"names: {NAMES_RATIO:g} times as fast as torch_liberator", "-", None))
        return [*parts, "torch_liberator is not installed."]
    head = ("network", "its strategy", "ours", "torch_liberator", "torch_liberator / ours", "it has right")
    return [*parts, table(head, beside)]


NAMES = """\
The source is a list of names and shapes (`module.backbone.features.0.weight`); the target is a network, or such a list
too. torch_liberator is given the same names on both sides, in its own format, and no values to copy. It sees the names
only; ours looks at the shapes as well."""


def _growth(run: Run, goals: list[Goal]) -> list[str]:
    kinds = run.values("copy", table="matching growth")
    sizes = run.values("side", table="matching growth")
    times = {k: [run.seconds(table="matching growth", copy=k, side=size) for size in sizes] for k in kinds}
    right = {k: [run.fact("right", table="matching growth", copy=k, side=size) for size in sizes] for k in kinds}
    rows = [
        (f"{size:,}", *("-" if times[k][i] is None else f"{ms(times[k][i])} ({right[k][i]:.1%})" for k in kinds))
        for i, size in enumerate(sizes)
    ]
    powers = {k: exponent(sizes, times[k]) for k in kinds}
    rows.append(("exponent", *(number(power) for power in powers.values())))
    for kind, power in powers.items():
        if kind.startswith("four stages"):
            continue
        is_met = None if power is None else power <= EXPONENT
        goals.append(Goal(f"matching, {kind}: exponent at most {EXPONENT:g}", number(power), is_met))
    return ["### Time against the number of layers", GROWTH, table(("layers", *kinds), rows)]


GROWTH = """\
Residual blocks of two convolutions with BatchNorm, a hundred layers of each width, from text as above; in parentheses
the parameters that are right. The copy has meaningless names, in the second column squeeze and excitation and dropout
behind every fiftieth layer too. In the last columns the network has four widths, each of a quarter of its layers: the
stretches that look alike grow with it. No goal is set for those."""
