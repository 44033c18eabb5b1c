"""A network like HRNet-W18: parallel branches of falling resolution that exchange their values; 325 convolutions."""

from __future__ import annotations

from typing import Any, Sequence

from mxnet import gluon
from mxnet.gluon import nn

WIDTHS = (18, 36, 72, 144)
MODULES = (1, 4, 3)  # of two, three and four branches
HEADS = (32, 64, 128, 256)


def conv(channels: int, kernel: int = 3, stride: int = 1, *, is_active: bool = True) -> nn.HybridSequential:
    """Return a convolution with its BatchNorm, and an activation."""
    made = nn.HybridSequential(prefix="")
    made.add(nn.Conv2D(channels, kernel, stride, kernel // 2, use_bias=False), nn.BatchNorm())
    if is_active:
        made.add(nn.Activation("relu"))
    return made


def sequence(*blocks: Any) -> nn.HybridSequential:
    """Return blocks one behind the other; none, and it returns what it is given."""
    made = nn.HybridSequential(prefix="")
    made.add(*blocks)
    return made


class Residual(gluon.HybridBlock):
    """A sum of what it is given, through `shortcut` where there is one, and `body`."""

    def __init__(self, body: Any, shortcut: Any = None) -> None:
        super().__init__()
        with self.name_scope():
            self.body = body
            self.shortcut = shortcut

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name for it
        return F.Activation(self.body(x) + (x if self.shortcut is None else self.shortcut(x)), act_type="relu")


def basic(channels: int) -> Residual:
    """Return a residual block of two convolutions."""
    return Residual(sequence(conv(channels), conv(channels, is_active=False)))


def bottleneck(channels: int, *, is_first: bool) -> Residual:
    """Return a residual block that is narrow inside; the first has a convolution beside it."""
    body = sequence(conv(channels, 1), conv(channels), conv(4 * channels, 1, is_active=False))
    return Residual(body, conv(4 * channels, 1, is_active=False) if is_first else None)


class Exchange(gluon.HybridBlock):
    """Branches of four residual blocks; each result is a sum over all branches, brought to its resolution."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.count = len(widths)
        with self.name_scope():
            for i, width in enumerate(widths):
                setattr(self, f"branch{i}", sequence(*(basic(width) for _ in range(4))))
            for i, width in enumerate(widths):
                for j, other in enumerate(widths):
                    if j > i:
                        setattr(self, f"fuse{i}{j}", conv(width, 1, is_active=False))
                    elif j < i:
                        steps = [conv(other, stride=2) for _ in range(i - j - 1)]
                        setattr(self, f"fuse{i}{j}", sequence(*steps, conv(width, stride=2, is_active=False)))

    def hybrid_forward(self, F: Any, *values: Any) -> list[Any]:  # noqa: N803 - Gluon's name for it
        branches = [getattr(self, f"branch{i}")(value) for i, value in enumerate(values)]
        results = []
        for i in range(self.count):
            total = None
            for j, x in enumerate(branches):
                y = x if i == j else getattr(self, f"fuse{i}{j}")(x)
                y = F.UpSampling(y, scale=2 ** (j - i), sample_type="nearest") if j > i else y
                total = y if total is None else total + y
            results.append(F.Activation(total, act_type="relu"))
        return results


class HRNet(gluon.HybridBlock):
    """The network for images of any size that 32 divides."""

    def __init__(self, classes: int = 1000, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.stem = sequence(conv(64, stride=2), conv(64, stride=2))
            self.first = sequence(*(bottleneck(64, is_first=i == 0) for i in range(4)))
            self.begin0 = conv(WIDTHS[0])
            for i in range(1, 4):
                setattr(self, f"begin{i}", conv(WIDTHS[i], stride=2))
            for stage, count in enumerate(MODULES):
                for k in range(count):
                    setattr(self, f"module{stage}{k}", Exchange(WIDTHS[: stage + 2]))
            for i, channels in enumerate(HEADS):
                setattr(self, f"head{i}", bottleneck(channels, is_first=True))
            for i in range(3):
                setattr(self, f"down{i}", conv(4 * HEADS[i + 1], stride=2))
            self.end = sequence(conv(2048, 1), nn.GlobalAvgPool2D(), nn.Dense(classes))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name for it
        x = self.first(self.stem(x))
        values = [self.begin0(x), self.begin1(x)]
        for stage, count in enumerate(MODULES):
            if stage:
                values.append(getattr(self, f"begin{stage + 1}")(values[-1]))
            for k in range(count):
                values = getattr(self, f"module{stage}{k}")(*values)
        x = self.head0(values[0])
        for i in range(3):
            x = getattr(self, f"down{i}")(x) + getattr(self, f"head{i + 1}")(values[i + 1])
        return self.end(x)
