"""What the words of frameworks say of a parameter's role in its layer: a weight, a bias, a mean or a variance."""

from __future__ import annotations

import re
from typing import Sequence

__all__ = ["Role", "split_role", "is_norm_word"]

Role = str  # "weight", "bias", "mean" or "var"

_ROLE_OF_WORD: dict[str, Role] = {
    **dict.fromkeys(("weight", "weights", "kernel", "w", "gamma", "γ", "scale", "scales", "alpha", "slope"), "weight"),
    **dict.fromkeys(("filter", "filters"), "weight"),
    **dict.fromkeys(("bias", "biases", "b", "beta", "β", "offset", "shift"), "bias"),
    **dict.fromkeys(("mean", "mu", "μ", "µ", "gmean", "runmean"), "mean"),
    **dict.fromkeys(("var", "variance", "σ²", "gvar", "runvar", "runvariance"), "var"),
}
# Of these, the words of a normalisation that a convolution does not use.
_OF_NORMS = {"gamma", "γ", "scale", "scales", "beta", "β", "offset", "shift"}
# These say what they are even when they are not the last word (``weight_ih_l0``).
_ROLE_ANYWHERE = {word: _ROLE_OF_WORD[word] for word in ("weight", "kernel", "bias", "gamma", "beta")}
_AROUND_STATISTICS = {"running", "moving", "rolling", "pop", "global", "batch", "avg", "average", "est", "ema"}
_NUMBERED = re.compile(r"([^\W\d_]+)(\d+)$")


def split_role(words: Sequence[str]) -> tuple[tuple[str, ...], Role | None]:
    """Return the words of a name that say which layer it belongs to, and its role; None where no word tells it.

    Examples
    --------
    >>> split_role(["bn1", "moving", "variance"])
    (('bn1',), 'var')
    >>> split_role(["W2"])
    (('layer2',), 'weight')
    >>> split_role(["gamma2"])
    (('norm2',), 'weight')
    >>> split_role(["p0012"])
    (('p0012',), None)
    """
    if not words:
        return (), None
    word = words[-1].lower()
    role = _ROLE_OF_WORD.get(word)
    if role == "weight" or role == "bias":
        return tuple(words[:-1]), role
    last = len(words) - 1
    while last > 0 and words[last].lower() in _AROUND_STATISTICS:  # mean/EMA, mean_ema/average
        last -= 1
    role = _ROLE_OF_WORD.get(words[last].lower())
    if role == "mean" or role == "var":
        return _before_statistics(words, last), role
    numbered = _NUMBERED.match(word)
    role = _ROLE_OF_WORD.get(numbered.group(1)) if numbered is not None else None
    if numbered is not None and role is not None:  # W1 and b1 are of one layer
        is_of_norm = role in ("mean", "var") or numbered.group(1) in _OF_NORMS
        return (
            *_before_statistics(words, len(words) - 1),
            ("norm" if is_of_norm else "layer") + numbered.group(2),
        ), role
    for i in range(len(words) - 2, -1, -1):
        role = _ROLE_ANYWHERE.get(words[i].lower())
        if role is not None:
            return (*words[:i], *words[i + 1 :]), role
    return tuple(words), None


def _before_statistics(words: Sequence[str], last: int) -> tuple[str, ...]:
    """Return the words before one, without those that go with a mean or a variance."""
    while last > 0 and words[last - 1].lower() in _AROUND_STATISTICS:
        last -= 1
    return tuple(words[:last])


def is_norm_word(words: Sequence[str], role: Role) -> bool:
    """Return whether the words of a name say that a parameter of a role is one of a normalisation."""
    return role in ("mean", "var") or (bool(words) and words[-1].lower() in _OF_NORMS)
