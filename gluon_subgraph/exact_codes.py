"""Codes for whole cones of two networks: equal codes, equal functions of equal inputs, up to the values of parameters.

Two networks that are written down alike need none (`equal_layers`). Every operator counts with all that it computes,
every layer with its shapes, every input by its name. Codes are exact, given out by a table and not by a hash function.
"""

from __future__ import annotations

from typing import Callable, Hashable, Iterable, Mapping, Sequence, Tuple

from .layers import Form, Layer, Step

__all__ = ["ExactCodes", "equal_layers", "walk_together"]

Pairs = Iterable[Tuple[int, int]]


def equal_layers(
    forms: tuple[Form, Form], input_names: Sequence[Mapping[int, str]]
) -> list[tuple[Layer, Layer]] | None:
    """Return the layers of two networks in pairs if both have the same steps in the same order, else None.

    It is what `ExactCodes.isomorphism` would find, in topological order, and takes little more than a look at both.
    """
    first, second = forms
    inputs = input_names[0]
    is_known = len(inputs) == 1 or all(inputs.values())  # inputs that nothing tells apart are never the same
    if not is_known or inputs != input_names[1] or first.outputs != second.outputs:
        return None
    if len(first.steps) != len(second.steps):
        return None
    pairs = []
    read = set(first.outputs)
    for n, ((kind, cone, layer, output), (kind2, cone2, layer2, output2)) in enumerate(zip(first.steps, second.steps)):
        if cone != cone2 or output != output2 or (kind != kind2 and n not in inputs):
            return None
        if layer is not None and layer2 is not None:
            if layer.shapes != layer2.shapes or layer.roles != layer2.roles or layer.made != layer2.made:
                return None
            pairs.append((layer, layer2))
        elif layer is not layer2:
            return None
        read.update(cone)
    return pairs if len(read) == len(first.steps) and _are_tied_alike(pairs) else None


def _are_tied_alike(pairs: Sequence[tuple[Layer, Layer]]) -> bool:
    """Return whether no parameter of either network is two of the other."""
    ours = [name for layer, _ in pairs for name in layer.parameters]
    theirs = [name for _, layer in pairs for name in layer.parameters]
    count = len(set(ours))
    return count == len(set(theirs)) and (count == len(ours) or count == len(set(zip(ours, theirs))))


class ExactCodes:
    """The codes of all steps of two networks, comparable with each other. O(nodes + edges).

    Parameters
    ----------
    forms : pair of Form
    input_names : pair of mapping of int to str
        What each input (a step) is called in either network, "" where that tells nothing.

    Attributes
    ----------
    forms : pair of Form
    codes : pair of list of int
        For each step of either network.
    """

    def __init__(self, forms: tuple[Form, Form], input_names: Sequence[Mapping[int, str]]) -> None:
        self.forms = forms
        table: dict[Hashable, int] = {}
        self.codes = [_codes_of(form, names, table, side) for side, (form, names) in enumerate(zip(forms, input_names))]

    def of_steps(self, first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the codes of some steps of the first network, and of some of the second."""
        return [self.codes[0][n] for n in first], [self.codes[1][n] for n in second]

    def isomorphism(self) -> list[tuple[Layer, Layer]] | None:
        """Return the layers of both networks in pairs if the networks are the same, else None.

        Both are walked from their outputs. Where inputs of a sum have equal codes, either way is right as long as
        nothing else tells them apart.
        """
        first, second = self.forms
        if [self.codes[0][n] for n in first.outputs] != [self.codes[1][n] for n in second.outputs]:
            return None
        if len(first.steps) != len(second.steps):
            return None
        table: dict[Hashable, int] = {}
        ranks = [_codes_below(form, codes, table) for form, codes in zip(self.forms, self.codes)]
        partner = walk_together(
            zip(first.outputs, second.outputs),
            lambda u, v: zip(_inputs(first.steps[u], ranks[0]), _inputs(second.steps[v], ranks[1])),
        )
        if partner is None:
            return None
        both = [(first.steps[u].layer, second.steps[v].layer) for u, v in partner.items()]
        pairs = [(t, s) for t, s in both if t is not None and s is not None]
        return pairs if _are_tied_alike(pairs) else None


def walk_together(outputs: Pairs, inputs_of: Callable[[int, int], Pairs]) -> dict[int, int] | None:
    """Return {node: node} of two graphs walked from their outputs at once, None where one would have two partners."""
    partner: dict[int, int] = {}
    taken: set[int] = set()
    stack = list(outputs)
    while stack:
        u, v = stack.pop()
        if u not in partner and v not in taken:
            partner[u] = v
            taken.add(v)
            stack += inputs_of(u, v)
        elif partner.get(u) != v:
            return None
    return partner


def _inputs(step: Step, ranks: Sequence[int]) -> Sequence[int]:
    """Return the inputs of a step; of a sum in an order that does not depend on how it is written."""
    return sorted(step.inputs, key=ranks.__getitem__) if step.kind.is_commutative else step.inputs


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


def _codes_below(form: Form, codes: Sequence[int], table: dict[Hashable, int]) -> list[int]:
    """Return codes that tell steps of equal cones apart by all that depends on them."""
    readers: list[list[tuple[int, int]]] = [[] for _ in form.steps]
    for place, n in enumerate(form.outputs):
        readers[n].append((-1, place))
    found = [0] * len(form.steps)
    for n in reversed(range(len(form.steps))):
        found[n] = table.setdefault((codes[n], tuple(sorted(readers[n]))), len(table))
        for position, i in enumerate(form.steps[n].inputs):
            readers[i].append((0 if form.steps[n].kind.is_commutative else position, found[n]))
    return found
