"""The laws on networks of NumPy-style operators, and of both modes at once."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import tempfile
from typing import Any, Callable, Iterator

import mxnet as mx
import pytest
from fuzz_laws import law, listed
from fuzz_networks import BATCH, WIDTH
from hypothesis import strategies as st
from mxnet import gluon
from snapshots import unchanged

STEPS: dict[str, Callable[..., Any]] = {
    "relu": lambda F, x, y, p: F.npx.relu(x),
    "tanh": lambda F, x, y, p: F.np.tanh(x),
    "add": lambda F, x, y, p: F.np.add(x, y),
    "multiply": lambda F, x, y, p: x * y,
    "less its mean": lambda F, x, y, p: x - F.np.mean(x, axis=-1, keepdims=True),
    "turned": lambda F, x, y, p: F.np.reshape(F.np.transpose(x), (BATCH, WIDTH)),
    "swapped": lambda F, x, y, p: F.np.concatenate(F.np.split(x, 2, axis=1)[::-1], axis=1),
    "dense": lambda F, x, y, p: F.npx.fully_connected(x, p["weight"], p["bias"], num_hidden=WIDTH),
    "norm": lambda F, x, y, p: F.npx.layer_norm(x, p["scale"], p["bias"], axis=-1),
    "shift": lambda F, x, y, p: x + p["bias"],
    "scaled": lambda F, x, y, p: x * p["number"],
}
SHAPES = {"weight": (WIDTH, WIDTH), "bias": (WIDTH,), "scale": (WIDTH,), "number": ()}
PARTS = {"dense": ("weight", "bias"), "norm": ("scale", "bias"), "shift": ("bias",), "scaled": ("number",)}
PLANS = st.lists(st.tuples(st.sampled_from(list(STEPS)), st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=8)


@pytest.fixture(autouse=True, scope="module")
def _numpy_style() -> Iterator[None]:
    with mx.util.np_shape(True), mx.util.np_array(True):
        yield


class NumpyBlock(gluon.HybridBlock):
    """The network of a plan; each step may use Parameters of its own."""

    def __init__(self, plan: Any, seed: int) -> None:
        super().__init__(prefix="net_")
        self._plan = plan
        mx.random.seed(seed)
        for place, (kind, _, _) in enumerate(plan):
            for part in PARTS.get(kind, ()):
                parameter = self.params.get(f"{part}{place}", shape=SHAPES[part], init=mx.init.Uniform(1))
                setattr(self, f"{part}{place}", parameter)
        self.initialize()

    def hybrid_forward(self, F: Any, data: Any, **parameters: Any) -> Any:
        pool = [data]
        for place, (kind, one, other) in enumerate(self._plan):
            x, y = (pool[-1 - back % len(pool)] for back in (one, other))
            own = {part: parameters[f"{part}{place}"] for part in PARTS.get(kind, ())}
            pool.append(STEPS[kind](F, x, y, own))
        return sum(pool[1:], pool[0])  # of a step that nothing reads, the parameters would be in no graph


@law(PLANS, st.integers(0, 1000), st.data())
def test_numpy_style_network_is_the_chain_of_its_pieces_in_every_form(plan: Any, seed: int, data: Any) -> None:
    net = NumpyBlock(plan, seed)
    x = mx.np.random.uniform(size=(BATCH, WIDTH))
    right = listed(net(x))
    names = [output for node in gs.list_nodes(net) if node.op != "input" for output in node.outputs]
    end, start = names[-1], data.draw(st.sampled_from(names[:-1] or ["data"]), "start")
    with unchanged(net):
        tail = gs.extract(net, start, end, open_cut="add")
        given = [x if name == "data" else gs.extract(net, "data", name)(x) for name in tail.input_names]
    assert listed(tail(*given)) == right
    towers = gs.tie_towers(net)
    assert listed(towers(x, x * 2)) == [*right, *listed(net(x * 2))]
    renamed = gs.rename(net, lambda name: name[::-1])
    assert listed(renamed.net(x)) == listed(gs.rename(renamed.net, renamed.inverse).net(x)) == right
    with tempfile.TemporaryDirectory() as folder:
        tail.save(f"{folder}/tail")
        assert listed(gs.load(f"{folder}/tail")(*given)) == right
    other = NumpyBlock(plan, seed + 1)
    gs.bind_params(other, net)
    assert listed(other(x)) == right
