"""Random networks drawn step by step, so that a failure shrinks to the few steps that matter."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
from typing import Any, Callable, NamedTuple, Sequence

import mxnet as mx
import numpy as np
from hypothesis import strategies as st
from mxnet import gluon
from random_graphs import BATCH, WIDTH, RandomNetwork

ODD_NAMES = (
    "größe",
    'q"',
    "a b",
    "a/b",
    "a#1",
    "x_output",
    "back\\slash",
    "層",
    "a.b",
    "[0]",
    "*",
    "tab\t",
    "p_output0",
)
LABEL = "label"
FREE = ("_shifts", "_scales")  # variables whose shape MXNet does not infer
# By the end of a variable's name; those of others are (WIDTH,).
SHAPES = {"_weight": (WIDTH, WIDTH), "_table": (WIDTH, WIDTH), "_wide": (WIDTH, 2 * WIDTH)}
SHAPES.update(dict.fromkeys(["data", "data0", "data1"], (BATCH, WIDTH)))


class Step(NamedTuple):
    """One step of a plan: what it adds, how far back the values it reads lie, and which of a few names it takes."""

    kind: str
    one: int = 0
    other: int = 0
    name: int = 0


class Plan(NamedTuple):
    """All that decides a random network; its `repr` makes it again."""

    steps: tuple[Step, ...]
    data: int = 1
    outputs: int = 1
    head: str = ""
    naming: str = "plain"
    dtype: str = "float32"
    seed: int = 0

    @property
    def input_names(self) -> tuple[str, ...]:
        """What Gluon calls the inputs of a network that takes so many."""
        return ("data",) if self.data == 1 else ("data0", "data1")

    def name_of(self, place: int) -> str:
        """Return the name of the operator that a step adds."""
        number = self.steps[place].name if place < len(self.steps) else place
        if self.naming == "odd":
            return f"{ODD_NAMES[number % len(ODD_NAMES)]}{place}"
        return {"plain": f"op{place}", "prefixed": f"net_op{place}", "repeated": f"twin{number % 3}"}[self.naming]


Values = Callable[[str], Any]


def _dense(F: Any, x: Any, _: Any, name: str, values: Values, *, no_bias: bool = False) -> Any:
    parameters = [values(name + "_weight")] + ([] if no_bias else [values(name + "_bias")])
    return F.FullyConnected(x, *parameters, num_hidden=WIDTH, no_bias=no_bias, name=name)


def _tied(F: Any, x: Any, _: Any, name: str, values: Values) -> Any:
    return F.FullyConnected(x, values("tied_weight"), num_hidden=WIDTH, no_bias=True, name=name)


def _joined(F: Any, x: Any, y: Any, name: str, values: Values) -> Any:
    both = F.concat(x, y, dim=1, name=name + "_both")
    return F.FullyConnected(both, values(name + "_wide"), num_hidden=WIDTH, no_bias=True, name=name)


def _swapped(F: Any, x: Any, _: Any, name: str, values: Values) -> Any:
    first, second = F.SliceChannel(x, num_outputs=2, name=name)
    return F.concat(second, first, dim=1, name=name + "_join")


def _norm(F: Any, x: Any, _: Any, name: str, values: Values, *, fix_gamma: bool = False) -> Any:
    # A gamma of its own where MXNet sets it to 1: another layer that has it as well would compute something else.
    scale = "fixed_gamma" if fix_gamma else "gamma"
    parts = [values(f"{name}_{part}") for part in (scale, "beta", "moving_mean", "moving_var")]
    return F.BatchNorm(x, *parts, fix_gamma=fix_gamma, name=name)


def _layer_norm(F: Any, x: Any, _: Any, name: str, values: Values) -> Any:
    return F.LayerNorm(x, values(name + "_scale"), values(name + "_shift"), name=name)


def _turned(F: Any, x: Any, _: Any, name: str, values: Values) -> Any:
    cube = F.reshape(x, shape=(0, 2, 2), name=name + "_cube")
    return F.reshape(F.transpose(cube, axes=(0, 2, 1), name=name), shape=(0, -1), name=name + "_flat")


def _looked_up(F: Any, x: Any, _: Any, name: str, values: Values) -> Any:
    row = F.argmax(x, axis=1, name=name + "_row")
    sizes = {"input_dim": WIDTH, "output_dim": WIDTH}
    return F.broadcast_add(x, F.Embedding(row, values(name + "_table"), name=name, **sizes), name=name + "_sum")


def _looped(F: Any, x: Any, y: Any, name: str, values: Values) -> Any:
    weight = values(name + "_scales")
    start = F.sum(y, axis=0, name=name + "_start")
    outputs, _ = F.contrib.foreach(lambda row, state: (row * weight + state, state + row), x, start, name=name)
    return outputs


def _chosen(F: Any, x: Any, y: Any, name: str, values: Values) -> Any:
    shift = values(name + "_shifts")
    is_greater = F.sum(x, name=name + "_one") > F.sum(y, name=name + "_other")
    return F.contrib.cond(is_greater, lambda: F.broadcast_add(x, shift), lambda: F.broadcast_mul(y, shift), name=name)


KINDS: dict[str, Callable[..., Any]] = {
    "relu": lambda F, x, y, name, values: F.Activation(x, act_type="relu", name=name),
    "tanh": lambda F, x, y, name, values: F.Activation(x, act_type="tanh", name=name),
    "add": lambda F, x, y, name, values: F.elemwise_add(x, y, name=name),
    "multiply": lambda F, x, y, name, values: F.elemwise_mul(x, y, name=name),
    "shift": lambda F, x, y, name, values: F.broadcast_add(x, values(name + "_shifts"), name=name),
    "scale": lambda F, x, y, name, values: F.broadcast_mul(values(name + "_scales"), x, name=name),
    "dense": _dense,
    "dense without bias": lambda *given: _dense(*given, no_bias=True),
    "tied dense": _tied,
    "joined": _joined,
    "swapped": _swapped,
    "norm": _norm,
    "norm without scale": lambda *given: _norm(*given, fix_gamma=True),
    "layer norm": _layer_norm,
    "dropout": lambda F, x, y, name, values: F.Dropout(x, p=0.5, name=name),
    "turned": _turned,
    "looked up": _looked_up,
    "looped": _looped,
    "chosen": _chosen,
}
SINGLE_ONLY = ("looked up", "chosen")  # their types are not inferred from those of the data
NOT_IN_HALF = (*SINGLE_ONLY, "dense", "dense without bias", "tied dense", "joined")  # MXNet has them on no CPU


def build(F: Any, plan: Plan, data: Sequence[Any], values: Values) -> list[Any]:
    """Return the outputs of a plan: Symbols where `F` is ``mx.sym``, arrays where it is ``mx.nd``."""
    pool = list(data)
    for place, step in enumerate(plan.steps):
        x, y = (pool[-1 - back % len(pool)] for back in (step.one, step.other))
        pool.append(KINDS[step.kind](F, x, y, plan.name_of(place), values))
    outputs = [pool[-1 - i % len(pool)] for i in range(plan.outputs)]
    if plan.head:
        name = plan.name_of(len(plan.steps))
        outputs[0] = getattr(F, plan.head)(outputs[0], values(LABEL), name=name)
    return outputs


def network_of(plan: Plan) -> RandomNetwork:
    """Return the network of a plan: each use of a variable that is not tied is a node of its own."""
    tied = mx.sym.var("tied_weight")

    def values(name: str) -> mx.sym.Symbol:
        shape = (WIDTH,) if name.endswith(FREE) else None
        return tied if name == "tied_weight" else mx.sym.var(name, shape=shape)

    data = [mx.sym.var(name) for name in plan.input_names]
    with mx.name.NameManager():
        outputs = build(mx.sym, plan, data, values)
    return _with_values(mx.sym.Group(outputs) if len(outputs) > 1 else outputs[0], plan)


def _with_values(symbol: mx.sym.Symbol, plan: Plan) -> RandomNetwork:
    random = np.random.RandomState(plan.seed)

    def value_of(name: str) -> mx.nd.NDArray:
        suffix = "_" + name.rpartition("_")[2] if "_" in name else name
        is_norm = suffix in ("_gamma", "_beta", "_mean", "_var")
        dtype = "float32" if is_norm and plan.dtype == "float16" else plan.dtype
        return mx.nd.array(random.uniform(0.1, 1, SHAPES.get(suffix, (WIDTH,))), dtype=dtype)

    arguments = {n: value_of(n) for n in dict.fromkeys(symbol.list_arguments())}
    labels = {LABEL: mx.nd.zeros(_shape_of_label(plan), dtype=plan.dtype)} if LABEL in arguments else {}
    arguments.pop(LABEL, None)
    inputs = {n: arguments.pop(n) for n in plan.input_names if n in arguments}
    auxiliary = {n: value_of(n) for n in dict.fromkeys(symbol.list_auxiliary_states())}
    return RandomNetwork(symbol, arguments, auxiliary, inputs, labels)


def _shape_of_label(plan: Plan) -> tuple[int, ...]:
    return (BATCH,) if plan.head == "SoftmaxOutput" else (BATCH, WIDTH)


class PlanBlock(gluon.HybridBlock):
    """The network of a plan without a head as a user writes it: a HybridBlock with Parameters, traced when cut."""

    def __init__(self, plan: Plan, network: RandomNetwork) -> None:
        super().__init__(prefix="")
        self._plan = plan
        for name, value in network.values.items():
            trains = name in network.arg_params
            parameter = self.params.get(
                name,
                shape=value.shape,
                dtype=value.dtype,
                grad_req="write" if trains else "null",
                differentiable=trains,
            )
            parameter._load_init(value, mx.cpu())
            setattr(self, name, parameter)
        self.hybridize()
        self(*[mx.nd.zeros((BATCH, WIDTH), dtype=plan.dtype)] * plan.data)  # says how many inputs it takes

    def hybrid_forward(self, F: Any, *data: Any, **parameters: Any) -> Any:
        # A step that nothing reads has no Parameters.
        outputs = build(F, self._plan, data, lambda name: parameters[name] if name in parameters else F.var(name))
        return outputs if len(outputs) > 1 else outputs[0]


@st.composite
def plans(
    draw: Any,
    without: Sequence[str] = (),
    namings: Sequence[str] = ("plain", "prefixed", "repeated", "odd"),
    heads: Sequence[str] = ("", "", "LinearRegressionOutput", "SoftmaxOutput"),
    **fixed: Any,
) -> Plan:
    """Return a plan with what is `fixed` as given, without steps of some kinds, its names given in one of some ways."""
    dtype = fixed.get("dtype") or draw(st.sampled_from(["float32", "float32", "float64", "float16"]))
    excluded = {"float16": NOT_IN_HALF, "float64": SINGLE_ONLY}.get(dtype, ())
    kinds = [kind for kind in KINDS if kind not in (*excluded, *without)]
    back = st.integers(0, 4)
    steps = st.builds(Step, st.sampled_from(kinds), back, back, st.integers(0, len(ODD_NAMES) - 1))
    drawn = {
        "steps": st.lists(steps, min_size=2, max_size=10).map(tuple),
        "data": st.integers(1, 2),
        "outputs": st.integers(1, 2),
        # In half precision what SoftmaxOutput becomes at inference differs from it in the last bits.
        "head": st.sampled_from([head for head in heads if (head, dtype) != ("SoftmaxOutput", "float16")]),
        "naming": st.sampled_from(namings),
        "seed": st.integers(0, 1000),
    }
    chosen = {key: fixed[key] if key in fixed else draw(strategy) for key, strategy in drawn.items()}
    return Plan(**chosen, dtype=dtype)
