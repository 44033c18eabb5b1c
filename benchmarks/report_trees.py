"""The tables of the tree kernels, and of graphs found in graphs."""

from __future__ import annotations

from typing import Any

from results import Goal, Run, ms, number, table
from summary import FINDERS

RATIO, MEGABYTES = 50.0, 150.0
BACK_ENDS = ("its Cython", "its Python")
GOALS = {  # (function, size of random trees) -> over how many times as fast as the faster back end
    ("ordered subtree", 100): 1.0,
    ("ordered subtree", 300): 1.0,
    ("ordered subtree", 1_000): RATIO,
    ("ordered embedding", 100): 1.0,
    ("ordered embedding", 300): RATIO,
}


def tree_parts(run: Run, goals: list[Goal]) -> list[str]:
    """Return the paragraphs and tables, and add the goals."""
    return [*_trees(run, goals), *_shapes(run, goals)]


def _trees(run: Run, goals: list[Goal]) -> list[str]:
    rows = []
    for test in run.of(table="trees"):
        function, given, seconds = test["function"], test["given"], test["stats"]["min"]
        rows.append((function, given, ms(seconds)))
        if "goal" in test:
            text = f"{function}, {given}: at most {1000 * test['goal']:,g} ms"
            goals.append(Goal(text, f"{ms(seconds)} ms", seconds <= test["goal"]))
    for test in run.of(table="trees memory"):
        text = f"ordered subtree, {test['nodes']:,} nodes: at most {MEGABYTES:g} MB"
        goals.append(Goal(text, f"{test['megabytes']:.0f} MB", test["megabytes"] <= MEGABYTES))
    if not rows:
        return []
    return [
        "## Common subtrees",
        "From networkx trees to the mapping. Random trees have three labels; a name tree is compared with itself:",
        table(("function", "trees", "ours"), rows),
    ]


def _cell(run: Run, facts: dict[str, Any]) -> str:
    over = run.fact("over", **facts)
    return f"> {over} s" if over else ms(run.seconds("median", **facts))


def _shapes(run: Run, goals: list[Goal]) -> list[str]:
    found = run.of(table="tree shapes", side="ours")
    sizes = sorted({test["size"] for test in found})
    rows, differing = [], []
    for function, shape in dict.fromkeys((t["function"], t["given"]) for t in found):
        for side in ("ours", *BACK_ENDS):
            facts = {"table": "tree shapes", "function": function, "given": shape, "side": side}
            if run.of(**facts):
                rows.append((function, shape, side, *(_cell(run, {**facts, "size": size}) for size in sizes)))
        differing += [f"{function}, {shape} of {size}" for size in sizes if _differ(run, function, shape, size)]
        for size in sizes if shape == "random" else ():
            _judge(run, goals, function, size)
    if not rows:
        return []
    agree = "All that embed find equal weights."
    if differing:
        agree = f"The weights of embeddings differ on {'; '.join(differing)}."
    head = ("function", "shape", "side", *(f"{size:,}" for size in sizes))
    return ["### By shape and size", f"{SHAPES} {agree}", table(head, rows)]


SHAPES = """\
Medians, by the number of nodes of each of two trees of three labels, beside both back ends of
networkx_algo_common_subtree. A side that takes longer than its limit is not asked for larger trees; its Cython is asked
up to 1,000 nodes, its Python up to 300."""


def _differ(run: Run, function: str, shape: str, size: int) -> bool:
    """Return whether the embeddings found differ in weight; what the peer calls a subtree is another question."""
    tests = run.of(table="tree shapes", function=function, given=shape, size=size)
    weights = {test["weight"] for test in tests if "weight" in test}
    return function == "ordered embedding" and len(weights) > 1


def _judge(run: Run, goals: list[Goal], function: str, size: int) -> None:
    """Add the goal for random trees of a size, where there is one and the peer was there."""
    needed = GOALS.get((function, size))
    facts = {"table": "tree shapes", "function": function, "given": "random", "size": size}
    ours = run.seconds(side="ours", **facts)
    theirs = [
        run.fact("over", side=side, **facts) or run.seconds(side=side, **facts)
        for side in BACK_ENDS
        if run.of(side=side, **facts)
    ]
    if needed is not None and ours and theirs:
        ratio = min(theirs) / ours
        goals.append(Goal(f"{function}, random {size:,}: over {needed:g} times as fast", number(ratio), ratio > needed))


def isomorphism_parts(run: Run) -> list[str]:
    """Return the table of graphs found in graphs."""
    rows = []
    for network in run.values("network", table="isomorphism"):
        for kind in ("whole", "slice", "changed"):
            facts = {"table": "isomorphism", "network": network, "kind": kind}
            cells = [_cell_with_right(run, {**facts, "side": side}) for side in ("ours", *FINDERS)]
            rows.append((network, kind, *cells))
    if not rows:
        return []
    return ["### Beside graph isomorphism", ISOMORPHISM, table(("network", "what", "ours", *FINDERS), rows)]


def _cell_with_right(run: Run, facts: dict[str, Any]) -> str:
    right = run.fact("right", **facts)
    return _cell(run, facts) + ("" if right is None else f" ({right:.1%})")


ISOMORPHISM = """\
Medians, in parentheses the parameters that are right. Nodes are operators and parameters, labelled by the operator or
the shape. `whole`: a copy under other names; `slice`: a piece under other names, found in its network; `changed`: as
above. The peers' graphs are made before the time is taken; they answer whether the one stands in the other just as it
is, and do not distinguish the inputs of an operator."""
