"""Train the small residual network that the demonstrations cut, bind and fine-tune.

The network sees the digits 0 to 4 of scikit-learn's handwritten digits, which
are real scans of 8 by 8 pixels. The digits 5 to 9 stay unseen, so that a
demonstration can fine-tune for them. Run from anywhere::

    python tutorials/train_digits.py

It writes `digits-symbol.json` and `digits-0000.params`. The files in
`tutorials/digits` were written by this script.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from pathlib import Path
from typing import Any, Sequence

# First, since on Python 3.12 or later, or on a current NumPy, MXNet 1.9.1 misses
# names that they removed and that gluon_subgraph puts back.
import gluon_subgraph  # noqa: F401

# isort: split
import mxnet as mx
import numpy as np
from mxnet.gluon import HybridBlock, nn

__all__ = ["DigitsNet", "ResidualBlock", "load_digits_data", "load_network", "measure_accuracy", "train", "export"]

FILES = Path(__file__).resolve().parent / "digits"
SEED = 5
TEST_SHARE = 0.25
EPOCHS = 30
BATCH_SIZE = 32
PEAK_LEARNING_RATE = 0.01
MINIMUM_ACCURACY = 0.98
LARGEST_PIXEL = 16.0


class ResidualBlock(HybridBlock):
    """Two 3x3 convolutions beside a shortcut, added, then a relu.

    The sum is the node `add` and the result the node `relu`, both behind the
    block's prefix, such as `digits_stage2_relu`.

    Parameters
    ----------
    channels : int
        Output channels.
    stride : int, default 1
        Stride of the first convolution and of the shortcut.
    downsample : bool, default False
        Whether the shortcut is a 1x1 convolution with BatchNorm. Wanted where
        the shape changes; otherwise the shortcut is the input itself.
    prefix, params : optional
        As for any Gluon Block.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        downsample: bool = False,
        prefix: str | None = None,
        params: mx.gluon.ParameterDict | None = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        with self.name_scope():
            self.body = nn.HybridSequential(prefix="body_")
            with self.body.name_scope():
                self.body.add(nn.Conv2D(channels, 3, stride, padding=1, use_bias=False))
                self.body.add(nn.BatchNorm())
                self.body.add(nn.Activation("relu"))
                self.body.add(nn.Conv2D(channels, 3, 1, padding=1, use_bias=False))
                self.body.add(nn.BatchNorm())
            self.downsample = None
            if downsample:
                self.downsample = nn.HybridSequential(prefix="downsample_")
                with self.downsample.name_scope():
                    self.downsample.add(nn.Conv2D(channels, 1, stride, use_bias=False))
                    self.downsample.add(nn.BatchNorm())

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 (the name Gluon gives it)
        """Return the activated sum, shape (batch, channels, height, width)."""
        residual = x if self.downsample is None else self.downsample(x)
        total = F.elemwise_add(self.body(x), residual, name="add")
        return F.Activation(total, act_type="relu", name="relu")


class DigitsNet(HybridBlock):
    """A residual network for 8x8 digits, built as those of Gluon's model zoo are.

    Its children are `stem`, `stage1`, `stage2`, `stage3`, `pool` and `head`.
    Only `stage2` has a downsampling shortcut. The exported values are loaded by
    `net.collect_params().load(file)`; `net.load_parameters` prepends the prefix
    a second time and finds nothing.

    Parameters
    ----------
    classes : int, default 5
        Outputs of the head.
    prefix : str or None, default "digits_"
        The exported parameters carry this prefix. With another one they need
        matching before they can be loaded.
    params : ParameterDict, optional
        As for any Gluon Block.
    """

    def __init__(
        self,
        classes: int = 5,
        prefix: str | None = "digits_",
        params: mx.gluon.ParameterDict | None = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        with self.name_scope():
            self.stem = nn.HybridSequential(prefix="stem_")
            with self.stem.name_scope():
                self.stem.add(nn.Conv2D(16, 3, padding=1, use_bias=False))
                self.stem.add(nn.BatchNorm())
                self.stem.add(nn.Activation("relu"))
            self.stage1 = ResidualBlock(16, prefix="stage1_")
            self.stage2 = ResidualBlock(32, stride=2, downsample=True, prefix="stage2_")
            self.stage3 = ResidualBlock(32, prefix="stage3_")
            self.pool = nn.GlobalAvgPool2D(prefix="pool_")
            self.head = nn.Dense(classes, prefix="head_")

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 (the name Gluon gives it)
        """Return one unscaled score per class, shape (batch, classes)."""
        x = self.stem(x)
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.head(self.pool(x))


def load_network() -> DigitsNet:
    """Return the network trained on the digits 0 to 4, from the files in `tutorials/digits`."""
    net = DigitsNet()
    net.collect_params().load(str(FILES / "digits-0000.params"), ctx=mx.cpu())
    return net


def load_digits_data(
    classes: Sequence[int] = range(5),
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the chosen digits, split into three quarters to train on and one to test on.

    The split is stratified and always the same for the same `classes`.

    Parameters
    ----------
    classes : sequence of int, default range(5)
        The digits wanted. `classes[k]` gets the label k.

    Returns
    -------
    train_images : numpy.ndarray
        Shape (images, 1, 8, 8), float32. scikit-learn's pixels are counts from
        0 to 16; here they are divided by 16, so from 0 to 1.
    train_labels : numpy.ndarray
        Shape (images,), int32, from 0.
    test_images, test_labels : numpy.ndarray
        The same for the images held out.
    """
    # Imported here: the network itself can be rebuilt without scikit-learn.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    label_of_digit = {digit: label for label, digit in enumerate(classes)}
    digits = load_digits()
    kept = np.isin(digits.target, list(label_of_digit))
    images = (digits.images[kept] / LARGEST_PIXEL).astype("float32")[:, np.newaxis]
    labels = np.array([label_of_digit[digit] for digit in digits.target[kept]], dtype="int32")
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_SHARE, stratify=labels, random_state=SEED
    )
    return train_images, train_labels, test_images, test_labels


def measure_accuracy(net: HybridBlock, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose highest score is that of their label.

    Parameters
    ----------
    net : HybridBlock
        Initialised; run as for inference. Is not modified.
    images : numpy.ndarray
        Shape (images, 1, 8, 8).
    labels : numpy.ndarray
        Shape (images,).

    Returns
    -------
    float
        From 0 to 1.
    """
    scores = net(mx.nd.array(images)).asnumpy()
    return float((scores.argmax(axis=1) == labels).mean())


def train(net: HybridBlock, images: np.ndarray, labels: np.ndarray, epochs: int = EPOCHS) -> None:
    """Train `net` in place with Adam, showing a progress bar.

    Parameters
    ----------
    net : HybridBlock
        Initialised network; its parameters are changed.
    images : numpy.ndarray
        Shape (images, 1, 8, 8).
    labels : numpy.ndarray
        Shape (images,).
    epochs : int, default 30
        Passes over the images. The learning rate falls to 0 over all of them.
    """
    # Imported here: only training shows progress.
    from tqdm import tqdm

    shuffler = np.random.RandomState(SEED)
    compute_loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    steps = epochs * math.ceil(len(images) / BATCH_SIZE)
    schedule = mx.lr_scheduler.CosineScheduler(steps, base_lr=PEAK_LEARNING_RATE, final_lr=0)
    # The rate is given twice since the optimizer otherwise prints that Adam's default replaces it.
    settings = {"learning_rate": PEAK_LEARNING_RATE, "lr_scheduler": schedule}
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", settings)
    progress = tqdm(range(epochs), desc="training", unit="epoch")
    for _ in progress:
        order = shuffler.permutation(len(images))
        loss_sum = 0.0
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            with mx.autograd.record():
                loss = compute_loss(net(mx.nd.array(images[batch])), mx.nd.array(labels[batch]))
            loss.backward()
            trainer.step(len(batch))
            loss_sum += float(loss.sum().asscalar())
        progress.set_postfix(loss=f"{loss_sum / len(images):.4f}")


def export(net: HybridBlock, directory: Path) -> list[Path]:
    """Write `digits-symbol.json` and `digits-0000.params`, and return their paths.

    Both are written in a folder beside, then renamed, so that no reader meets
    half a file.

    Parameters
    ----------
    net : HybridBlock
        Hybridized, and called at least once since.
    directory : pathlib.Path
        Made if there is none. Files of the same names are replaced.

    Returns
    -------
    list of pathlib.Path
        The symbol file, then the parameter file.
    """
    names = ["digits-symbol.json", "digits-0000.params"]
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=str(directory)) as beside:
        net.export(str(Path(beside) / "digits"), epoch=0)
        for name in names:
            os.replace(str(Path(beside) / name), str(directory / name))
    return [directory / name for name in names]


def main() -> None:
    """Train, print the test accuracy, and export.

    Raises
    ------
    SystemExit
        The accuracy is under 98 %; nothing was written.
    """
    parser = argparse.ArgumentParser(description="Train DigitsNet on the digits 0 to 4.")
    parser.add_argument("--out", type=Path, default=FILES, help="folder of the two files (default: digits, beside)")
    out = parser.parse_args().out

    mx.random.seed(SEED)
    train_images, train_labels, test_images, test_labels = load_digits_data()
    net = DigitsNet()
    net.initialize(mx.init.Xavier())
    net.hybridize()
    train(net, train_images, train_labels)
    accuracy = measure_accuracy(net, test_images, test_labels)
    print(f"test accuracy: {accuracy:.4f} of {len(test_labels)} images")
    if accuracy < MINIMUM_ACCURACY:
        raise SystemExit(f"under {MINIMUM_ACCURACY}; nothing was written")
    for path in export(net, out):
        print(f"{path} ({path.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
