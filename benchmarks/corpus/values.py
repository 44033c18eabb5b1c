"""Random values that every process can make again from a parameter's name, and the fingerprints of activations.

Only NumPy is imported: the torch side of the corpus runs in another environment than MXNet does.
"""

from __future__ import annotations

import functools
import zlib
from typing import Any

import numpy as np

SAMPLES = 48  # entries of an activation that its fingerprint remembers
CLOSE = 2e-3  # two fingerprints farther apart than this are different activations


def random_value(name: str, shape: tuple[int, ...], role: str) -> np.ndarray:
    """Return the value of parameter `name`: no two names have the same, no network ends in zeros or infinities."""
    stream = np.random.default_rng(zlib.crc32(name.encode()))
    if role in {"running_var", "scale"}:
        return stream.uniform(0.6, 1.4, shape).astype("float32")
    if role == "fixed":  # MXNet overwrites such a scale with ones
        return np.ones(shape, "float32")
    noise = stream.standard_normal(shape, dtype="float32")
    if role not in {"weight", "bias", "running_mean"}:  # a table or a scale of no layer
        return 0.3 + 0.5 * noise
    if role in {"bias", "running_mean"}:
        return 0.2 * noise
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    return noise * np.float32((1.6 / max(fan_in, 1)) ** 0.5)


def random_input(shape: tuple[int, ...], vocabulary: int = 0, number: int = 0) -> np.ndarray:
    """Return input `number` every network is run on: an image of noise, or tokens of a vocabulary."""
    stream = np.random.default_rng(17 + number)
    if vocabulary:
        return stream.integers(0, vocabulary, shape)
    return stream.standard_normal(shape, dtype="float32")


def fingerprint(activation: Any) -> np.ndarray:
    """Return a few entries of an activation and its size: equal for equal activations, whatever their rank."""
    flat = np.asarray(activation, dtype="float32").ravel()
    if not flat.size:
        return np.zeros(SAMPLES + 2)
    scale = float(np.linalg.norm(flat)) / flat.size**0.5 + 1e-12
    return np.concatenate([flat[_places(flat.size)], [scale, flat.size]]).astype("float64")


@functools.lru_cache(maxsize=None)
def _places(size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, size, SAMPLES)


def same(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two fingerprints are of the same activation, up to rounding."""
    if first[-1] != second[-1]:
        return False
    scale = max(first[-2], second[-2])
    return bool(np.isfinite(scale)) and float(np.abs(first[:-1] - second[:-1]).max()) <= CLOSE * scale * 3
