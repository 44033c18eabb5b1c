"""A change below reaches what hybridized blocks have cached, whatever else the process does."""

from __future__ import annotations

import gc
import threading
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
from mxnet import gluon
from samples import bits, convolutional, initialised, normal

nn = gluon.nn
X = (4, 3, 8, 8)


def _whole(inner: Any) -> gluon.HybridBlock:
    """Return a hybridized parent that has run."""
    whole = nn.HybridSequential(prefix="w_")
    whole.add(inner)
    whole.hybridize()
    whole(normal(*X))
    return whole


def _headed(classes: int) -> Any:
    return gs.replace_head(convolutional(), initialised(nn.Dense(classes, prefix="first_")))


def test_change_is_seen_after_gc_freeze() -> None:
    block = _headed(3)
    whole = _whole(block)
    gc.freeze()
    try:
        block.head = initialised(nn.Dense(7, prefix="second_"))
        assert whole(normal(*X)).shape == (4, 7)
    finally:
        gc.unfreeze()


def test_change_disturbs_no_other_thread() -> None:
    errors: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                tuple(i for i in range(2000))
            except SystemError as error:  # of a tuple that somebody else looked at half-made
                errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    net = convolutional()
    _whole(net)
    for _ in range(20):
        gs.freeze(net)
        gs.unfreeze(net)
    stop.set()
    thread.join()
    assert errors == []


def test_cached_graph_is_made_anew_once_and_only_where_something_changed() -> None:
    net, other = convolutional(), convolutional("o_")
    whole, beside = _whole(net), _whole(other)
    gs.freeze(net[3])
    before = whole._cached_op, beside._cached_op
    for _ in range(2):
        whole(normal(*X)), beside(normal(*X))
        after = whole._cached_op, beside._cached_op
        assert after[0] is not before[0]
        assert after[1] is before[1]
        assert whole._cached_op is after[0]


def test_stock_export_of_the_whole_after_a_change_has_all_parameters(tmp_path: Any) -> None:
    net = convolutional()
    whole = _whole(net)
    gs.freeze(net)
    whole.export(str(tmp_path / "w"))
    again = gluon.SymbolBlock.imports(str(tmp_path / "w-symbol.json"), ["data"], str(tmp_path / "w-0000.params"))
    x = normal(*X)
    assert bits(again(x)) == bits(whole(x))
    with mx.autograd.record():
        assert gs.trainable(again)[2].batch_norm == "running statistics"


def test_backend_starts_from_the_new_graph() -> None:
    net = convolutional()
    whole = nn.HybridSequential(prefix="w_")
    whole.add(net)
    x = normal(*X)
    expected = bits(whole(x))
    whole.hybridize(backend="MKLDNN")
    whole(x)
    gs.freeze(net, "1")
    assert [a.shape for a in (whole(x), net(x))] == [(4, 5), (4, 5)]
    whole.hybridize()
    assert bits(whole(x)) == expected
