"""The rows of the one table: each kind of work, our time, the floor under it, and each peer as a ratio."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from results import Run, number

# Peers and the packages they need; without one of these the peer is left out.
PACKAGE = {
    "ONNX": "onnx",
    "ONNX GraphSurgeon": "onnx-graphsurgeon",
    "safetensors": "safetensors",
    "torch_liberator, isomorphism": "torch_liberator",
    "torch_liberator, embedding": "torch_liberator",
    "networkx": "networkx",
    "rustworkx": "rustworkx",
    "igraph, VF2": "igraph",
    "igraph, LAD": "igraph",
    "its Cython": "networkx_algo_common_subtree",
    "its Python": "networkx_algo_common_subtree",
}
SHOWN_SIZE = 300  # of the trees in this table


class Peer(NamedTuple):
    """How many times as long as ours it takes; no ratio where it did not end, found nothing or was not there."""

    name: str
    ratio: float | None
    text: str

    @property
    def is_ahead(self) -> bool:
        return self.ratio is not None and self.ratio < 0.995  # which is written as less than 1


class Row(NamedTuple):
    """A piece of work; times are seconds, `floor` how many times the floor ours takes."""

    kind: str
    work: str
    median: float
    least: float
    floor: float | None
    peers: tuple[Peer, ...]
    is_chosen: bool = False  # for the README
    over: int | None = None  # the limit that ours ran into: all else is a bound


def rows_of(run: Run) -> list[Row]:
    """Return the rows of all that was measured."""
    kinds = (_listing, _extraction, _whole_call, _loading, _structure, _isomorphism, _names, _trees, _training)
    return [row for kind in kinds for row in kind(run) if row is not None]


def _row(
    run: Run,
    kind: str,
    work: str,
    sides: Mapping[str, Mapping[str, Any]],
    peers: tuple[str, ...],
    *,
    is_chosen: bool = False,
) -> Row | None:
    """Return a row from {"ours", "floor" or a peer: what its test states}; None where ours was not measured."""
    over = run.fact("over", **sides["ours"]) if "ours" in sides else None
    median, least = (over, over) if over else _times_of_ours(run, sides)
    if not median or not least:
        return None
    ratio = _ratio(run, sides["floor"], median) if "floor" in sides else None
    compared = tuple(_peer(run, name, sides.get(name), median, is_bound=bool(over)) for name in peers)
    return Row(kind, work, median, least, 1 / ratio if ratio else None, compared, is_chosen, over)


def _times_of_ours(run: Run, sides: Mapping[str, Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """Return median and minimum, of our own test or of the rounds beside another side."""
    times = []
    for which, key in (("median", "ours_median"), ("min", "ours")):
        own = run.seconds(which, **sides["ours"]) if "ours" in sides else None
        noted = (run.fact(key, **facts) for name, facts in sides.items() if name != "ours")
        times.append(own or next((value for value in noted if value), None))
    return times[0], times[1]


def _ratio(run: Run, facts: Mapping[str, Any], ours: float) -> float | None:
    """Return the median over rounds taken side by side, or the ratio of the medians."""
    found = run.fact("median_ratio", **facts)
    median = run.seconds("median", **facts)
    return found or (median / ours if median else None)


def _peer(run: Run, name: str, facts: Mapping[str, Any] | None, ours: float, *, is_bound: bool = False) -> Peer:
    tests = run.of(**facts) if facts else []
    if not tests:
        is_missing = name in PACKAGE and PACKAGE[name] not in run.machine.get("packages", {})
        return Peer(name, None, "not installed" if is_missing else "not measured")
    if "over" in tests[0]:
        return Peer(name, None, f"> {tests[0]['over']} s")
    if tests[0].get("found") is False:
        return Peer(name, None, "finds nothing")
    ratio = _ratio(run, facts or {}, ours)
    return Peer(name, ratio, f"< {number(ratio)}" if is_bound else number(ratio))


def _sides(names: Mapping[str, str], **facts: Any) -> dict[str, dict[str, Any]]:
    """Return {name: what its test states} from {name: its side}."""
    return {name: {**facts, "side": side} for name, side in names.items()}


def _listing(run: Run) -> list[Row | None]:
    names = {"ours": "ours", "floor": "floor", "stock MXNet": "stock MXNet", "ONNX": "ONNX, from file"}
    return [
        _row(
            run,
            "list nodes",
            network,
            _sides(names, table="listing", network=network),
            ("stock MXNet", "ONNX"),
            is_chosen=network == "resnet152_v2",
        )
        for network in run.values("network", table="listing")
    ]


CUTS = ("inner", "front")
SIZES = {"resnet18_v2": "small", "densenet201": "large", "resnet152_v2": "deep"}
CUTTERS = {"rebuild": "rebuild", "stock MXNet": "plain", "ONNX": "onnx", "ONNX GraphSurgeon": "graphsurgeon"}


def _extraction(run: Run) -> list[Row | None]:
    names = {"ours": "gluon_subgraph", "floor": "least", **CUTTERS}
    return [
        _row(
            run,
            "extract",
            f"{network} ({size}), {cut}",
            _sides(names, table="speed", network=network, cut=cut),
            tuple(CUTTERS),
            is_chosen=cut == "inner",
        )
        for network, size in SIZES.items()
        for cut in CUTS
    ]


def _whole_call(run: Run) -> list[Row | None]:
    rows = []
    for network in SIZES:
        for cut in CUTS:
            facts = {"table": "whole call", "network": network, "cut": cut}
            work, sides = f"{network}, {cut}", {"stock MXNet": facts}
            is_chosen = (network, cut) == ("resnet152_v2", "inner")
            rows.append(_row(run, "extract, trace included", work, sides, tuple(sides), is_chosen=is_chosen))
    return rows


def _loading(run: Run) -> list[Row | None]:
    rows = []
    for what in run.values("what", table="loading"):
        peer = "safetensors" if "safetensors" in what else "stock MXNet"
        names = {name: name for name in ("ours", "floor", peer)}
        size = run.fact("megabytes", table="loading", what=what)
        sides = _sides(names, table="loading", what=what)
        rows.append(_row(run, "load", f"{what} of {size:.0f} MB", sides, (peer,), is_chosen=True))
    return rows


def _structure(run: Run) -> list[Row | None]:
    names = {"ours": "from text", "floor": "text alone"}
    return [
        _row(
            run,
            "bind by structure",
            f"{network}, {copy}",
            _sides(names, table="matching", network=network, copy=copy),
            (),
            is_chosen=(network, copy) in {("resnet50_v1", "opaque"), ("densenet201", "changed")},
        )
        for network in run.values("network", table="matching")
        for copy in ("opaque", "changed")
    ]


FINDERS = ("networkx", "rustworkx", "igraph, VF2", "igraph, LAD")


def _isomorphism(run: Run) -> list[Row | None]:
    names = {name: name for name in ("ours", "floor", *FINDERS)}
    return [
        _row(
            run,
            "bind by structure, graphs in hand",
            f"{network}, {kind}",
            _sides(names, table="isomorphism", network=network, kind=kind),
            FINDERS,
            is_chosen=network == "resnet50_v1" and kind != "whole",
        )
        for network in run.values("network", table="isomorphism")
        for kind in ("whole", "slice", "changed")
    ]


def _names(run: Run) -> list[Row | None]:
    rows = []
    for network in run.values("network", table="names"):
        sides = {
            "ours": {"table": "names", "network": network, "side": "a network"},
            "floor": {"table": "names floor", "network": network},
            **{
                f"torch_liberator, {strategy}": {"table": "names rival", "network": network, "side": strategy}
                for strategy in ("isomorphism", "embedding")
            },
        }
        peers = tuple(name for name in sides if name.startswith("torch"))
        rows.append(_row(run, "bind by names", network, sides, peers, is_chosen=network == "resnet152_v1"))
    return rows


def _trees(run: Run) -> list[Row | None]:
    """Return a row for each function and shape, and one for each other size at which a peer is ahead."""
    found = run.of(table="tree shapes", side="ours")
    rows = []
    for test in found:
        row = _row_of_trees(run, test["function"], test["given"], test["size"])
        if test["size"] == SHOWN_SIZE or (row is not None and any(peer.is_ahead for peer in row.peers)):
            rows.append(row)
    return rows


def _row_of_trees(run: Run, function: str, shape: str, size: int) -> Row | None:
    facts = {"table": "tree shapes", "given": shape, "size": size}
    names = ("its Cython", "its Python") if function.startswith("ordered") else ()
    sides = _sides({name: name for name in ("ours", *names)}, function=function, **facts)
    sides["floor"] = {**facts, "side": "floor"}
    is_chosen = (shape == "random" and bool(names)) or size != SHOWN_SIZE
    return _row(run, "trees", f"{function}, {shape} of {size:,}", sides, names, is_chosen=is_chosen)


def _training(run: Run) -> list[Row | None]:
    rows = []
    for network in run.values("network", table="freezing"):
        names = {"floor": "floor", "full step": "full", "stock MXNet": "stock MXNet"}
        sides = _sides(names, table="freezing", network=network)
        peers = ("full step", "stock MXNet")
        rows.append(_row(run, "step, trunk frozen", network, sides, peers, is_chosen=network == "resnet18_v1"))
    for test in run.of(table="towers"):
        facts = {key: test[key] for key in ("table", "network", "mode", "images")}
        work = f"{test['network']}, {test['mode']}, {test['shape']}"
        rows.append(_row(run, "towers", work, {"joined batches": facts}, ("joined batches",)))
    for network in run.values("network", table="tie towers"):
        facts = {"table": "tie towers", "network": network}
        rows.append(_row(run, "tie towers", network, {"stock MXNet": facts}, ("stock MXNet",)))
    return rows
