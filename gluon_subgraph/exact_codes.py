"""Codes for whole cones of two networks: equal codes, equal functions of equal inputs, up to the values of parameters.

Every operator counts with all that it computes, every layer with its shapes, every input by its name. Codes are exact,
given out by a table and not by a hash function.
"""

from __future__ import annotations

from typing import Hashable, Mapping, Sequence

from .layers import Form, Layer

__all__ = ["ExactCodes"]


class ExactCodes:
    """The codes of all steps of two networks, comparable with each other. O(nodes + edges).

    Attributes
    ----------
    codes : pair of list of int
        For each step of either network.
    """

    def __init__(self, forms: tuple[Form, Form], input_names: Sequence[Mapping[int, str]]) -> None:
        self.forms = forms
        table: dict[Hashable, int] = {}
        self.codes = [_codes_of(form, names, table, side) for side, (form, names) in enumerate(zip(forms, input_names))]

    def isomorphism(self) -> list[tuple[Layer, Layer]] | None:
        """Return the layers of both networks in pairs if the networks are the same, else None.

        Both are walked from their outputs. Where inputs of a sum have equal codes, either way is right as long as
        nothing else tells them apart.
        """
        first, second = self.forms
        if [self.codes[0][n] for n in first.outputs] != [self.codes[1][n] for n in second.outputs]:
            return None
        partner: dict[int, int] = {}
        back: dict[int, int] = {}
        stack = list(zip(first.outputs, second.outputs))
        while stack:
            u, v = stack.pop()
            if u in partner or v in back:
                if partner.get(u) != v or back.get(v) != u:
                    return None
                continue
            partner[u], back[v] = v, u
            stack += zip(self._inputs(0, u), self._inputs(1, v))
        pairs = [(first.steps[u].layer, second.steps[v].layer) for u, v in partner.items()]
        return [(t, s) for t, s in pairs if t is not None and s is not None]

    def _inputs(self, side: int, n: int) -> Sequence[int]:
        step = self.forms[side].steps[n]
        return sorted(step.inputs, key=self.codes[side].__getitem__) if step.kind.is_commutative else step.inputs


def _codes_of(form: Form, input_name: Mapping[int, str], table: dict[Hashable, int], side: int) -> list[int]:
    codes: list[int] = []
    only_input = len(input_name) == 1
    for n, step in enumerate(form.steps):
        key: Hashable
        if n in input_name:  # inputs that nothing tells apart are never the same
            key = ("input",) if only_input else ("input", input_name[n] or (side, n))
        else:
            cone = [codes[i] for i in step.inputs]
            if step.kind.is_commutative:
                cone.sort()
            layer = step.layer
            own = None if layer is None else (layer.roles, layer.shapes, layer.made)
            key = (step.kind, step.output, own, tuple(cone))
        codes.append(table.setdefault(key, len(table)))
    return codes
