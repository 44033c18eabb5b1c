"""The choice between the compiled kernels and their Python twins, which give the same results.

The environment variable GLUON_SUBGRAPH_MATCHER=python or =cython, read at import, forces one of them.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from .errors import SubgraphError

__all__ = ["CHOICE", "MOST_CELLS", "alignment", "load_kernels", "ordered", "symbol_text", "unordered"]

MOST_CELLS = 16_000_000  # of the table that `alignment` is given: what is longer is not aligned


def load_kernels(compiled: str, twin: str, choice: str) -> ModuleType:
    """Return the compiled kernels or their twin.

    Parameters
    ----------
    compiled, twin : str
        Modules of this package.
    choice : str
        "python" takes the twin, "cython" the compiled module, and "" that one if it is there.

    Raises
    ------
    SubgraphError
        `choice` is none of "", "python" and "cython", or the compiled module does not load and was asked for.
    """
    if choice not in ("", "python", "cython"):
        message = (
            f"GLUON_SUBGRAPH_MATCHER={choice!r} names no matcher.\n"
            "  There are 'python' and 'cython'.\n"
            "  Unset it to take the compiled one if it is built."
        )
        raise SubgraphError(message)
    if choice != "python":
        try:
            return importlib.import_module(f"{__package__}.{compiled}")
        except ImportError as error:
            if choice == "cython":
                message = (
                    f"GLUON_SUBGRAPH_MATCHER='cython', but the compiled matcher does not load: {error}.\n"
                    "  Install a C compiler and then this package with GLUON_SUBGRAPH_REQUIRE_CYTHON=1 set."
                )
                raise SubgraphError(message) from None
    return importlib.import_module(f"{__package__}.{twin}")


CHOICE = os.environ.get("GLUON_SUBGRAPH_MATCHER", "")
alignment = load_kernels("_alignment", "_alignment_py", CHOICE)
ordered = load_kernels("_matcher", "_matcher_py", CHOICE)
symbol_text = load_kernels("_symbol_text", "_symbol_text_py", CHOICE)
unordered = load_kernels("_unordered", "_unordered_py", CHOICE)
