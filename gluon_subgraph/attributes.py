"""Attribute values at which MXNet 1.9.1 ends the process instead of raising an error.

Found by trying 0, negative and huge values for every integer attribute of every operator, in shape inference and
in execution: a division by zero, a negative size, or a list of two billion outputs. What needs wrong data as well
cannot be seen here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Iterable, Mapping

from .errors import SubgraphError
from .graph import VARIABLE, Graph, bodies_below

__all__ = ["check_attributes", "check_node_attributes"]

_MOST = 1_000_000
# Least value of an attribute, whatever the operator.
_LEAST = {"num_group": 1, "num_groups": 1, "num_outputs": 1, "heads": 1, "stride2": 1, "pad_size": 0, "dilate": 0}
_PLACES = ("in_data_locs", "in_state_locs", "remain_locs")  # where the inputs of a loop go in its body
_WATCHED = frozenset({*_LEAST, *_PLACES, "repeat", "sample_type", "num_filter", "num_out_data"})
_INTEGER = re.compile(r"[-+]?[0-9]+")


def check_attributes(graph: Graph) -> None:
    """Refuse a graph with an attribute at which MXNet crashes, in a control-flow body too.

    Raises
    ------
    SubgraphError
        A number of groups, outputs or heads is not positive, or the like.
    """
    for node in graph.nodes:
        check_node_attributes(node.op, node.name, node.attrs, len(node.inputs))
        for body in bodies_below(node):
            for inner in body.get("nodes", ()):
                check_node_attributes(inner["op"], inner["name"], inner.get("attrs", {}), len(inner["inputs"]))


def check_node_attributes(op: str, name: str, attrs: Mapping[str, str], input_count: int) -> None:
    """Refuse attributes of one node, which reads `input_count` entries, at which MXNet crashes.

    Raises
    ------
    SubgraphError
        One of them is below its least value, or beyond all reason.
    """
    watched = attrs.keys() & _WATCHED
    if watched and op != VARIABLE:  # a variable only notes the attributes of its operator
        flaw = _flaw_of(op, frozenset([(attribute, attrs[attribute]) for attribute in watched]), input_count)
        if flaw is not None:
            raise _would_crash(op, name, *flaw)


@lru_cache(maxsize=4096)  # a network repeats few settings many times
def _flaw_of(op: str, watched: frozenset[tuple[str, str]], input_count: int) -> tuple[str, str, str] | None:
    """Return an attribute at which MXNet crashes, its text, and what it should be; None where there is none."""
    attrs = dict(sorted(watched))
    for attribute, least, most in _bounds_for(op, attrs):
        text = attrs.get(attribute, "0")
        if any(not least <= number <= most for number in _integers_in(text)):
            return attribute, text, f"A number there lies between {least} and {most:,}."
    if op == "_foreach":
        places = [attribute for attribute in _PLACES if attribute in attrs]
        if sorted(i for attribute in places for i in _integers_in(attrs[attribute])) != list(range(input_count)):
            texts = ", ".join(attrs[attribute] for attribute in places)
            return ", ".join(places), texts, f"Together they name each of its {input_count} inputs once."
    return None


def _would_crash(op: str, name: str, attribute: str, text: str, reason: str) -> SubgraphError:
    return SubgraphError(
        f"{op} {name!r} has {attribute}={text!r}, at which MXNet crashes.\n"
        f"  {reason} The network is damaged.\n"
        "  Put that right in the symbol file, or export the network anew; nothing was changed."
    )


def _integers_in(text: str) -> list[int]:
    return [int(number[:20]) for number in _INTEGER.findall(text)]


def _bounds_for(op: str, attrs: Mapping[str, str]) -> Iterable[tuple[str, int, int]]:
    """Yield the attributes to look at, with the least and the greatest value of each."""
    yield from ((attribute, least, _MOST) for attribute, least in _LEAST.items() if attribute in attrs)
    if op == "_contrib_arange_like" and "repeat" in attrs:
        yield "repeat", 1, _MOST
    if op == "UpSampling" and attrs.get("sample_type") == "bilinear":
        yield "num_filter", 1, _MOST  # it becomes the number of groups of a Deconvolution
    if op in ("_foreach", "_while_loop"):
        yield "num_out_data", 0, max(_integers_in(attrs.get("num_outputs", "0")), default=0)
