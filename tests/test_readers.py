"""Checkpoint files as they are found: odd ones work, damaged ones are refused before MXNet can crash."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import json
from pathlib import Path
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
from snapshots import run_alone, unchanged

from gluon_subgraph.errors import BindingError, OpenCutError, SubgraphError
from gluon_subgraph.lazy_values import LazyValues
from gluon_subgraph.readers import load_checkpoint_files


def network() -> mx.sym.Symbol:
    """Return data -> A -> B (batch normalisation) -> C -> D (a split) -> E."""
    x = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="A")
    x = mx.sym.BatchNorm(x, fix_gamma=False, name="B")
    x = mx.sym.FullyConnected(x, num_hidden=6, name="C")
    one, two = mx.sym.SliceChannel(x, num_outputs=2, name="D")
    return mx.sym.elemwise_add(one, two, name="E")


def values() -> dict[str, Any]:
    symbol = network()
    random = np.random.RandomState(0)
    shapes, _, auxiliary = symbol.infer_shape(data=(2, 3))
    found = {f"arg:{n}": s for n, s in zip(symbol.list_arguments(), shapes) if n != "data"}
    found.update({f"aux:{n}": s for n, s in zip(symbol.list_auxiliary_states(), auxiliary)})
    return {n: mx.nd.array(random.uniform(0.5, 1, s)) for n, s in found.items()}


def write(folder: Path, text: str | None = None, arrays: Any = None) -> tuple[str, str]:
    """Write a pair of files, from the network above where not given otherwise."""
    symbol_file, params_file = folder / "net-symbol.json", folder / "net-0000.params"
    symbol_file.write_text(network().tojson() if text is None else text, encoding="utf-8")
    mx.nd.save(str(params_file), values() if arrays is None else arrays)
    return str(symbol_file), str(params_file)


def result_of(pair: Any) -> np.ndarray:
    return gs.extract(pair, "A", "E")(mx.nd.arange(8).reshape((2, 4))).asnumpy()


@pytest.fixture
def expected(tmp_path: Path) -> np.ndarray:
    folder = tmp_path / "expected"
    folder.mkdir()
    return result_of(write(folder))


def without_prefixes(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name[4:]: array for name, array in arrays.items()}


def with_unused(arrays: dict[str, Any]) -> dict[str, Any]:
    return {**arrays, "arg:unused_weight": mx.nd.ones(3), "other": mx.nd.ones(1), "aux:gone": mx.nd.ones(2)}


def without_first_layer(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array for name, array in arrays.items() if ":A_" not in name}


def all_as_arg(arrays: dict[str, Any]) -> dict[str, Any]:
    return {"arg:" + name[4:]: array for name, array in arrays.items()}


@pytest.mark.parametrize("change", [without_prefixes, with_unused, without_first_layer, all_as_arg])
def test_extract_odd_parameter_file_gives_the_same_piece(
    tmp_path: Path, expected: np.ndarray, change: Callable[..., Any]
) -> None:
    pair = write(tmp_path, arrays=change(values()))
    with unchanged(*pair):
        assert np.array_equal(result_of(pair), expected)
        assert np.array_equal(result_of(tuple(map(Path, pair))), expected)
        assert np.array_equal(result_of(list(pair)), expected)


def test_extract_pair_piece_has_auxiliary_states_that_never_train(tmp_path: Path) -> None:
    piece = gs.extract(write(tmp_path), "A", "E")
    assert {n: p.grad_req for n, p in piece.collect_params().items()} == {
        "B_gamma": "write",
        "B_beta": "write",
        "B_moving_mean": "null",
        "B_moving_var": "null",
        "C_weight": "write",
        "C_bias": "write",
    }


def test_extract_missing_parameter_is_named(tmp_path: Path) -> None:
    arrays = values()
    del arrays["arg:C_weight"]
    pair = write(tmp_path, arrays=arrays)
    with unchanged(*pair), pytest.raises(
        OpenCutError, match="'C_weight' is read as a parameter but has no value among"
    ):
        gs.extract(pair, "A", "E")


def test_extract_reads_the_arrays_of_the_piece_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = write(tmp_path)
    read = []
    monkeypatch.setattr(LazyValues, "__getitem__", lambda self, name: (read.append(name), self._read(name))[1])
    nodes = gs.list_nodes(pair, shapes={"data": (2, 3)})
    assert (read, nodes[-1].shape) == ([], (2, 3))
    gs.extract(pair, "B", "C_output")
    assert read == ["arg:C_weight", "arg:C_bias"]


def test_extract_triple_of_files_loaded_by_mxnet_equals_the_pair(tmp_path: Path, expected: np.ndarray) -> None:
    write(tmp_path)
    triple = mx.model.load_checkpoint(str(tmp_path / "net"), 0)
    with unchanged(triple):
        assert np.array_equal(result_of(triple), expected)
    numpy_values = {name[4:]: array.asnumpy() for name, array in values().items()}
    assert np.array_equal(result_of((network(), numpy_values, {})), expected)


def test_extract_value_that_is_no_array_is_refused() -> None:
    arrays: dict[str, Any] = {**without_prefixes(values()), "C_weight": "text"}
    with pytest.raises(BindingError, match="value of 'C_weight' is a str of dtype"):
        result_of((network(), arrays, {}))
    with pytest.raises(SubgraphError, match="parameters are a list, no mapping"):
        result_of((network(), [], {}))


def test_load_files_swapped_missing_or_without_names_are_refused(tmp_path: Path) -> None:
    symbol_file, params_file = write(tmp_path)
    nameless = str(tmp_path / "nameless.params")
    mx.nd.save(nameless, [mx.nd.ones(2)])
    empty = str(tmp_path / "empty")
    Path(empty).touch()
    cases = [
        ((params_file, symbol_file), "is not an MXNet symbol file"),
        ((symbol_file, symbol_file), "is not an MXNet parameter file"),
        ((symbol_file, nameless), "holds 1 arrays without names"),
        ((symbol_file, str(tmp_path / "none")), "no file .*none"),
        ((str(tmp_path / "none"), params_file), "no file .*none"),
        ((str(tmp_path), params_file), "no file"),
        ((empty, params_file), "It is not JSON"),
        ((symbol_file, empty), "is not an MXNet parameter file"),
    ]
    for pair, text in cases:
        with unchanged(symbol_file, params_file), pytest.raises(SubgraphError, match=text):
            load_checkpoint_files(*pair)


def test_load_truncated_parameter_file_is_refused(tmp_path: Path) -> None:
    symbol_file, params_file = write(tmp_path)
    content = Path(params_file).read_bytes()
    for length in (10, len(content) // 2, len(content) - 3):
        Path(params_file).write_bytes(content[:length])
        with pytest.raises(SubgraphError, match="is not an MXNet parameter file"):
            load_checkpoint_files(symbol_file, params_file)


LEGACY = {  # as MXNet 0.8 wrote it: 'param' and 'attr', inputs of two numbers, no auxiliary nodes
    "nodes": [
        {"op": "null", "param": {}, "name": "data", "inputs": [], "backward_source_id": -1},
        {
            "op": "null",
            "param": {},
            "name": "fc_weight",
            "inputs": [],
            "backward_source_id": -1,
            "attr": {"lr_mult": "2"},
        },
        {"op": "null", "param": {}, "name": "fc_bias", "inputs": [], "backward_source_id": -1},
        {
            "op": "FullyConnected",
            "param": {"no_bias": "False", "num_hidden": "4"},
            "name": "fc",
            "inputs": [[0, 0], [1, 0], [2, 0]],
            "backward_source_id": -1,
        },
        {"op": "null", "param": {}, "name": "bn_gamma", "inputs": [], "backward_source_id": -1},
        {"op": "null", "param": {}, "name": "bn_beta", "inputs": [], "backward_source_id": -1},
        {
            "op": "BatchNorm",
            "param": {"eps": "0.001", "fix_gamma": "False", "momentum": "0.9"},
            "name": "bn",
            "inputs": [[3, 0], [4, 0], [5, 0]],
            "backward_source_id": -1,
        },
        {
            "op": "Activation",
            "param": {"act_type": "relu"},
            "name": "relu",
            "inputs": [[6, 0]],
            "backward_source_id": -1,
        },
    ],
    "arg_nodes": [0, 1, 2, 4, 5],
    "heads": [[7, 0]],
}


def test_extract_legacy_file_gets_its_auxiliary_states(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    shapes = {
        "fc_weight": (4, 3),
        **dict.fromkeys(["fc_bias", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var"], 4),
    }
    arrays = {name: mx.nd.array(random.uniform(0.5, 1, shape)) for name, shape in shapes.items()}
    pair = write(tmp_path, json.dumps(LEGACY), arrays)
    whole = mx.gluon.SymbolBlock.imports(pair[0], ["data"], pair[1])
    x = mx.nd.array(random.randn(2, 3))
    front, rest = gs.extract(pair, "data", "fc"), gs.extract(pair, "fc", "relu")
    assert np.array_equal(rest(front(x)).asnumpy(), whole(x).asnumpy())
    assert sorted(rest.collect_params()) == ["bn_beta", "bn_gamma", "bn_moving_mean", "bn_moving_var"]
    assert front.collect_params()["fc_weight"].lr_mult == 2


def test_extract_non_ascii_escapes_and_a_key_given_twice_are_read_as_python_reads_them(tmp_path: Path) -> None:
    data = json.loads(network().tojson().replace('"D"', '"größe"'))
    split = next(i for i, node in enumerate(data["nodes"]) if node["name"] == "größe")
    text = json.dumps(data)
    assert "\\u00f6" in text
    pair = write(tmp_path, text[:-1] + f', "heads": [[0, 0, 0]], "heads": [[{split}, 0, 0]]}}')
    assert gs.list_nodes(pair)[-1].name == "größe"


def test_load_damaged_symbol_files_are_refused_and_crash_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    printed = run_alone(
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\nimport damaged_files\ndamaged_files.main()", str(tmp_path)
    )
    lines = printed.splitlines()
    assert lines[-1] == "end"
    not_refused = [line for line in lines[:-1] if not line.startswith("refused: ")]
    assert (not_refused, len(lines) > 60) == ([], True)
