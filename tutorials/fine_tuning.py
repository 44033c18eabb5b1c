"""What tutorials 02, 03 and 06 and the demonstration share: few images of new digits, and ways to train on them."""

from __future__ import annotations

import time
from statistics import median
from typing import Any, Callable, NamedTuple

import gluon_subgraph as gs

# isort: split
import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from tqdm import tqdm
from train_digits import DigitsNet, load_digits_data, measure_accuracy

__all__ = ["Comparison", "compare", "few_of_each", "train"]

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


def compare(net: Any) -> Comparison:
    """Return how well both ways do, for each of five seeds; shows a progress bar.

    A seed chooses ten images a class and the initial values.

    Parameters
    ----------
    net : HybridBlock
        The trained network; its parameters do not change.
    """
    images, labels, test_images, test_labels = load_digits_data(CLASSES)
    found = Comparison([], [], [])
    for seed in tqdm(SEEDS, desc="fine-tuning", unit="seed"):
        few = few_of_each(labels, seed)
        mx.random.seed(seed)
        tuned = _with_new_head(net)
        start = time.perf_counter()
        train(tuned, images[few], labels[few], lambda step: step < STEPS)
        found.seconds.append(time.perf_counter() - start)
        fresh = DigitsNet()
        fresh.initialize(mx.init.Xavier())
        end = time.perf_counter() + found.seconds[-1]
        train(fresh, images[few], labels[few], lambda _, end=end: time.perf_counter() < end)
        found.tuned.append(measure_accuracy(tuned, test_images, test_labels))
        found.from_scratch.append(measure_accuracy(fresh, test_images, test_labels))
    return found


def few_of_each(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the indices of ten images of each class."""
    random = np.random.RandomState(seed)
    classes = range(len(CLASSES))
    return np.concatenate(
        [random.choice(np.flatnonzero(labels == c), IMAGES_PER_CLASS, replace=False) for c in classes]
    )


def train(
    net: Any,
    images: np.ndarray,
    labels: np.ndarray,
    goes_on: Callable[[int], bool],
    watch: Callable[[], Any] | None = None,
) -> list[Any]:
    """Train on all images at once with Adam, as long as `goes_on` says so of the number of the step.

    Returns what `watch` returned before the first step and after each.
    """
    net.hybridize()
    x, y = mx.nd.array(images), mx.nd.array(labels)
    compute_loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": LEARNING_RATE})
    seen = [watch()] if watch else []
    step = 0
    while goes_on(step):
        with mx.autograd.record():
            loss = compute_loss(net(x), y)
        loss.backward()
        trainer.step(len(images))
        mx.nd.waitall()
        seen += [watch()] if watch else []
        step += 1
    return seen


def _with_new_head(net: Any) -> Any:
    """Return the front of `net`, frozen, with a fresh head of five classes behind it."""
    tuned = gs.replace_head(net, nn.Dense(len(CLASSES)), at="stage2_relu")
    gs.freeze(tuned.trunk)
    tuned.head.initialize(mx.init.Xavier())
    return tuned
