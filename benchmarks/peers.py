"""torch_liberator, which finds out what belongs to what from the names alone; it needs torch, for its tensors."""

from __future__ import annotations

from typing import Any, Mapping


class OneValue:
    """A tensor as far as torch_liberator looks at it."""

    def size(self) -> tuple[int, ...]:
        return (1,)


ONE_VALUE = OneValue()


class Model:
    """A torch module as far as torch_liberator looks at it."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)


def associate(state: Mapping[str, Any], given: Mapping[str, Any], strategy: str) -> dict[str, str]:
    """Return {given: own} as `load_partial_state` associates the names."""
    from torch_liberator import load_partial_state

    info = load_partial_state(Model(state), dict(given), leftover=None, association=strategy, verbose=0)
    return dict(info["mapping"])
