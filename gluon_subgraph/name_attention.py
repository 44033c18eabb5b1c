"""The parts of an attention, by what its graph does with them: which layer makes the queries, the keys, the values."""

from __future__ import annotations

from collections import Counter
from typing import Callable, Collection, Iterable, Sequence

from .layers import Step

__all__ = ["LONG_FORM", "words_of_attention", "part_of_words", "are_other_parts"]

LONG_FORM = {"q": "query", "k": "key", "v": "value", "attn": "attention"}
_PARTS = ("query", "key", "value")
_PART_OF_WORD = {**{word: word for word in _PARTS}, **{s: word for s, word in LONG_FORM.items() if word in _PARTS}}

_FARTHEST = 12  # steps between one part and the next


def words_of_attention(steps: Sequence[Step]) -> dict[int, str]:
    """Return for steps that own parameters what they are to an attention: "query", "key" or "value".

    An attention is a product whose first factor is a softmax of a product. A layer that is several of its parts is
    left out.
    """
    found: dict[int, set[str]] = {}
    for step in steps:
        if step.kind.family != "dot" or len(step.inputs) != 2:
            continue
        weights = _above(steps, step.inputs[0], lambda other: other.kind.family == "softmax")
        scores = _above(steps, steps[weights].inputs[0], _is_product) if weights is not None else None
        if scores is None:
            continue
        for word, source in zip(("query", "key", "value"), (*steps[scores].inputs, step.inputs[1])):
            owner = _above(steps, source, lambda other: other.layer is not None)
            if owner is not None:
                found.setdefault(owner, set()).add(word)
    return {owner: min(words) for owner, words in found.items() if len(words) == 1}


def part_of_words(words: Iterable[str]) -> str:
    """Return which part of an attention words name; "" if none, or several."""
    known = _PART_OF_WORD.keys() & words
    if not known:
        return ""
    parts = {_PART_OF_WORD[word] for word in known}
    return parts.pop() if len(parts) == 1 else ""


def are_other_parts(parts: Collection[str], others: Collection[str]) -> bool:
    """Whether two groups of layers both have known parts of an attention, and these are not the same."""
    one, other = Counter(filter(None, parts)), Counter(filter(None, others))
    return bool(one and other and one != other)


def _is_product(step: Step) -> bool:
    return step.kind.family == "dot" and len(step.inputs) == 2


def _above(steps: Sequence[Step], start: int, is_wanted: Callable[[Step], bool]) -> int | None:
    """Return the nearest wanted step from which a value is computed without layers; None if there is none."""
    waiting = [start]
    for _ in range(_FARTHEST):
        if not waiting:
            return None
        now = waiting.pop(0)
        if is_wanted(steps[now]):
            return now
        if steps[now].layer is None and not _is_product(steps[now]):
            waiting.extend(steps[now].inputs)
    return None
