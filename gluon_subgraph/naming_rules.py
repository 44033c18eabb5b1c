"""What a user means by new names: a prefix, globs, exact names or a function, as a rule for each old name."""

from __future__ import annotations

import re
from typing import AbstractSet, Any, Callable, Iterable, Mapping, NamedTuple, Optional

from .errors import NameConflictError, SubgraphError, UnknownNodeError, kind_of, nearest_names, shorten

__all__ = ["Names", "rule_of"]

# Returns the new name of an old one, or None where nothing is said of it.
Rule = Callable[[str], Optional[str]]

_WILDCARD = re.compile(r"([*?])")


class Names(NamedTuple):
    """The names to be changed, and what it takes to know what a user means.

    Attributes
    ----------
    reads_of_name : dict of str to frozenset of str
        Each name once, in topological order, a body's behind the operator that owns it. For a variable of a body
        that stands for a tensor outside, the names of all nodes the operator reads; else nothing.
    prefix : str
        Prefix of the network, which a name may leave out.
    kept : set of str
        Names that a new prefix leaves alone unless they begin with the old one: data inputs.
    title : str
        What messages call the network.
    """

    reads_of_name: Mapping[str, AbstractSet[str]]
    prefix: str = ""
    kept: AbstractSet[str] = frozenset()
    title: str = "network"


def rule_of(names: Names, given: Any) -> Rule:
    """Return the rule that `given` states for `names`.

    Raises
    ------
    UnknownNodeError
        A key matches nothing.
    NameConflictError
        Two keys give one name two new ones.
    SubgraphError
        `given` is no prefix, glob, dict or function, or a key or value of it is none that can be used.
    """
    if isinstance(given, str):
        return _Glob("*", given).new_name if _WILDCARD.search(given) else _prefix_rule(names, given)
    if isinstance(given, Mapping):
        return _dict_rule(names, given)
    if callable(given):
        return _function_rule(given)
    msg = (
        f"names is a {kind_of(given)}.\n"
        "  It is a new prefix, a glob such as '*_old', a dict of old to new names or globs, or a function of the old"
        " name.\n"
        "  Give one of these; nothing was changed."
    )
    raise SubgraphError(msg)


def _function_rule(function: Callable[[str], Any]) -> Rule:
    def rule(name: str) -> str | None:
        new = function(name)
        if not isinstance(new, str):
            msg = (
                f"the function returns a {kind_of(new)} for {name!r}.\n"
                "  It is called with every name there is.\n"
                "  Let it return a name, the same for a node that keeps its own; nothing was changed."
            )
            raise SubgraphError(msg)
        return None if new == name else new

    return rule


def _prefix_rule(names: Names, new: str) -> Rule:
    """Return the rule that puts `new` in place of the network's prefix, and before names that do not begin with it."""
    old = names.prefix

    def rule(name: str) -> str | None:
        if old and name.startswith(old):
            return new + name[len(old) :]
        return None if name in names.kept or names.reads_of_name[name] else new + name

    return rule


def _dict_rule(names: Names, given: Mapping[Any, Any]) -> Rule:
    """Return the rule of exact names, which come first, and of globs, the first that matches."""
    wrong = [part for pair in given.items() for part in pair if not isinstance(part, str)]
    if wrong:
        msg = (
            f"names hold {wrong[0]!r} ({kind_of(wrong[0])}), which is no name.\n"
            "  Keys are names or globs, values are names, or globs that take what the key's wildcards matched.\n"
            "  Give strings; nothing was changed."
        )
        raise SubgraphError(msg)
    exact: dict[str, str] = {}
    key_of: dict[str, str] = {}
    globs: list[Rule] = []
    unknown = []
    for key, value in given.items():
        old, new = key, value
        if key not in names.reads_of_name and names.prefix + key in names.reads_of_name:
            old, new = names.prefix + key, _with_prefix(value, names.prefix)
        if old in names.reads_of_name:
            if exact.setdefault(old, new) != new:
                raise _two_names(old, (key_of[old], exact[old]), (key, new))
            key_of[old] = key
        elif _WILDCARD.search(key):
            rule = _glob_rule(names, key, value)
            globs.extend([rule] if rule else [])
            unknown.extend([] if rule else [key])
        else:
            unknown.append(key)
    if unknown:
        raise _unknown(names, unknown)
    return lambda name: exact[name] if name in exact else _first(globs, name)


def _first(rules: Iterable[Rule], name: str) -> str | None:
    return next((new for rule in rules for new in [rule(name)] if new is not None), None)


def _glob_rule(names: Names, key: str, value: str) -> Rule | None:
    """Return the rule of a glob, tried on names without the network's prefix where it matches none in full."""
    glob, prefix = _Glob(key, value), names.prefix
    if any(glob.matches(name) for name in names.reads_of_name):
        return glob.new_name

    def rule(name: str) -> str | None:
        new = glob.new_name(name[len(prefix) :]) if name.startswith(prefix) else None
        return None if new is None else _with_prefix(new, prefix)

    return rule if any(rule(name) is not None for name in names.reads_of_name) else None


def _with_prefix(name: str, prefix: str) -> str:
    return name if name.startswith(prefix) else prefix + name


class _Glob:
    """A pair of globs: what the wildcards of the first match stands in place of those of the second, in order.

    ``*`` matches as little as it can, from the left.
    """

    def __init__(self, old: str, new: str) -> None:
        parts, self._new = _WILDCARD.split(old), _WILDCARD.split(new)
        kinds = parts[1::2]
        for kind in "*?":
            if self._new[1::2].count(kind) > kinds.count(kind):
                msg = (
                    f"the new name {new!r} has more {kind!r} than the old one, {old!r}.\n"
                    f"  Each stands for what a {kind!r} of the old name matches.\n"
                    "  Leave out what has no counterpart, or write the names out; nothing was changed."
                )
                raise SubgraphError(msg)
        if "[" in old:
            msg = (
                f"the glob {old!r} has a '['.\n"
                "  Globs know '*' and '?' alone.\n"
                "  Write an entry for each case, or give a function; nothing was changed."
            )
            raise SubgraphError(msg)
        text = "".join({"*": "(.*?)", "?": "(.)"}[p] if i % 2 else re.escape(p) for i, p in enumerate(parts))
        self._pattern = re.compile(text, re.DOTALL)
        places = {kind: [i for i, k in enumerate(kinds) if k == kind] for kind in "*?"}
        self._group_of = [places[kind].pop(0) for kind in self._new[1::2]]

    def matches(self, name: str) -> bool:
        """Return whether the old glob matches the whole of `name`."""
        return self._pattern.fullmatch(name) is not None

    def new_name(self, name: str) -> str | None:
        """Return the new name of a name that matches."""
        found = self._pattern.fullmatch(name)
        if found is None:
            return None
        parts = list(self._new)
        parts[1::2] = [found.groups()[group] for group in self._group_of]
        return "".join(parts)


def _two_names(name: str, one: tuple[str, str], other: tuple[str, str]) -> NameConflictError:
    return NameConflictError(
        f"{name!r} would have two new names.\n"
        f"  {one[0]!r} makes it {one[1]!r}, {other[0]!r} makes it {other[1]!r}.\n"
        "  Leave out the one that is not meant; nothing was changed."
    )


def _unknown(names: Names, keys: list[str]) -> UnknownNodeError:
    near = nearest_names(keys[0].replace("*", ""), names.reads_of_name)
    count = f"{len(keys)} keys match" if len(keys) > 1 else "a key matches"
    return UnknownNodeError(
        f"{count} none of the {len(names.reads_of_name)} names of {names.title!r}: {shorten(keys)}.\n"
        + (f"  Nearest: {shorten(near)}.\n" if near else "")
        + "  A name or glob is that of a whole node, such as '*conv*' for all that hold it; nothing was changed."
    )
