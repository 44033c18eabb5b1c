"""A file with an operator that this MXNet lacks still gives the pieces that do not need it."""

from __future__ import annotations

import json
from pathlib import Path

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_subgraph.missing_operators import missing_operators, without_missing


def network() -> mx.sym.Symbol:
    """Return A -> B -> (C, a skip connection) -> D -> E."""
    a = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="A")
    b = mx.sym.FullyConnected(a, num_hidden=4, name="B")
    c = mx.sym.Activation(b, act_type="tanh", name="C")
    d = mx.sym.elemwise_add(c, b, name="D")
    return mx.sym.FullyConnected(d, num_hidden=2, name="E")


def values() -> dict[str, mx.nd.NDArray]:
    shapes = dict(zip(network().list_arguments(), network().infer_shape(data=(3, 5))[0]))
    random = np.random.RandomState(3)
    return {"arg:" + name: mx.nd.array(random.normal(size=s)) for name, s in shapes.items() if name != "data"}


def write(folder: Path, operators: dict[str, str], symbol: mx.sym.Symbol | None = None) -> tuple[str, str]:
    """Write the network with other operators for the nodes named."""
    data = json.loads((network() if symbol is None else symbol).tojson())
    for node in data["nodes"]:
        node["op"] = operators.get(node["name"], node["op"])
    (folder / "net-symbol.json").write_text(json.dumps(data))
    mx.nd.save(str(folder / "net-0000.params"), values())
    return str(folder / "net-symbol.json"), str(folder / "net-0000.params")


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [("data", "A"), ("B", "E"), ("B", "D"), ("D", "E"), (["B", "C"], "D"), ("B_output", "C")],
)
def test_pieces_without_it_are_those_of_the_whole_network(tmp_path: Path, inputs: object, outputs: str) -> None:
    arrays = values()
    mx.nd.save(str(tmp_path / "w.params"), arrays)
    network().save(str(tmp_path / "w-symbol.json"))
    expected = gs.extract((str(tmp_path / "w-symbol.json"), str(tmp_path / "w.params")), inputs, outputs)
    piece = gs.extract(write(tmp_path, {"B": "OperatorOfTomorrow"}), inputs, outputs)
    assert piece.input_names == expected.input_names
    data = [mx.nd.random.normal(shape=(3, 5 if name == "data" else 4)) for name in piece.input_names]
    assert np.array_equal(piece(*data).asnumpy(), expected(*data).asnumpy())
    files = piece.save(str(tmp_path / "piece"))
    assert "OperatorOfTomorrow" not in Path(files.symbol_file).read_text()
    assert np.array_equal(gs.load(str(tmp_path / "piece"))(*data).asnumpy(), expected(*data).asnumpy())


def test_piece_that_needs_it_is_refused_by_name(tmp_path: Path) -> None:
    pair = write(tmp_path, {"B": "OperatorOfTomorrow"})
    with pytest.raises(gs.OpenCutError, match="'OperatorOfTomorrow' computes") as error:
        gs.extract(pair, "data", "E")
    assert error.value.repair == ("B_output",)
    with pytest.raises(gs.OpenCutError, match="Add 'B_output' to inputs"):
        gs.extract(pair, "A", "D")
    with pytest.raises(gs.SubgraphError, match="does not reach"):
        gs.extract(pair, "A", "D", open_cut="add")


def test_list_nodes_shows_what_is_missing(tmp_path: Path) -> None:
    nodes = gs.list_nodes(write(tmp_path, {"B": "OperatorOfTomorrow", "E": "Later"}))
    assert [(n.name, n.op) for n in nodes] == [
        ("data", "input"),
        ("A", "FullyConnected"),
        ("B_output", "OperatorOfTomorrow (missing)"),
        ("C", "Activation"),
        ("D", "elemwise_add"),
        ("E_output", "Later (missing)"),
    ]


def test_an_array_called_like_the_stand_in_does_not_take_its_place(tmp_path: Path) -> None:
    symbol_file, params_file = write(tmp_path, {"B": "OperatorOfTomorrow"})
    mx.nd.save(params_file, {**values(), "arg:B_output": mx.nd.ones((3, 4))})
    with pytest.raises(gs.OpenCutError, match="'OperatorOfTomorrow' computes"):
        gs.extract((symbol_file, params_file), "data", "E")
    assert [n.op for n in gs.list_nodes((symbol_file, params_file), match="B*")] == ["OperatorOfTomorrow (missing)"]


def test_custom_operators_that_nobody_registered_are_missing_too(tmp_path: Path) -> None:
    pair = write(tmp_path, {"B": "Custom", "D": "Custom"})
    data = json.loads(Path(pair[0]).read_text())
    for node in data["nodes"]:
        if node["op"] == "Custom":
            node["attrs"] = {"op_type": f"{node['name']} of somebody"}
    Path(pair[0]).write_text(json.dumps(data))
    assert {n.name: n.op for n in gs.list_nodes(pair) if "missing" in n.op} == {
        "B_output": "Custom B of somebody (missing)",
        "D_output": "Custom D of somebody (missing)",
    }
    assert gs.extract(pair, "D", "E")(mx.nd.ones((1, 4))).shape == (1, 2)


@pytest.mark.parametrize(
    "use",
    [
        lambda pair: gs.load(pair[0]),
        lambda pair: gs.to_onnx(pair, pair[0] + ".onnx", (3, 5)),
        lambda pair: gs.replace_head(pair, mx.gluon.nn.Dense(2)),
        lambda pair: gs.tie_towers(pair),
        lambda pair: gs.match_params(pair, pair),
        lambda pair: gs.rename(pair, "new_", out=pair[0][:-5] + "2"),
    ],
)
@pytest.mark.parametrize("node", ["B", "E"])
def test_the_whole_network_is_refused(tmp_path: Path, use: object, node: str) -> None:
    pair = write(tmp_path, {node: "OperatorOfTomorrow"})
    with pytest.raises(gs.SubgraphError, match=rf"1 operators that this MXNet lacks: '{node}.*OperatorOfTomorrow\)'"):
        use(pair)  # type: ignore[operator]


def test_an_operator_with_several_outputs_leaves_a_variable_for_each(tmp_path: Path) -> None:
    x = mx.sym.var("data")
    parts = mx.sym.split(x, num_outputs=2, name="parts")
    pair = write(tmp_path, {"parts": "Splitter"}, mx.sym.elemwise_add(parts[0], parts[1] * 2, name="sum"))
    piece = gs.extract(pair, ["parts_output0", "parts_output1"], "sum")
    assert piece(mx.nd.ones((1, 2)), mx.nd.ones((1, 2))).asnumpy().tolist() == [[3, 3]]


def test_a_body_with_a_missing_operator_is_missing_as_a_whole() -> None:
    inner = {"nodes": [{"op": "null", "name": "x", "inputs": []}, {"op": "New", "name": "n", "inputs": [[0, 0, 0]]}]}
    nodes = [
        {"op": "null", "name": "data", "inputs": []},
        {"op": "_foreach", "name": "loop", "inputs": [[0, 0, 0]], "subgraphs": [inner]},
    ]
    assert missing_operators({"nodes": nodes}, {"_foreach"}) == {1: "New"}


@given(st.data())
def test_what_is_left_keeps_its_order_and_reads_what_it_read(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 12))
    nodes = [{"op": "null", "name": "n0", "inputs": []}]
    for i in range(1, count):
        inputs = data.draw(st.lists(st.tuples(st.integers(0, i - 1), st.integers(0, 1)), min_size=1, max_size=3))
        nodes.append(
            {"op": data.draw(st.sampled_from(["f", "new"])), "name": f"n{i}", "inputs": [[*e, 0] for e in inputs]}
        )
    graph = {"nodes": nodes, "heads": [[count - 1, 0, 0]]}
    missing = missing_operators(graph, {"f"})
    left = without_missing(graph, missing)
    names = [node["name"] for node in left["nodes"]]
    assert len(set(names)) == len(names)
    assert [n for n in names if n in {node["name"] for node in nodes}] == [
        node["name"] for i, node in enumerate(nodes) if i not in missing
    ]
    by_name = {node["name"]: node for node in left["nodes"]}
    for i, node in enumerate(nodes):
        if i not in missing:
            read = [left["nodes"][j]["name"] for j, _, _ in by_name[node["name"]]["inputs"]]
            assert [name.partition("_output")[0] for name in read] == [nodes[j]["name"] for j, _, _ in node["inputs"]]
    assert all(j < i for i, node in enumerate(left["nodes"]) for j, _, _ in node["inputs"])
    assert all(0 <= head[0] < len(left["nodes"]) for head in left["heads"])
