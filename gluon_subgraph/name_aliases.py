"""Which names of a file are read as those of parameters, and as what: some say something only together with others."""

from __future__ import annotations

import re
from typing import Collection, Mapping

from .name_parts import weights_in_parts
from .sides import Shape

__all__ = ["names_to_read"]

_COUNTERS = ("num_batches_tracked", "num_updates", "global_step")
# The last words of scale, bias, mean and variance that say it only together: those of PaddlePaddle and of Caffe2,
# whose `riv` is a variance (EST_VAR of its SpatialBN); beside a `w` the `s` is something else.
_ONLY_TOGETHER = (("w_0", "b_0", "w_1", "w_2"), ("s", "b", "rm", "riv"), ("s", "b"))
_USUAL = ("gamma", "beta", "mean", "var")
# What an optimizer keeps: a folder of its own, or something behind the name of each parameter (TensorFlow, Paddle).
_OF_OPTIMIZERS = re.compile(r"(?:^|[./])(?:optimizers?|optim|optimizer_(?:states?|state_dict|weights)|opt_state)[./]")
_SLOT = re.compile(
    r"(.+)(?:[./](?:Adam\w*|Momentum|RMSProp|Adagrad|Adadelta|Ftrl|LARS|LAMB)(?:_\d+)?"
    r"|_(?:velocity|momentum|moment[12]?|beta[12]_pow_acc|mean_square|mean_grad|inf_norm)_\d+)(?::\d+)?"
)

_WORDS_OF_OPTIMIZERS = (
    *("optim", "opt_state", "Adam", "Momentum", "RMSProp", "Adagrad", "Adadelta", "Ftrl", "LARS", "LAMB"),
    *("_velocity_", "_moment", "_pow_acc_", "_mean_square_", "_mean_grad_", "_inf_norm_"),
)


def names_to_read(shapes: Mapping[str, Shape]) -> dict[str, str]:
    """Return the names that are those of parameters, in order, each with what it is read as.

    Counters and what an optimizer keeps are none. Of a weight in parts the part of its shape is read as the weight.

    Examples
    --------
    >>> names_to_read({"norm_1.w_0": (4,), "norm_1.b_0": (4,), "norm_1.w_1": (4,), "norm_1.w_2": (4,)})["norm_1.w_2"]
    'norm_1.var'
    >>> names_to_read({"conv/kernel": (2, 1), "conv/kernel/Adam": (2, 1), "global_step": ()})
    {'conv/kernel': 'conv/kernel'}
    """
    names = {name: name for name in shapes if not name.endswith(_COUNTERS)}
    text = "\n".join(names)
    if any(word in text for word in _WORDS_OF_OPTIMIZERS):
        names = {name: name for name in names if not _is_of_optimizer(name, names)}
    for weight, base, parts in weights_in_parts({name: shapes[name] for name in names}):
        names[base] = weight
        for name in set(parts) - {base}:
            names.pop(name, None)
    return {**names, **_together(names)}


def _is_of_optimizer(name: str, names: Collection[str]) -> bool:
    """Whether a name is that of something an optimizer keeps; behind a parameter's name, if there is the parameter."""
    if _OF_OPTIMIZERS.search(name):
        return True
    slot = _SLOT.fullmatch(name)
    return slot is not None and (slot.group(1) in names or slot.group(1) + ":0" in names)


def _together(names: Collection[str]) -> dict[str, str]:
    """Return what to read in place of names whose roles only several of them together tell."""
    found: dict[str, str] = {}
    for words in _ONLY_TOGETHER:
        for name in [name for name in names if name.endswith(words[-1])]:
            stem = name[: -len(words[-1])]
            several = [stem + word for word in words]
            is_apart = bool(stem) and not stem[-1].isalnum() and stem + "w" not in names
            if is_apart and several[0] not in found and all(one in names for one in several):
                found.update((one, stem + usual) for one, usual in zip(several, _USUAL))
    return found
