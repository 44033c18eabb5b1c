"""Symbol files damaged in every way that is known to crash MXNet; run in a process of its own by test_readers."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import copy
import json
import sys
from pathlib import Path
from typing import Any, Iterator

import mxnet as mx

BAD_ENTRIES = [
    [99, 0, 0],
    [-1, 0, 0],
    [0, 1, 0],
    [0, -1, 0],
    [0, 2**31, 0],
    [2**63, 0, 0],
    [0],
    [],
    [0, 0, 0, 0],
    "0",
    0,
]
BAD_ENTRIES += [[0.0, 0, 0], [True, 0, 0], [None, 0, 0], ["0", 0, 0], None, {}]
# Operator, number of inputs, and an attribute at which MXNet ends the process.
BAD_ATTRIBUTES = [
    ("Convolution", 3, {"kernel": "(3, 3)", "num_filter": "4", "num_group": "0"}),
    ("Convolution", 3, {"kernel": "(3, 3)", "num_filter": "4", "dilate": "(2147483647, 2147483647)"}),
    ("Deconvolution", 2, {"kernel": "(3, 3)", "num_filter": "4", "num_group": "0"}),
    ("GroupNorm", 3, {"num_groups": "0"}),
    ("Correlation", 2, {"stride2": "0"}),
    ("Correlation", 2, {"pad_size": "-1"}),
    ("SliceChannel", 1, {"num_outputs": "2147483647"}),
    ("UpSampling", 2, {"scale": "2", "sample_type": "bilinear", "num_args": "2"}),
    ("_contrib_arange_like", 1, {"repeat": "0"}),
    ("_contrib_interleaved_matmul_selfatt_qk", 1, {"heads": "0"}),
]


def looped() -> dict[str, Any]:
    """Return the JSON of a network with a loop whose body splits."""

    def body(x: Any, states: Any) -> Any:
        first, second = mx.sym.SliceChannel(x, num_outputs=2, name="inner")
        return [first * mx.sym.var("w"), second], [states[0] + 1]

    outputs, states = mx.sym.contrib.foreach(body, mx.sym.var("data"), [mx.sym.var("start")])
    return json.loads(mx.sym.Group([*outputs, *states]).tojson())


def damaged_indices(whole: dict[str, Any]) -> Iterator[Any]:
    """Yield graphs with wrong node numbers and output indices, cycles among them."""
    for entry in BAD_ENTRIES:
        for i in (4, len(whole["nodes"]) - 1):
            data = copy.deepcopy(whole)
            data["nodes"][i]["inputs"] = [entry]
            yield data
        yield {**whole, "heads": [entry]}
        if entry != 0:
            yield {**whole, "arg_nodes": [entry]}
    last = len(whole["nodes"]) - 1
    for number in (last, last + 1):
        data = copy.deepcopy(whole)
        data["nodes"][-1]["inputs"][0] = [number, 0, 0]
        yield data
    yield {**whole, "heads": [[last, 1, 0]]}
    yield {**whole, "heads": []}


def damaged_structures(whole: dict[str, Any]) -> Iterator[Any]:
    """Yield graphs with parts missing or of the wrong type."""
    yield from ([], {}, None, 3, "text", {"nodes": []}, {"nodes": {}}, {**whole, "nodes": None})
    for key in ("nodes", "heads"):
        yield {k: v for k, v in whole.items() if k != key}
    changes: list[Any] = [("op", None), ("op", ""), ("name", 3), ("inputs", None), ("inputs", {})]
    changes += [("subgraphs", {}), ("subgraphs", [3]), ("subgraphs", [{}]), ("attrs", []), ("attrs", {"a": 1})]
    changes += [("control_deps", [99]), ("op", "null"), ("attrs", {"num_hidden": "many"})]
    for key, value in changes:
        data = copy.deepcopy(whole)
        data["nodes"][3][key] = value
        yield data


def damaged_loops(whole: dict[str, Any]) -> Iterator[Any]:
    """Yield loops whose body reads what is not there, or whose inputs go nowhere."""
    place = next(i for i, node in enumerate(whole["nodes"]) if node["op"] == "_foreach")
    inside = whole["nodes"][place]["subgraphs"][0]
    changes: list[tuple[str, Any]] = [("heads", [[99, 0, 0]]), ("heads", [[len(inside["nodes"]) - 1, 7, 0]])]
    changes += [("arg_nodes", [99]), ("nodes", []), ("heads", [[0, 1, 0]])]
    for key, value in changes:
        data = copy.deepcopy(whole)
        data["nodes"][place]["subgraphs"][0][key] = value
        yield data
    attributes = [("in_data_locs", text) for text in ("[-1]", "[3]", "[0, 0]", "5", "[99]")]
    attributes += [
        ("in_state_locs", "[0, 1]"),
        ("remain_locs", "[0, 0]"),
        ("num_out_data", "9"),
        ("num_out_data", "-1"),
    ]
    for key, text in attributes:
        data = copy.deepcopy(whole)
        data["nodes"][place]["attrs"][key] = text
        yield data


def damaged_attributes() -> Iterator[Any]:
    for op, count, attrs in BAD_ATTRIBUTES:
        nodes: list[Any] = [{"op": "null", "name": f"x{i}", "inputs": []} for i in range(count)]
        nodes.append({"op": op, "name": "n", "attrs": attrs, "inputs": [[i, 0, 0] for i in range(count)]})
        yield {
            "nodes": nodes,
            "arg_nodes": list(range(count)),
            "heads": [[count, 0, 0]],
            "attrs": {"mxnet_version": ["int", 10901]},
        }


def main() -> None:
    """Try every damaged file, and print a line for each."""
    folder = Path(sys.argv[1])
    symbol_file, params_file = folder / "net-symbol.json", folder / "net-0000.params"
    text = symbol_file.read_text(encoding="utf-8")
    whole, loop = json.loads(text), looped()
    damaged = [*damaged_indices(whole), *damaged_structures(whole), *damaged_loops(loop), *damaged_attributes()]
    texts = [json.dumps(data) for data in damaged]
    texts += [text[: len(text) * k // 5] for k in range(5)]
    texts += ["[" * 100_000, text + "x", text.replace('"', "'"), '{"nodes": [' + "9" * 5000 + "]}"]
    for damaged_text in texts:
        symbol_file.write_text(damaged_text, encoding="utf-8")
        try:
            print(
                "accepted:",
                gs.list_nodes((str(symbol_file), str(params_file)))[0].name,
                damaged_text[:2000],
                flush=True,
            )
        except gs.SubgraphError as error:
            print("refused:", str(error).splitlines()[1].strip(), flush=True)
    print("end")
