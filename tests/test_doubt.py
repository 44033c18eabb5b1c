"""Where a value could belong to two parameters, or two values to one, nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest


def _scaled() -> gs.SubgraphBlock:
    """Return a piece with parameters `a_w` and `a_a_w`: `a_w` is also what `a_a_w` is called less the prefix."""
    data = mx.sym.var("data")
    symbol = mx.sym.broadcast_mul(
        mx.sym.broadcast_add(data, mx.sym.var("a_w"), name="A"), mx.sym.var("a_a_w"), name="B"
    )
    block = gs.SubgraphBlock(symbol, data)
    for value, parameter in enumerate(block.collect_params().values()):
        parameter.shape = (1, 2)
        parameter.initialize(mx.init.Constant(value + 1))
    return block


def _values(block: gs.SubgraphBlock) -> dict[str, list[float]]:
    return {name: p.data().asnumpy().ravel().tolist() for name, p in block.collect_params().items()}


def test_load_parameters_key_that_is_a_full_and_a_structural_name_follows_the_rest_of_the_file(tmp_path: Path) -> None:
    block, path = _scaled(), str(tmp_path / "p")
    block.save_parameters(path)
    before = _values(block)
    assert set(mx.nd.load(path)) == {"w", "a_w"}
    block.initialize(mx.init.Zero(), force_reinit=True)
    block.load_parameters(path)
    assert _values(block) == before
    mx.nd.save(path, {"a_w": mx.nd.full((1, 2), 7), "a_a_w": mx.nd.full((1, 2), 8)})
    block.load_parameters(path)
    assert _values(block) == {"a_w": [7, 7], "a_a_w": [8, 8]}


def test_load_parameters_key_of_doubtful_meaning_is_refused(tmp_path: Path) -> None:
    block, path = _scaled(), str(tmp_path / "p")
    before = _values(block)
    mx.nd.save(path, {"a_w": mx.nd.full((1, 2), 7)})
    with pytest.raises(gs.BindingError, match=r"'a_w' in .* may mean 'a_w' or 'a_a_w'"):
        block.load_parameters(path, allow_missing=True, ignore_extra=True)
    assert _values(block) == before


def test_load_parameters_one_variable_twice_in_the_file_is_refused(tmp_path: Path) -> None:
    block, path = _scaled(), str(tmp_path / "p")
    before = _values(block)
    mx.nd.save(path, {name: mx.nd.full((1, 2), 7) for name in ("a_w", "arg:a_w", "a_a_w")})
    with pytest.raises(gs.BindingError, match="holds 'a_w', 'arg:a_w', which are one variable"):
        block.load_parameters(path)
    assert _values(block) == before


@pytest.mark.parametrize("keys", [("fc_weight", "arg:fc_weight"), ("arg:fc_weight", "aux:fc_weight")])
def test_extract_two_values_for_one_variable_is_refused(keys: tuple[str, ...]) -> None:
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, no_bias=True, name="fc")
    values = {key: np.full((2, 3), i, "float32") for i, key in enumerate(keys)}
    with pytest.raises(gs.BindingError, match="there are 2 values for 'fc_weight'"):
        gs.extract((symbol, values, {}), "data", "fc")


def test_extract_different_values_in_arg_and_aux_params_is_refused() -> None:
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, no_bias=True, name="fc")
    value = np.ones((2, 3), "float32")
    with pytest.raises(gs.BindingError, match="arg_params and aux_params hold different values for 'fc_weight'"):
        gs.extract((symbol, {"fc_weight": value}, {"fc_weight": 2 * value}), "data", "fc")
    same = gs.extract((symbol, {"fc_weight": value}, {"fc_weight": value}), "data", "fc")
    assert same.collect_params()["fc_weight"].data().asnumpy().tolist() == value.tolist()
