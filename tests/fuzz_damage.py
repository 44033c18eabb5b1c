"""Every way of damaging a file: its bytes, or what its JSON says."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import random
import re
from typing import Any, Callable

import mxnet as mx

HUGE = (0, -1, 1, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30)
ODD_TEXTS = ("", "\0", "x" * 70_000, "\ud800", "[")
ODD_VALUES: tuple[Any, ...] = (*HUGE, *ODD_TEXTS, None, True, 1e308, float("nan"), [], {}, [[]])
NUMBERS = ("0", "-1", "2147483647", "-2147483648", "99999999999", "1" * 40, "nan")
TEXTS = (*NUMBERS, "", "()", "(0, 0)", "(-1,)", "None", "é")


def flip_bits(draw: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 4, 64))):
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def flip_bits_ahead(draw: random.Random, data: bytes) -> bytes:
    return flip_bits(draw, data[:120]) + data[120:]


def truncate(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data))]


def remove_bytes(draw: random.Random, data: bytes) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + data[start + draw.choice((1, 4, 8, 100)) :]


def insert_bytes(draw: random.Random, data: bytes) -> bytes:
    start = draw.randrange(len(data) + 1)
    return data[:start] + draw.getrandbits(64).to_bytes(8, "little")[: draw.randint(1, 8)] + data[start:]


def repeat_bytes(draw: random.Random, data: bytes) -> bytes:
    start, end = sorted((draw.randrange(len(data)), draw.randrange(len(data))))
    return data[:end] + data[start:end] + data[end:]


def write_number(draw: random.Random, data: bytes) -> bytes:
    size = draw.choice((1, 4, 8))
    start = draw.randrange(len(data) // 4) * 4
    number = draw.choice(HUGE) % 2 ** (8 * size)
    return data[:start] + number.to_bytes(size, "little") + data[start + size :]


def swap_words(draw: random.Random, data: bytes) -> bytes:
    one, other = sorted(draw.sample(range(0, len(data) - 8, 4), 2))
    word, other_word = data[one : one + 4], data[other : other + 4]
    return data[:one] + other_word + data[one + 4 : other] + word + data[other + 4 :]


BYTE_CHANGES: tuple[Callable[..., bytes], ...] = (
    *(flip_bits, flip_bits_ahead, truncate, remove_bytes, insert_bytes, repeat_bytes, write_number, swap_words),
)


def _graphs(data: Any) -> list[Any]:
    """Return the graph and the bodies in it, as far as they are still graphs."""
    found = [data]
    for graph in found:  # grows while it is read
        for node in _nodes(graph):
            bodies = node.get("subgraphs")
            found += [body for body in bodies if isinstance(body, dict)] if isinstance(bodies, list) else []
    return found


def _nodes(graph: Any) -> list[Any]:
    nodes = graph.get("nodes")
    return [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []


def _any_nodes(draw: random.Random, data: Any) -> list[Any]:
    return _nodes(draw.choice(_graphs(data))) or [{"inputs": [], "name": "", "op": ""}]


def _entries(node: Any) -> list[Any]:
    entries = node.get("inputs")
    return [e for e in entries if isinstance(e, list) and e] if isinstance(entries, list) else []


def redirect_input(draw: random.Random, data: Any) -> None:
    """Let an input read any node, its own among them: cycles."""
    nodes = _any_nodes(draw, data)
    for entry in _entries(draw.choice([n for n in nodes if _entries(n)] or nodes))[:1]:
        entry[0] = draw.choice((draw.randrange(len(nodes)), draw.choice(HUGE)))


def change_output(draw: random.Random, data: Any) -> None:
    nodes = _any_nodes(draw, data)
    entries = [entry for node in nodes for entry in _entries(node) if len(entry) > 1]
    if entries:
        draw.choice(entries)[1] = draw.choice((1, 2, 3, *HUGE))


def swap_nodes(draw: random.Random, data: Any) -> None:
    nodes = draw.choice(_graphs(data)).get("nodes")
    if isinstance(nodes, list) and len(nodes) > 1:
        i, j = draw.sample(range(len(nodes)), 2)
        nodes[i], nodes[j] = nodes[j], nodes[i]


def swap_fields(draw: random.Random, data: Any) -> None:
    nodes, key = _any_nodes(draw, data), draw.choice(("op", "name", "attrs", "inputs"))
    one, other = draw.choice(nodes), draw.choice(nodes)
    one[key], other[key] = other.get(key, {}), one.get(key, {})


def change_operator(draw: random.Random, data: Any) -> None:
    draw.choice(_any_nodes(draw, data))["op"] = draw.choice(sorted(mx.operator.get_all_registered_operators()))


def change_attribute(draw: random.Random, data: Any) -> None:
    """Put another number, or another text, into an attribute."""
    owners = [n for n in _any_nodes(draw, data) if isinstance(n.get("attrs"), dict) and n["attrs"]]
    for attrs in [draw.choice(owners)["attrs"]] if owners else []:
        key = draw.choice(sorted(attrs))
        parts = re.split(r"(-?\d+)", attrs[key]) if isinstance(attrs[key], str) else [""]
        parts[draw.randrange(len(parts))] = draw.choice(TEXTS)
        attrs[key] = draw.choice(("".join(parts), draw.choice(TEXTS)))


def change_any_value(draw: random.Random, data: Any) -> None:
    """Put anything in place of a random value, of any depth."""
    places: list[tuple[Any, Any]] = []
    waiting = [data]
    for value in waiting:  # grows while it is read
        keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
        places += [(value, key) for key in keys]
        waiting += [value[key] for key in keys]
    owner, key = draw.choice(places)
    owner[key] = draw.choice(ODD_VALUES)


def remove_any_key(draw: random.Random, data: Any) -> None:
    graph = draw.choice(_graphs(data))
    owner = draw.choice([graph, *_nodes(graph)])
    if owner:
        del owner[draw.choice(sorted(owner))]


def repeat_node(draw: random.Random, data: Any) -> None:
    nodes = draw.choice(_graphs(data)).get("nodes")
    if isinstance(nodes, list) and nodes:
        nodes.insert(draw.randrange(len(nodes) + 1), draw.choice(nodes))


def change_heads(draw: random.Random, data: Any) -> None:
    graph = draw.choice(_graphs(data))
    graph["heads"] = [[draw.randrange(20), draw.choice((0, 0, 1, *HUGE)), 0] for _ in range(draw.randrange(4))]


JSON_CHANGES: tuple[Callable[..., None], ...] = (
    *(redirect_input, change_output, swap_nodes, swap_fields, change_operator, change_any_value, change_heads),
    *(change_attribute, change_attribute, change_attribute, remove_any_key, repeat_node),
)
