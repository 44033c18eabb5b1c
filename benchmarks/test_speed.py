"""From a traced Symbol to a working block: ours against the other ways, on networks of the zoo."""

from __future__ import annotations

import gc
from typing import Any, Callable

import mxnet as mx
import numpy as np
import pytest
import rivals
from networks import CUTS, END, IMAGE, NETWORKS, traced, zoo_network
from timing import clock

import gluon_subgraph as gs
from gluon_subgraph import quick, tracing

pytestmark = pytest.mark.filterwarnings("ignore")

OUTPUT = END + "_output"
PLAIN = {"inner": rivals.plain_inner, "front": rivals.plain_front}
ON_ONNX = {"onnx": rivals.extract_onnx, "graphsurgeon": rivals.extract_graphsurgeon}
MANY, FEW, LEAST = 25, 7, 3  # rounds


@pytest.fixture(scope="module", params=NETWORKS)
def given(request: Any) -> Any:
    case = traced(zoo_network(request.param))
    gc.collect()
    gc.freeze()  # the collection before each round then looks only at what the rounds made
    yield request.param, case
    gc.unfreeze()


@pytest.fixture(scope="module", params=list(CUTS))
def cut(request: Any) -> str:
    return request.param


@pytest.fixture(scope="module")
def onnx_path(given: Any, tmp_path_factory: Any) -> str:
    pytest.importorskip("onnx", reason="ONNX is not installed")
    name, case = given
    path = str(tmp_path_factory.mktemp("onnx") / f"{name}.onnx")
    rivals.export_onnx(case.symbol, case.params, IMAGE, path)
    return path


@pytest.fixture(scope="module")
def values(given: Any, cut: str) -> tuple[Any, np.ndarray]:
    """Return what the piece is given in the whole network, and what it has to return."""
    _, case = given
    image = mx.nd.random.uniform(shape=IMAGE)
    features = case.net.features(image).asnumpy()
    if cut == "front":
        return image, features
    front = mx.gluon.SymbolBlock(case.symbol.get_internals()[CUTS[cut] + "_output"], [mx.sym.var("data")], case.params)
    return front(image), features


@pytest.fixture
def ours(given: Any, cut: str) -> Callable[[], float]:
    """Return what extracts once from a new Network and returns the seconds it took."""
    _, case = given

    def seconds() -> float:
        traced_network = case.new_network()
        start = clock()
        block = gs.extract(traced_network, CUTS[cut], END)
        spent = clock() - start
        del block
        return spent

    return seconds


def test_gluon_subgraph(given: Any, cut: str, values: Any, measure: Any) -> None:
    name, case = given

    def extract(traced_network: Any) -> Any:
        return gs.extract(traced_network, CUTS[cut], END)

    assert np.array_equal(extract(case.new_network())(values[0]).asnumpy(), values[1])
    measure(extract, MANY, case.new_network, table="speed", network=name, cut=cut, side="gluon_subgraph")


def test_plain(given: Any, cut: str, values: Any, ours: Any, measure: Any) -> None:
    name, case = given

    def plain() -> Any:
        return PLAIN[cut](case.symbol, case.params, CUTS[cut], END)

    assert np.array_equal(plain()(values[0]).asnumpy(), values[1])
    measure(plain, MANY, ours=ours, table="speed", network=name, cut=cut, side="plain")


def test_rebuild(given: Any, cut: str, values: Any, ours: Any, measure: Any) -> None:
    name, case = given

    def rebuild() -> Any:
        return rivals.rebuild(case.symbol, case.params, CUTS[cut], END)

    assert np.array_equal(rebuild()(values[0]).asnumpy(), values[1])
    measure(rebuild, FEW, ours=ours, table="speed", network=name, cut=cut, side="rebuild")


@pytest.mark.parametrize("side", list(ON_ONNX))
def test_onnx(given: Any, cut: str, side: str, values: Any, onnx_path: str, ours: Any, measure: Any) -> None:
    name, case = given
    if side == "graphsurgeon":
        pytest.importorskip("onnx_graphsurgeon", reason="not installed: see README.md")
    target = f"{onnx_path}.{cut}.{side}"

    def extract_onnx() -> None:
        ON_ONNX[side](onnx_path, target, CUTS[cut], END)

    extract_onnx()
    check_onnx(target, gs.extract(case.new_network(), CUTS[cut], END), CUTS[cut], values)
    measure(extract_onnx, LEAST, ours=ours, table="speed", network=name, cut=cut, side=side)


def check_onnx(path: str, piece: Any, start: str, values: Any) -> None:
    """Compare an ONNX piece with what it has to return, or its operators with ours where no runtime is installed."""
    import onnx

    made = {name for node in onnx.load(path).graph.node for name in node.output}
    assert {node.name for node in piece.graph.nodes if not node.is_variable} <= made
    assert start not in made
    try:
        import onnxruntime
    except ImportError:
        return
    result = onnxruntime.InferenceSession(path).run(None, {start: values[0].asnumpy()})[0]
    assert np.abs(result - values[1]).max() <= 1e-4 * np.abs(values[1]).max()


def test_least(given: Any, cut: str, ours: Any, measure: Any) -> None:
    """Only what MXNet itself has to do for such a piece."""
    name, case = given
    end = case.symbol.get_internals()[OUTPUT]
    text = gs.extract(case.new_network(), CUTS[cut], END).symbol.tojson(remove_amp_cast=False)

    def least() -> Any:
        if cut == "front":
            return case.symbol.get_internals().list_outputs()
        end.tojson(remove_amp_cast=False)
        return mx.sym.load_json(text)

    measure(least, MANY, ours=ours, table="speed", network=name, cut=cut, side="least")


def test_cached_op(given: Any, cut: str, measure: Any) -> None:
    """What the first call of a hybridized block adds, whoever made it."""
    name, case = given
    symbol = gs.extract(case.new_network(), CUTS[cut], END).symbol
    flags = [("static_alloc", True), ("static_shape", True)]
    measure(lambda: mx.nd.CachedOp(symbol, flags), FEW, table="speed", network=name, cut=cut, side="cached op")


def test_full_route(given: Any, cut: str, values: Any, measure: Any) -> None:
    """A piece whose input is renamed, which needs the whole Graph."""
    name, case = given

    def extract(traced_network: Any) -> Any:
        return gs.extract(traced_network, {"renamed": CUTS[cut]}, END)

    assert np.array_equal(extract(case.new_network())(values[0]).asnumpy(), values[1])
    measure(extract, FEW, case.new_network, table="speed", network=name, cut=cut, side="full route")


def test_whole_call(given: Any, cut: str, measure: Any) -> None:
    """The call as it is typed, tracing included, beside the plain way from the network."""
    name, case = given

    def extract() -> float:
        start = clock()
        gs.extract(case.net, CUTS[cut], END)
        return clock() - start

    def plain() -> Any:
        return PLAIN[cut](case.net(mx.sym.var("data")), case.net.collect_params(), CUTS[cut], END)

    measure(plain, FEW, ours=extract, table="whole call", network=name, cut=cut)


@pytest.mark.parametrize("side", ["trace", "plain trace", "collect_params"])
def test_before(given: Any, side: str, measure: Any) -> None:
    """What comes before, and is timed on no side."""
    name, case = given
    calls = {
        "trace": lambda: tracing.trace(case.net),
        "plain trace": lambda: case.net(mx.sym.var("data")),
        "collect_params": case.net.collect_params,
    }
    nodes = len(case.symbol.get_internals().list_outputs())
    measure(calls[side], FEW, table="before", network=name, nodes=nodes, side=side)


STEPS = {
    "text of the symbol": (quick, "json_of_symbol"),
    "cut the text": (quick, "text_from"),
    "MXNet's load": (mx.sym, "load_json"),
    "block": (gs.SubgraphBlock, "_of"),
}


def test_steps(given: Any, cut: str, measure: Any, monkeypatch: Any, benchmark: Any) -> None:
    """Where the time goes: each step of the fastest of the rounds."""
    name, case = given
    rounds: list[dict[str, float]] = []
    for step, (holder, attribute) in STEPS.items():
        monkeypatch.setattr(holder, attribute, _timed(getattr(holder, attribute), step, rounds))

    def extract(traced_network: Any) -> Any:
        rounds.append(dict.fromkeys(STEPS, 0.0))
        start = clock()
        block = gs.extract(traced_network, CUTS[cut], END)
        rounds[-1]["total"] = clock() - start
        return block

    measure(extract, MANY, case.new_network, table="steps", network=name, cut=cut, side="steps")
    benchmark.extra_info["steps"] = min(rounds, key=lambda spent: spent["total"])


def _timed(function: Any, step: str, rounds: list[dict[str, float]]) -> Any:
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = clock()
        try:
            return function(*args, **kwargs)
        finally:
            rounds[-1][step] += clock() - start

    return timed
