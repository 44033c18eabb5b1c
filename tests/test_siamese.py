"""The Siamese tutorial: towers learn to tell pairs of digits, and stay one network."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import statistics
from pathlib import Path
from types import ModuleType

import mxnet as mx
import numpy as np
import pytest
from samples import normal, same, values

TUTORIALS = Path(__file__).resolve().parents[1] / "tutorials"
LEFT, RIGHT = (normal(5, 1, 8, 8, seed=seed) for seed in (1, 2))


@pytest.fixture
def siamese(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the tutorial, imported as if it were run where it stands."""
    monkeypatch.syspath_prepend(str(TUTORIALS))
    import siamese

    return siamese


def test_drawn_pairs_are_balanced_and_rightly_labelled(siamese: ModuleType) -> None:
    labels = np.random.RandomState(0).randint(0, 10, 80)
    pairs, is_same = siamese.draw_pairs(labels, 200, np.random.RandomState(1))
    assert (pairs.shape, is_same.sum()) == ((200, 2), 100)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert ((labels[pairs[:, 0]] == labels[pairs[:, 1]]) == is_same).all()


def test_short_training_moves_every_parameter_and_keeps_the_sides_exchangeable(
    siamese: ModuleType, tmp_path: Path
) -> None:
    mx.random.seed(0)
    encoder = siamese.make_encoder()
    encoder.initialize()
    net = siamese.Siamese(encoder)
    net.decision.initialize()
    net.hybridize()
    before = values(net)
    labels = np.arange(40) % 4
    siamese.train(net, normal(40, 1, 8, 8).asnumpy(), labels, seed=0, steps=5)
    assert all(now != before[name] for name, now in values(net).items())
    assert same(net(LEFT, RIGHT), net(RIGHT, LEFT))
    assert same(net.towers(LEFT, RIGHT), [encoder(LEFT), encoder(RIGHT)])
    net.export(str(tmp_path / "s"))
    symbol, arguments, _ = mx.model.load_checkpoint(str(tmp_path / "s"), 0)
    assert len(set(symbol.list_arguments())) == len(symbol.list_arguments()) == 2 + len(before)
    stored = mx.gluon.SymbolBlock.imports(
        str(tmp_path / "s-symbol.json"), ["data0", "data1"], str(tmp_path / "s-0000.params")
    )
    assert sorted(arguments) == sorted(before)
    assert same(stored(LEFT, RIGHT), net(LEFT, RIGHT))


@pytest.mark.slow
def test_five_seeds_tell_held_out_pairs_with_a_median_of_85_percent(siamese: ModuleType) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed, and it has the digits")
    train_images, _, test_images, _ = siamese.load_digits_data(range(10))
    assert not {image.tobytes() for image in train_images} & {image.tobytes() for image in test_images}
    accuracies = [siamese.run(seed)[1] for seed in range(5)]
    assert statistics.median(accuracies) >= 0.85, accuracies
