"""A block whose children are settled: one more would be registered, saved and trained, and yet compute nothing."""

from __future__ import annotations

from typing import Any

from mxnet import gluon

from .errors import SubgraphError, kind_of

__all__ = ["SettledChildren"]


class SettledChildren:
    """Refuses to take further blocks and Parameters; stock Gluon takes them without a word.

    Put before the Gluon class among the bases.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (gluon.Block, gluon.Parameter)):
            raise _unused(self, f"{name!r}", value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in vars(self).get("_children", ()):
            msg = (
                f"{name!r} is a part that this {type(self).__name__} calls, and cannot be deleted.\n"
                f"  It is a {kind_of(vars(self)[name])}.\n"
                "  Assign another head, or make another block with replace_head(net, head); nothing was changed."
            )
            raise SubgraphError(msg)
        super().__delattr__(name)

    def register_child(self, block: Any, name: str | None = None) -> None:
        """Refuse any child.

        Raises
        ------
        SubgraphError
            Always: nothing would call the child.
        """
        raise _unused(self, "a child" if name is None else f"child {name!r}", block)


def _unused(owner: Any, what: str, value: Any) -> SubgraphError:
    children = list(owner._children)
    has = f"its children are {' and '.join(map(repr, children))}" if children else "it computes its symbol, no children"
    verb = "read" if isinstance(value, gluon.Parameter) else "call"
    return SubgraphError(
        f"{what} would be a {kind_of(value)} that nothing in this {type(owner).__name__} uses.\n"
        f"  What the block computes is settled: {has}.\n"
        f"  Write a HybridBlock that holds both and {verb}s it, or give the network another head with"
        " replace_head(net, head); nothing was changed."
    )
