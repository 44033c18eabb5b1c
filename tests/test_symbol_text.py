"""Both readers of Symbol JSON: what MXNet writes, every other spelling of it, and texts that are damaged."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_graphs import random_network

from gluon_subgraph import _symbol_text_py
from gluon_subgraph._symbol_text_py import SymbolText
from gluon_subgraph.codec import json_of_symbol

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)
SMALL: dict[str, Any] = {
    "nodes": [
        {"op": "null", "name": "data", "inputs": []},
        {"op": "null", "name": "w", "attrs": {"__shape__": "(2, 2)"}, "inputs": []},
        {"op": "FullyConnected", "name": "fc", "attrs": {"num_hidden": "2"}, "inputs": [[0, 0, 0], [1, 0, 0]]},
        {"op": "split", "name": "s", "attrs": {"num_hidden": "2"}, "inputs": [[2, 0, 0]]},
        {"op": "_plus", "name": "sum", "inputs": [[3, 0, 0], [3, 1, 0]]},
    ],
    "arg_nodes": [0, 1],
    "node_row_ptr": [0, 1, 2, 3, 5, 6],
    "heads": [[4, 0, 0]],
    "attrs": {"mxnet_version": ["int", 10901]},
}
BODY = {"nodes": [{"op": "null", "name": "inside", "inputs": []}], "heads": [[0, 0, 0]]}


def _compiled() -> Any:
    return pytest.importorskip("gluon_subgraph._symbol_text", reason="the extension is not built: make build")


@pytest.fixture(params=["python", "cython"])
def read(request: pytest.FixtureRequest) -> Callable[[str], SymbolText]:
    """Return either twin."""
    twin = _symbol_text_py if request.param == "python" else _compiled()
    reading: Callable[[str], SymbolText] = twin.read_symbol_text
    return reading


def _outcome(reading: Callable[[str], SymbolText], text: str) -> Any:
    try:
        return reading(text)
    except Exception as error:  # noqa: BLE001 - whatever it is, both have to say the same
        return type(error), str(error)


def _assert_twins_agree(text: str) -> None:
    assert _outcome(_compiled().read_symbol_text, text) == _outcome(_symbol_text_py.read_symbol_text, text)


def _with(member: str, value: Any, node: int = 2) -> dict[str, Any]:
    """Return the small symbol with another member of a node."""
    nodes = [dict(each) for each in SMALL["nodes"]]
    nodes[node][member] = value
    return {**SMALL, "nodes": nodes}


def _is_columns_of(read: SymbolText, data: Any) -> bool:
    nodes = data["nodes"]
    entries = list(zip(read.sources, read.numbers))
    inputs = [entries[begin:end] for begin, end in zip(read.begins, read.begins[1:])]
    return (
        read.ops == [node["op"] for node in nodes]
        and read.names == [node["name"] for node in nodes]
        and read.attrs == [node.get("attrs", {}) for node in nodes]
        and inputs == [[tuple(entry[:2]) for entry in node["inputs"]] for node in nodes]
        and read.bodies == {i: tuple(node["subgraphs"]) for i, node in enumerate(nodes) if "subgraphs" in node}
        and read.rest == {key: value for key, value in data.items() if key != "nodes"}
    )


@FEW
@given(seed=SEEDS, repeat_names=st.booleans())
def test_read_symbol_text_random_symbol_is_its_json(seed: int, repeat_names: bool) -> None:
    text = json_of_symbol(random_network(seed, repeat_names=repeat_names).symbol)
    for twin in (_symbol_text_py, _compiled()):
        assert _is_columns_of(twin.read_symbol_text(text), json.loads(text))


@pytest.mark.parametrize(
    "spelling", [{}, {"indent": 1}, {"indent": "\t"}, {"separators": (",", ":")}, {"sort_keys": True}]
)
@pytest.mark.parametrize("ensure_ascii", [False, True])
@pytest.mark.parametrize("name", ["w", "größe", "层", "😀", 'a"b', "a\\", "\\u0041", "", "[{", "]}"])
def test_read_symbol_text_any_spelling(read: Any, spelling: dict[str, Any], ensure_ascii: bool, name: str) -> None:
    for data in (_with("name", name, 1), _with("op", name), _with("attrs", {name: name, "}": "{"})):
        assert _is_columns_of(read(json.dumps(data, ensure_ascii=ensure_ascii, **spelling)), data)


@pytest.mark.parametrize(
    "data",
    [
        SMALL,
        _with("subgraphs", [BODY, BODY], 4),
        _with("inputs", [[0, 0], [1, 0]]),
        _with("attrs", {}),
        _with("attrs", {"number": 1, "none": None, "list": [1, {"a": "b"}]}),
        _with("control_deps", [1]),
        {**SMALL, "nodes": []},
        {"heads": [], **SMALL},
        {"nodes": SMALL["nodes"]},
        {"nodes": SMALL["nodes"], "heads": [{"nodes": [1]}]},
    ],
)
def test_read_symbol_text_every_form_of_symbol(read: Any, data: dict[str, Any]) -> None:
    assert _is_columns_of(read(json.dumps(data)), data)


def test_read_symbol_text_control_characters_are_taken_as_they_are(read: Any) -> None:
    name = "".join(map(chr, (1, 2, 9, 10, 31, 127)))
    text = json.dumps(SMALL).replace('"w"', f'"{name}"').replace('"(2, 2)"', f'"{name}"')
    assert read(text).names[1] == name
    assert read(text).attrs[1] == {"__shape__": name}


def test_read_symbol_text_equal_attributes_are_one_object() -> None:
    attrs = _compiled().read_symbol_text(json.dumps(SMALL)).attrs
    assert attrs[2] is attrs[3]
    assert attrs[0] is attrs[4]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"nodes": []', '{"nodes": {}}', "null", "\ud800", "{\0"])
def test_read_symbol_text_what_is_no_symbol_is_refused_alike(text: str) -> None:
    assert isinstance(_outcome(_symbol_text_py.read_symbol_text, text), tuple)
    _assert_twins_agree(text)


def test_read_symbol_text_what_is_no_json_is_refused(read: Any) -> None:
    with pytest.raises(json.JSONDecodeError, match="Expecting ',' delimiter: line 1 column"):
        read(json.dumps(SMALL).replace('"op": "split",', '"op": "split"'))


EDITS = st.tuples(
    st.integers(0, 10_000), st.integers(0, 3), st.sampled_from([*' \n{}[],:"\\0123-.eE', "\0", "é", "NaN", '"op":'])
)


@settings(max_examples=250, deadline=None)
@given(st.lists(EDITS, min_size=1, max_size=3), st.sampled_from([None, 2]))
@example([(16, 1, " ")], None)
def test_read_symbol_text_damaged_text_means_the_same_to_both(edits: Any, indent: int | None) -> None:
    text = json.dumps(SMALL, indent=indent)
    for place, cut, put in edits:
        at = place % len(text)
        text = text[:at] + put + text[at + cut :]
    _assert_twins_agree(text)


@pytest.mark.parametrize(
    "entry", [[5, 0, 0], [2, 0, 0], [-1, 0, 0], [0, 10**9, 0], [0, 10**12, 0], [0], [0, 0, 0, 0], []]
)
def test_read_symbol_text_damaged_input_means_the_same_to_both(entry: list[int]) -> None:
    _assert_twins_agree(json.dumps(_with("inputs", [[0, 0, 0], entry])))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"heads"', '"nodes": [], "heads"'),
        ('"name": "w"', '"name": "w", "name": "v"'),
        ('"inputs": [[2, 0, 0]]', '"inputs": [[2, 0, 0]], "inputs": [[1, 0, 0]]'),
        ("[2, 0, 0]", "[2, 00, 0]"),
        ("[2, 0, 0]", "[2, 0, 0],"),
        ('"arg_nodes"', ', "arg_nodes"'),
        ('"__shape__": ', '"__shape__": 1, "__shape__": '),
        ('"__shape__": ', '"__shape__" '),
        ('"__shape__": "(2, 2)"', '"__shape__": "\\u0028"'),
        ('"__shape__": "(2, 2)"', '"__shape__": "\\x"'),
    ],
)
def test_read_symbol_text_odd_members_mean_the_same_to_both(old: str, new: str) -> None:
    text = json.dumps(SMALL)
    assert old in text
    _assert_twins_agree(text.replace(old, new))


def test_read_symbol_text_ten_thousand_nodes(read: Any) -> None:
    nodes = [{"op": "relu", "name": f"r{i}", "attrs": {"k": str(i)}, "inputs": [[i, 0, 0]]} for i in range(10_000)]
    data = {**SMALL, "nodes": [SMALL["nodes"][0], *nodes]}
    assert _is_columns_of(read(json.dumps(data)), data)


def test_twins_have_the_same_names() -> None:
    assert _compiled().__all__ == _symbol_text_py.__all__
