"""What cannot be bound is refused, and then every value is as it was."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from array_likes import Unreadable
from mxnet import gluon
from samples import convolutional, layers, triple
from snapshots import snapshot, unchanged


def arrays_of(net: gluon.Block) -> dict[str, Any]:
    """Return copies of all values, by name."""
    return {name: p.data().copy() for name, p in net.collect_params().items()}


def exported(net: gluon.Block, folder: Path) -> tuple[str, str]:
    """Return the files of `net`."""
    path = str(folder / "net")
    gs.extract(net, "data", "c_dense0_fwd").export(path)
    return f"{path}-symbol.json", f"{path}-0000.params"


FAILURES: dict[str, Any] = {
    "missing": lambda arrays: (arrays.pop("c_dense0_bias"), {})[1],
    "extra": lambda arrays: (arrays.update(more=mx.nd.ones(2)), {})[1],
    "shape": lambda arrays: (arrays.update(c_dense0_bias=mx.nd.ones(7)), {})[1],
    "dtype": lambda arrays: (arrays.update(c_dense0_bias=mx.nd.ones(5, dtype="float16")), {})[1],
    "unreadable": lambda arrays: (arrays.update(c_dense0_bias=Unreadable()), {})[1],
    "context": lambda arrays: {"ctx": mx.cpu(1)},
    "pairs": lambda arrays: {"pairs": {"c_dense0_bias": "c_conv0_bias"}},
    "skip": lambda arrays: {"skip": ["c_dense7_*"]},
}


@pytest.mark.parametrize("spoil", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("kind", ["gluon", "triple", "deferred"])
def test_bind_that_fails_leaves_every_value(spoil: Any, kind: str) -> None:
    target: Any = convolutional(seed=1, deferred=kind == "deferred")
    arrays = arrays_of(convolutional(seed=2))
    if kind == "triple":
        target = triple(target)
    options = spoil(arrays)
    before = snapshot(target)
    with pytest.raises(gs.BindingError, match="nothing was loaded"):
        gs.bind_params(target, arrays, **options)
    assert snapshot(target) == before


MISUSE: dict[str, tuple[Any, str]] = {
    "nothing": (None, "source is a NoneType, which holds no parameters by name"),
    "list of arrays": ([mx.nd.ones(2)], "source is a list"),
    "no file": ("/none.params", "no file '/none.params'"),
    "symbol file": ("x-symbol.json", "'x-symbol.json' is a symbol file, which holds no values"),
    "symbol": (mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2), "source is a Symbol, which holds no values"),
    "list value": ({"a": [1.0, 2]}, "'a' of source is a list, no array"),
    "nested": ({"epoch": mx.nd.ones(1), "state": {"a": 1}}, r"'state' of source is a dict.*give source\['state'\]"),
    "other keys": ({1: mx.nd.ones(2)}, "has the key 1, a int"),
    "two values": ({"arg:a": mx.nd.ones(2), "a": mx.nd.ones(2)}, "2 values for 'a': 'arg:a', 'a'"),
    "two values of a triple": (
        (mx.sym.var("a") + 1, {"a": mx.nd.ones(2)}, {"a": mx.nd.ones(2)}),
        "arg_params and aux_params hold different values for 'a'",
    ),
    "triple of lists": ((mx.sym.var("a") + 1, [], {}), "the parameters of source are a list"),
    "text": (
        {"n_dense0_weight": np.full((4, 4), "a"), "n_dense0_bias": np.ones(4)},
        "of another dtype|no array of num",
    ),
}


@pytest.mark.parametrize(("source", "text"), MISUSE.values(), ids=MISUSE)
def test_bind_from_what_holds_no_values_is_refused(source: Any, text: str) -> None:
    target = layers(1)
    with unchanged(target), pytest.raises(gs.SubgraphError, match=f"(?is){text}.*nothing was loaded"):
        gs.bind_params(target, source, allow_missing=True, ignore_extra=True)


def test_bind_to_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    net = convolutional()
    pair = exported(net, tmp_path)
    before = Path(pair[1]).read_bytes()
    targets = {
        "is read from a file": [pair, pair[1]],
        "is a Symbol, which holds no values": [net(mx.sym.var("data"))],
        "is a numpy.ndarray, which cannot be written": [{n: a.asnumpy() for n, a in arrays_of(net).items()}],
        "target is a Binding.*bind_params.net, binding": [gs.match_params(net, net)],
        "target is a int, which holds no parameters": [3],
    }
    for text, cases in targets.items():
        for target in cases:
            with pytest.raises(gs.SubgraphError, match=f"(?s){text}.*nothing was loaded"):
                gs.bind_params(target, net)
    assert Path(pair[1]).read_bytes() == before


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    mx.nd.save(str(path), [mx.nd.ones(2)])
    with pytest.raises(gs.SubgraphError, match="holds 1 arrays without names"):
        gs.match_params(layers(1), path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(gs.SubgraphError, match="(?s)is not an MXNet parameter file.*bytes too early"):
        gs.match_params(layers(1), path)


@pytest.mark.skipif(mx.context.num_gpus() > 0, reason="needs a machine without GPU")
@pytest.mark.parametrize("initialise", [True, False])
def test_bind_to_a_context_that_is_not_there_is_refused(initialise: bool) -> None:
    target = layers(1, initialise=initialise)
    with unchanged(target), pytest.raises(gs.SubgraphError, match=r"(?s)gpu\(0\).*MXNet says.*nothing was loaded"):
        gs.bind_params(target, layers(1, seed=2), ctx=mx.gpu(0))


def test_masked_values_are_refused() -> None:
    net = layers(1)
    arrays = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    masked = np.ma.masked_array(arrays["n_dense0_bias"], mask=[True, False, False, False])
    with unchanged(net), pytest.raises(
        gs.BindingError, match=r"has masked values.*\n  1 of 4 are\.\n  Give value\.filled"
    ):
        gs.bind_params(net, {**arrays, "n_dense0_bias": masked})
    symbol = net(mx.sym.var("data"))
    with pytest.raises(gs.BindingError, match=r"MaskedArray with masked values.*\n  Give value\.filled"):
        gs.extract((symbol, {**arrays, "n_dense0_bias": masked}, {}), "data", "n_dense0_tanh_fwd")
    whole = np.ma.masked_array(arrays["n_dense0_bias"])
    assert gs.bind_params(net, {**arrays, "n_dense0_bias": whole}).is_complete


def test_pairs_that_cannot_fit_are_shown_three_at_a_time() -> None:
    target, source = layers(4), layers(4, seed=2)
    pairs = {f"n_dense{k}_bias": f"n_dense{k}_weight" for k in range(4)}
    lines = "".join(rf"\n  target 'n_dense{k}_bias' \(4,\) <- source .*" for k in range(3))
    with pytest.raises(gs.BindingError, match=rf"4 of 4 pairs cannot fit\.{lines}\n  and 1 more\n  Leave it out"):
        gs.match_params(target, source, pairs=pairs)
