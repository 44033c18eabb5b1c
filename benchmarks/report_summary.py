"""The one table as text, where a peer is ahead and why, and the part of the README that holds numbers."""

from __future__ import annotations

from typing import Sequence

from reasons import FLOORS, reason_of
from results import Goal, Run, exponent, ms, number, table
from summary import Row, rows_of

ONE_TABLE = """\
Milliseconds, medians of the rounds with minima in parentheses. The *floor* is the least that anybody has to do for this
work, done alone; *ours / floor* is our distance from it. A peer's number is how many times as long as ours it takes on
the same work in the same run: above 1 ours is ahead, **below 1** the peer is. What each side does is said below."""


def cells(rows: Sequence[Row]) -> str:
    """Return the one table."""
    head = ("work", "on", "ours", "ours / floor", "peers / ours")
    lines = [(row.kind, row.work, _ours(row), _floor(row), _peers(row)) for row in rows]
    return table(head, lines)


def _ours(row: Row) -> str:
    return f"> {row.over} s" if row.over else f"{ms(row.median)} ({ms(row.least)})"


def _floor(row: Row) -> str:
    return ("> " if row.over and row.floor else "") + number(row.floor)


def _peers(row: Row) -> str:
    return ", ".join(f"{p.name} {f'**{p.text}**' if p.is_ahead else p.text}" for p in row.peers) or "-"


def summary_parts(run: Run) -> list[str]:
    """Return the one table and what belongs to it."""
    rows = rows_of(run)
    floors = [f"- *{kind}*: {floor}." for kind, floor in FLOORS.items() if any(row.kind == kind for row in rows)]
    return [
        "## One table",
        ONE_TABLE,
        cells(rows),
        "The floors:\n\n" + "\n".join(floors),
        "### Where a peer is ahead",
        "\n".join(ahead_lines(rows)) or "Nowhere.",
    ]


def ahead_lines(rows: Sequence[Row]) -> list[str]:
    """Return a line for each peer that is ahead somewhere: where, by how much, and why."""
    places: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for peer in row.peers:
            if peer.is_ahead:
                places.setdefault((row.kind, peer.name), []).append(f"{row.work} ({peer.text})")
    alike: dict[tuple[str, str], list[str]] = {}
    for (kind, name), where in places.items():
        alike.setdefault((kind, reason_of(kind, name)), []).append(f"{name} on {', '.join(where)}")
    return [f"- *{kind}*: {'; '.join(peers)}: {reason}." for (kind, reason), peers in alike.items()]


def numbers_of_readme(run: Run, goals: Sequence[Goal], machine: str) -> str:
    """Return what stands between the markers of the README."""
    rows = [row for row in rows_of(run) if row.is_chosen]
    judged = [goal for goal in goals if goal.is_met is not None]
    missed = [f"{goal.text} ({goal.value})" for goal in judged if not goal.is_met]
    parts = [
        machine + " " + ONE_TABLE.partition(" What each")[0],
        cells(rows),
        "Where a peer is ahead, in this table:\n\n" + ("\n".join(ahead_lines(rows)) or "Nowhere."),
        *_growth(run),
        f"Of {len(judged)} goals that were judged {len(judged) - len(missed)} are met"
        + (f"; missed: {'; '.join(missed)}." if missed else "."),
    ]
    return "\n\n".join(parts)


def _growth(run: Run) -> list[str]:
    """Return sentences about growth and memory, each where it was measured."""
    sentences = []
    sizes = run.values("side", table="scaling")
    facts = {"table": "scaling", "piece": "everything"}
    powers = [
        exponent(sizes, [run.seconds(side=size, shape=shape, **facts) for size in sizes])
        for shape in run.values("shape", table="scaling")
    ]
    known = [power for power in powers if power is not None]
    if known:
        text = f"Extraction takes time that grows with the nodes kept to the power {number(max(known))},"
        sentences.append(f"{text} up to {max(sizes):,} nodes.")
    changes = [test["after"] - test["before"] for test in run.of(table="growth")]
    if changes:
        sentences.append(f"A thousand extractions leave {max(changes):+.1f} MB of memory behind.")
    copied = [test["copied"] for test in run.of(table="sharing", side="gluon_subgraph")]
    if copied:
        sentences.append(f"A piece copies {max(copied):.1f} MB of parameters.")
    return [" ".join(sentences)] if sentences else []
