"""Train a Siamese network on pairs of handwritten digits: do two images show the same digit?

One small convolutional network looks at both images. `tie_towers` makes two towers of it over one set of parameters;
a dense layer on the distance between what the towers return tells equal pairs from different ones. Run from
anywhere, with the number of seeds to try::

    python tutorials/siamese.py 5

The images of the test pairs are none of those trained on. It takes about ten seconds per seed.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

# First, since on Python 3.12 or later, or on a current NumPy, MXNet 1.9.1 misses
# names that they removed and that gluon_subgraph puts back.
import gluon_subgraph as gs

# isort: split
import mxnet as mx
import numpy as np
from mxnet.gluon import HybridBlock, nn
from train_digits import load_digits_data

__all__ = ["Siamese", "make_encoder", "draw_pairs", "train", "measure_accuracy", "run"]

STEPS = 300
BATCH_SIZE = 64
LEARNING_RATE = 0.003
TEST_PAIRS = 2000


def make_encoder(prefix: str = "encoder_") -> HybridBlock:
    """Return the network both images go through: shape (batch, 1, 8, 8) to (batch, 32)."""
    encoder = nn.HybridSequential(prefix=prefix)
    with encoder.name_scope():
        encoder.add(nn.Conv2D(16, 3, padding=1, in_channels=1, activation="relu"))
        encoder.add(nn.MaxPool2D(2))
        encoder.add(nn.Conv2D(32, 3, padding=1, in_channels=16, activation="relu"))
        # No bias: the difference of the towers cancels it.
        encoder.add(nn.Flatten(), nn.Dense(32, use_bias=False, in_units=32 * 4 * 4))
    return encoder


class Siamese(HybridBlock):
    """Two towers of an encoder, and a dense layer on the distance of what they return.

    Parameters
    ----------
    encoder : HybridBlock
        Its parameters are shared by the towers, and with the caller.
    prefix : str, default "siamese_"
        As for any Gluon Block.
    """

    def __init__(self, encoder: HybridBlock, prefix: str = "siamese_") -> None:
        super().__init__(prefix=prefix)
        with self.name_scope():
            self.towers = gs.tie_towers(encoder)
            self.decision = nn.Dense(1, in_units=32, prefix="decision_")

    def hybrid_forward(self, F: Any, left: Any, right: Any) -> Any:  # noqa: N803 (the name Gluon gives it)
        """Return a score per pair, positive where the digits are the same, shape (batch, 1)."""
        left, right = self.towers(left, right)
        return self.decision(F.abs(left - right))


def draw_pairs(labels: np.ndarray, count: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of different images, every second one of the same digit.

    Parameters
    ----------
    labels : numpy.ndarray
        The digit of each image, shape (images,).
    count : int
        How many pairs.
    random : numpy.random.RandomState
        Where chance comes from.

    Returns
    -------
    pairs : numpy.ndarray
        Indices of images, shape (count, 2).
    is_same : numpy.ndarray
        1 where the digits are the same, else 0; shape (count,), float32.
    """
    images = np.arange(len(labels))
    pairs = np.empty((count, 2), dtype="int64")
    is_same = (np.arange(count) % 2).astype("float32")
    for pair, same in zip(pairs, is_same):
        pair[0] = random.randint(len(labels))
        fits = (labels == labels[pair[0]]) == bool(same)
        pair[1] = random.choice(images[fits & (images != pair[0])])
    return pairs, is_same


def train(net: HybridBlock, images: np.ndarray, labels: np.ndarray, seed: int, steps: int = STEPS) -> None:
    """Train `net` in place with Adam on pairs drawn anew for each step."""
    random = np.random.RandomState(seed)
    compute_loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": LEARNING_RATE})
    for _ in range(steps):
        pairs, is_same = draw_pairs(labels, BATCH_SIZE, random)
        left, right = (mx.nd.array(images[pairs[:, side]]) for side in range(2))
        with mx.autograd.record():
            loss = compute_loss(net(left, right), mx.nd.array(is_same))
        loss.backward()
        trainer.step(BATCH_SIZE)


def measure_accuracy(net: HybridBlock, images: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the share of balanced random pairs that `net` tells right, from 0 to 1."""
    pairs, is_same = draw_pairs(labels, TEST_PAIRS, np.random.RandomState(seed))
    scores = net(*(mx.nd.array(images[pairs[:, side]]) for side in range(2))).asnumpy()
    return float(((scores[:, 0] > 0) == is_same).mean())


def run(seed: int = 0, steps: int = STEPS) -> tuple[Siamese, float]:
    """Return a network trained from `seed`, and its accuracy on pairs of images held out."""
    train_images, train_labels, test_images, test_labels = load_digits_data(range(10))
    mx.random.seed(seed)
    encoder = make_encoder()
    encoder.initialize(mx.init.Xavier())
    net = Siamese(encoder)
    net.decision.initialize(mx.init.Xavier())
    net.hybridize()
    train(net, train_images, train_labels, seed, steps)
    return net, measure_accuracy(net, test_images, test_labels, seed)


def main() -> None:
    """Train from as many seeds as the command line says, and print each accuracy and the median."""
    accuracies = []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        accuracies.append(run(seed)[1])
        print(f"seed {seed}: {accuracies[-1]:.1%} of {TEST_PAIRS} pairs of images held out")
    print(f"median: {statistics.median(accuracies):.1%}")


if __name__ == "__main__":
    main()
