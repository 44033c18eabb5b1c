"""The errors of the package, and the helpers that phrase them.

Every message has the same shape: what is wrong with the offending value quoted, what was there instead,
what to type to put it right, and what has not been changed.
"""

from __future__ import annotations

import difflib
from typing import Any, Collection, Iterable

__all__ = [
    "SubgraphError",
    "UnknownNodeError",
    "OpenCutError",
    "BindingError",
    "NameConflictError",
    "nearest_names",
    "shorten",
    "kind_of",
    "mxnet_reason",
]

_MOST_COMPARED = 20_000  # difflib compares about 20 000 names in a second


class SubgraphError(ValueError):
    """Base of every error this package raises on purpose."""


class UnknownNodeError(SubgraphError):
    """A name, index or block that does not belong to the network, or that stands for several tensors.

    Attributes
    ----------
    candidates : tuple of str
        The tensors it may mean, where there are several.
    """

    def __init__(self, message: str, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.candidates = candidates


class OpenCutError(SubgraphError):
    """The inputs given do not separate the outputs from the rest of the network.

    Attributes
    ----------
    leaks : tuple of str
        The inputs of the network that still reach an output.
    repair : tuple of str
        The smallest set of further inputs that closes the cut.
    """

    def __init__(self, message: str, leaks: tuple[str, ...] = (), repair: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.leaks = leaks
        self.repair = repair


class BindingError(SubgraphError):
    """Parameters that are missing, or that do not fit."""


class NameConflictError(SubgraphError):
    """Two different things would carry one name."""


def nearest_names(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of `names`, those spelled most like `name` first.

    Names that contain `name`, or are contained in it, come before merely similar ones.

    Examples
    --------
    >>> nearest_names("conv1", ["net_conv1_fwd", "net_conv0_fwd", "net_pool0_fwd"])
    ['net_conv1_fwd', 'net_conv0_fwd']
    """
    pool = list(dict.fromkeys(filter(None, names)))
    lowered = name.lower()
    inside = [n for n in pool if lowered and (lowered in n.lower() or n.lower() in lowered)]
    inside.sort(key=lambda n: (abs(len(n) - len(name)), n))
    similar = difflib.get_close_matches(name, pool[:_MOST_COMPARED], n=count, cutoff=0.4)
    return list(dict.fromkeys(inside[:count] + similar))[:count]


def shorten(names: Collection[str], most: int = 3) -> str:
    """Return `names` quoted and joined, the first `most` of them and a count of the rest.

    Examples
    --------
    >>> shorten(["a", "b", "c", "d"], most=2)
    "'a', 'b' and 2 more"
    """
    shown = ", ".join(repr(n) for n in list(names)[:most])
    rest = len(names) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def kind_of(value: Any) -> str:
    """Return what `value` is, with its module where NumPy and MXNet have a type of the same name.

    Examples
    --------
    >>> import numpy
    >>> kind_of(numpy.ones(2)), kind_of([])
    ('numpy.ndarray', 'list')
    """
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}" if kind.__name__ == "ndarray" else kind.__name__


def mxnet_reason(error: BaseException) -> str:
    r"""Return what an MXNet error says, without its C++ stack.

    Examples
    --------
    >>> mxnet_reason(ValueError("Traceback (most recent call last):\n  Check failed: too many"))
    'Check failed: too many'
    """
    return str(error).strip().splitlines()[-1].strip()
