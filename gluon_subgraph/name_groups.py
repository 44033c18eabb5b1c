"""A file that has the whole network several times over, such as a student and its teacher, or two encoders."""

from __future__ import annotations

import re

from .name_doubts import without_doubtful
from .name_matching import match_names
from .name_sides import ReadSide, read_once
from .sides import Ambiguity, Matching, Shape, Side

__all__ = ["with_whole_groups"]

_MOST_GROUPS = 8
_WORD = re.compile(r"[^._/]*[._/]")


def with_whole_groups(found: Matching, target: ReadSide, source: Side) -> Matching:
    """Return a matching that found nothing with the candidates of each part of the source that is the whole target.

    A part is what begins with one word, the first in which names differ.
    """
    if found.mapping or found.ambiguous or source.graph is not None:
        return found
    fitting = {}
    for start, shapes in _groups(source).items():
        if len(shapes) >= len(target.shapes):
            part = read_once(Side(shapes))
            matching = without_doubtful(match_names(target, part), target, part).mapping
            if len(matching) == len(target.shapes):
                fitting[start] = matching
    if len(fitting) < 2:
        return found
    reason = f"parts of the source fit as a whole: {', '.join(map(repr, fitting))}; give one of them as the source"
    ambiguous = {t: Ambiguity(tuple(matching[t] for matching in fitting.values()), reason) for t in target.shapes}
    return Matching({}, {}, ambiguous, {}, found.extra, {}, {})


def _groups(source: Side) -> dict[str, dict[str, Shape]]:
    """Return the parameters by how their names begin, up to the first word in which they differ; {} for too many."""
    start = 0
    names = list(source.shapes)
    while True:
        groups: dict[str, dict[str, Shape]] = {}
        for name in names:
            word = _WORD.match(name, start)
            groups.setdefault(name[: word.end()] if word else name, {})[name] = source.shapes[name]
            if len(groups) > _MOST_GROUPS:
                return {}
        if len(groups) > 1 or not names or next(iter(groups)) == names[0]:
            return groups
        start = len(next(iter(groups)))
