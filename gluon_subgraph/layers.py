"""The normal form of a graph for the matcher, and its layers: the operators that own parameters, with their slots."""

from __future__ import annotations

from typing import Mapping

from ._forms_py import Form, Layer, Step
from .graph import Graph
from .kernels import CHOICE, load_kernels, symbol_text
from .sides import Shape

__all__ = ["Layer", "Step", "Form", "read_form", "read_form_of_text", "read_layers", "differing_settings"]

_forms = load_kernels("_forms", "_forms_py", CHOICE)


def read_form(graph: Graph, shapes: Mapping[str, Shape]) -> Form:
    """Return the normal form of a graph; variables in `shapes` are parameters, all others are inputs.

    A value that is computed from parameters alone counts as parameters of the operator that reads it, as where the
    weights of a recurrent layer are joined first. O(nodes + edges) time.
    """
    form: Form = _forms.read_form_of_nodes(graph.nodes, graph.outputs, shapes)
    return form


def read_form_of_text(text: str, shapes: Mapping[str, Shape]) -> Form:
    """Return the normal form of a network given as Symbol JSON, as `read_form` does.

    Raises
    ------
    json.JSONDecodeError
        It is no JSON.
    """
    form: Form = _forms.read_form_of_text(symbol_text.read_symbol_text(text), shapes)
    return form


def read_layers(graph: Graph, shapes: Mapping[str, Shape]) -> list[Layer]:
    """Return the layers of a graph in the order in which they are computed."""
    return [step.layer for step in read_form(graph, shapes).steps if step.layer is not None]


_NOT_STRUCTURE = frozenset({"eps", "fix_gamma"})  # told apart where values are loaded


def differing_settings(layer1: Layer, layer2: Layer) -> list[tuple[str, str, str]]:
    """Return (setting, value, other value) of what two layers of one kind compute differently, whatever they hold."""
    if layer1.kind != layer2.kind or layer1.attrs == layer2.attrs:
        return []
    settings = [dict(layer.attrs) for layer in (layer1, layer2)]
    keys = sorted((settings[0].keys() | settings[1].keys()) - _NOT_STRUCTURE)
    values = [(key, settings[0].get(key, ""), settings[1].get(key, "")) for key in keys]
    return [(key, one, other) for key, one, other in values if one != other]
