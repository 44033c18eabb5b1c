"""What stands in a checkpoint beside MXNet's and NumPy's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


class Tensor:
    """As torch's: a dtype NumPy does not know, and values only on the CPU without gradient."""

    def __init__(self, array: Any, *, detached: bool = False, on_cpu: bool = False, dtype: str = "") -> None:
        self.array = np.asarray(array)
        self.shape = self.array.shape
        self.dtype = DType(dtype or self.array.dtype.name)
        self.detached, self.on_cpu = detached, on_cpu

    def detach(self) -> Tensor:
        return Tensor(self.array, detached=True, dtype=self.dtype.name)

    def cpu(self) -> Tensor:
        return Tensor(self.array, detached=self.detached, on_cpu=True, dtype=self.dtype.name)

    def float(self) -> Tensor:
        return Tensor(self.array.astype("float32"), detached=self.detached, on_cpu=self.on_cpu)

    def numpy(self) -> Any:
        assert self.detached
        assert self.on_cpu
        assert self.dtype.name != "bfloat16"
        return self.array


class DType:
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"torch.{self.name}"


class Entry:
    """A file's header entry: shape and dtype, no value."""

    def __init__(self, array: Any) -> None:
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype).name


class Lazy(dict):  # type: ignore[type-arg]
    """Counts what is read."""

    def __init__(self, values: Any) -> None:
        super().__init__(values)
        self.read: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.read.append(name)
        return super().__getitem__(name)


class Unreadable:
    """What a damaged lazy file gives: a header without values."""

    shape, dtype = (5,), "float32"

    def __array__(self, *_: Any, **__: Any) -> Any:
        msg = "the file is gone"
        raise OSError(msg)
