"""to_onnx of Gluon's recurrent layers, called as they usually are: without states."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn, rnn
from onnx_models import exported, interface_of, onnxruntime, results_of

KINDS = {"lstm": rnn.LSTM, "gru": rnn.GRU, "tanh": rnn.RNN, "relu": lambda *a, **k: rnn.RNN(*a, activation="relu", **k)}


def _initialized(net: Any) -> Any:
    mx.random.seed(2)
    net.initialize(mx.init.Normal(0.5))
    return net


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("layers", "layout"),
    [(1, "NTC"), (2, "TNC"), *(pytest.param(3, x, marks=pytest.mark.slow) for x in ("TNC", "NTC"))],
)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_export_of_layers_without_states(
    kind: str, layers: int, bidirectional: bool, layout: str, tmp_path: Path
) -> None:
    net = _initialized(KINDS[kind](3, layers, layout=layout, bidirectional=bidirectional, input_size=4))
    batch = layers % 2 + 1  # of several, a size that is left open would show
    shape = (5, batch, 4) if layout == "TNC" else (batch, 5, 4)
    file, error = exported(net, tmp_path, shape)
    inputs, _, _ = interface_of(file.path)
    assert inputs == [("data", shape)]
    assert error < 1e-5


@pytest.mark.parametrize("mode", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_export_of_layers_returns_every_state(mode: str, bidirectional: bool, tmp_path: Path) -> None:
    names = ["x", "w", "h", *["c"] * (mode == "lstm")]
    symbol = mx.sym.RNN(
        *map(mx.sym.var, names),
        mode=mode,
        state_size=3,
        num_layers=2,
        bidirectional=bidirectional,
        state_outputs=True,
        name="r",
    )
    directions = 2 if bidirectional else 1
    shapes = {"x": (5, 2, 4), **dict.fromkeys(names[2:], (2 * directions, 2, 3))}
    size = symbol.infer_shape(**shapes)[0][1]
    parameters = {"w": mx.nd.array(np.random.RandomState(1).standard_normal(size) / 2)}
    file = gs.to_onnx((symbol, parameters, {}), tmp_path / "m.onnx", shapes)
    random = np.random.RandomState(4)
    arrays = [mx.nd.array(random.standard_normal(shape)) for shape in shapes.values()]
    expected = gs.extract((symbol, parameters, {}), list(shapes), symbol.list_outputs())(*arrays)
    found = results_of(file.path, arrays)
    assert [f.shape for f in found] == [e.shape for e in expected]
    assert max(np.abs(f - e.asnumpy()).max() for f, e in zip(found, expected)) < 1e-5


def test_export_of_words_through_a_recurrent_layer(tmp_path: Path) -> None:
    net = nn.HybridSequential()
    net.add(nn.Embedding(7, 4), rnn.LSTM(3, 2, layout="NTC", input_size=4), nn.Dense(2, in_units=15))
    words = mx.nd.array([[1, 2, 3, 4, 5], [0, 6, 1, 1, 2]])
    file = gs.to_onnx(_initialized(net), tmp_path / "m.onnx", words.shape)
    session = onnxruntime.InferenceSession(file.path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"data": words.asnumpy()})
    assert np.abs(found - net(words).asnumpy()).max() < 1e-6


def test_export_asks_for_the_inputs_alone(tmp_path: Path) -> None:
    net = _initialized(rnn.LSTM(3, input_size=4))
    with pytest.raises(gs.UnknownNodeError, match="Its inputs are 'data'."):
        gs.to_onnx(net, tmp_path / "m.onnx", {"dat": (5, 2, 4)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection_size": 2}, r"not translate '.*rnn0' \(RNN\).*\n.*projection_size"),
        (
            {"state_clip_min": -1, "state_clip_max": 1},
            r"clip their states \(lstm_state_clip_min\), which mx.onnx overlooks.\n  '.*rnn0' \(RNN\)",
        ),
    ],
)
def test_export_of_what_mx_onnx_does_not_know_is_refused(options: Any, message: str, tmp_path: Path) -> None:
    net = _initialized(rnn.LSTM(3, input_size=4, **options))
    with pytest.raises(gs.SubgraphError, match=message):
        gs.to_onnx(net, tmp_path / "m.onnx", (5, 2, 4))
    assert list(tmp_path.iterdir()) == []
