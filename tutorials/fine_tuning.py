"""Fine-tune the digits network for digits it has never seen, and compare with training from scratch.

Its trunk is frozen and gets a new head for the digits 5 to 9, ten images of each. A network of the same kind is then
trained from scratch on the same images, for the same wall time. Run from anywhere::

    python tutorials/fine_tuning.py
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any, Callable, NamedTuple

import gluon_subgraph as gs

# isort: split
import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from tqdm import tqdm
from train_digits import DigitsNet, load_digits_data, measure_accuracy

__all__ = ["Comparison", "compare", "load_network"]

FILES = Path(__file__).resolve().parent / "digits"
CLASSES = range(5, 10)
IMAGES_PER_CLASS = 10
SEEDS = range(5)
STEPS = 100
LEARNING_RATE = 0.01


class Comparison(NamedTuple):
    """Accuracies on the held-out images of the new digits, one per seed, and the wall time of each pair of runs."""

    tuned: list[float]
    from_scratch: list[float]
    seconds: list[float]

    @property
    def lead(self) -> float:
        """Median of the fine-tuned networks less median of the others."""
        return median(self.tuned) - median(self.from_scratch)


def load_network() -> DigitsNet:
    """Return the network trained on the digits 0 to 4."""
    net = DigitsNet()
    net.collect_params().load(str(FILES / "digits-0000.params"), ctx=mx.cpu())
    return net


def with_new_head(net: Any) -> Any:
    """Return the front of `net`, frozen, with a fresh head of five classes behind it."""
    tuned = gs.replace_head(net, nn.Dense(len(CLASSES)), at="stage2_relu")
    gs.freeze(tuned.trunk)
    tuned.head.initialize(mx.init.Xavier())
    return tuned


def compare(net: Any, seeds: Any = SEEDS) -> Comparison:
    """Return how well both ways do, for each seed; shows a progress bar.

    Parameters
    ----------
    net : HybridBlock
        The trained network; its parameters do not change.
    seeds : sequence of int, default range(5)
        Each chooses ten images a class and the initial values.
    """
    images, labels, test_images, test_labels = load_digits_data(CLASSES)
    found = Comparison([], [], [])
    for seed in tqdm(seeds, desc="fine-tuning", unit="seed"):
        few = _few_of_each(labels, seed)
        mx.random.seed(seed)
        tuned = with_new_head(net)
        start = time.perf_counter()
        _train(tuned, images[few], labels[few], lambda step: step < STEPS)
        found.seconds.append(time.perf_counter() - start)
        fresh = DigitsNet()
        fresh.initialize(mx.init.Xavier())
        end = time.perf_counter() + found.seconds[-1]
        _train(fresh, images[few], labels[few], lambda _, end=end: time.perf_counter() < end)
        found.tuned.append(measure_accuracy(tuned, test_images, test_labels))
        found.from_scratch.append(measure_accuracy(fresh, test_images, test_labels))
    return found


def _few_of_each(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the indices of ten images of each class."""
    random = np.random.RandomState(seed)
    classes = range(len(CLASSES))
    return np.concatenate(
        [random.choice(np.flatnonzero(labels == c), IMAGES_PER_CLASS, replace=False) for c in classes]
    )


def _train(net: Any, images: np.ndarray, labels: np.ndarray, goes_on: Callable[[int], bool]) -> None:
    """Train on all images at once with Adam, as long as `goes_on` says so of the number of the step."""
    net.hybridize()
    x, y = mx.nd.array(images), mx.nd.array(labels)
    compute_loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": LEARNING_RATE})
    step = 0
    while goes_on(step):
        with mx.autograd.record():
            loss = compute_loss(net(x), y)
        loss.backward()
        trainer.step(len(images))
        mx.nd.waitall()
        step += 1


def main() -> None:
    """Print both medians.

    Raises
    ------
    SystemExit
        Fine-tuning is less than 5 points ahead.
    """
    found = compare(load_network())
    print(f"frozen trunk, new head: median {median(found.tuned):.2%} of {[f'{a:.1%}' for a in found.tuned]}")
    print(
        f"from scratch:           median {median(found.from_scratch):.2%} of {[f'{a:.1%}' for a in found.from_scratch]}"
    )
    print(f"same wall time, median {median(found.seconds):.2f} s; {100 * found.lead:.1f} points ahead")
    if found.lead < 0.05:
        raise SystemExit("Fine-tuning is not ahead by 5 points.")


if __name__ == "__main__":
    main()
