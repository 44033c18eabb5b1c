"""A checkpoint under names that somebody else gave, for the tutorial on binding and the demonstration."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["foreign_checkpoint"]


def foreign_checkpoint(net: Any) -> dict[str, np.ndarray]:
    """Return the weights of a network as another collection would name and keep them: a mapping of name to array."""
    words = {"gamma": "weight", "beta": "bias"}
    renamed = {}
    for name, parameter in net._collect_params_with_prefix().items():
        layer, _, role = name.rpartition(".")
        layer = layer.replace("stem", "conv_in").replace("stage", "layer").replace("head", "classifier.fc")
        renamed[f"module.{layer}.{words.get(role, role)}"] = parameter.data().asnumpy()
    return renamed
