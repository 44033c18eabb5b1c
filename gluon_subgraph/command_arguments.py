"""What is typed, as values: names, pairs of names, shapes and file names; and the options that commands share."""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Sequence

import click

from .command_errors import printable

__all__ = [
    "FILE",
    "OUT",
    "NAMES",
    "PAIR",
    "model_options",
    "side_options",
    "shape_option",
    "json_option",
    "cut_options",
    "checked_cut",
    "one_or_list",
    "parts_of",
]


def parts_of(text: str, separator: str, most: int = -1) -> list[str]:
    r"""Return what stands between separators; a backslash before one makes it a part of a name.

    Examples
    --------
    >>> parts_of(r"a,b\,c", ",")
    ['a', 'b,c']
    """
    parts = re.split(rf"(?<!\\){re.escape(separator)}", text, maxsplit=max(most, 0))
    return [part.replace("\\" + separator, separator) for part in parts]


class _FileName(click.ParamType):
    """The name of a file; ``-`` is none: files are read in parts, and written beside and then renamed."""

    name = "file"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if value == "-":
            self.fail(
                "'-' is no file here: arrays are read from anywhere in a file, and files are written beside and then"
                " renamed, which stdin and stdout cannot do. Give a name; a file called so is './-'.",
                param,
                ctx,
            )
        if not value or "\0" in value:
            self.fail(f"{printable(value)!r} is no name of a file.", param, ctx)
        return os.fspath(value)


class _OutName(_FileName):
    """The name of a file to be written, or what the names of two begin with; MXNet takes UTF-8 alone."""

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        name = super().convert(value, param, ctx)
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            shown = printable(name.encode("utf-8", "backslashreplace").decode("utf-8"))
            self.fail(f"'{shown}' has bytes that are no UTF-8, and MXNet writes no file so called.", param, ctx)
        if name.endswith("/"):
            self.fail(f"{printable(name)!r} is a folder; give the name of a file in it.", param, ctx)
        return name


class _Names(click.ParamType):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        names = parts_of(value, ",")
        if not all(names):
            self.fail(f"{printable(value)!r} has an empty name; names have one comma between them: A,B.", param, ctx)
        return names


class _Pair(click.ParamType):
    """Two names with ``=`` between them."""

    name = "pair"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        pair = parts_of(value, "=", 1)
        if len(pair) != 2 or not all(pair):
            self.fail(f"{printable(value)!r} is no pair of names; give TARGET=SOURCE.", param, ctx)
        return pair[0], pair[1]


class _Shape(click.ParamType):
    """The name of an input, ``=``, and the sizes of its axes."""

    name = "shape"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, tuple[int, ...]]:
        name, *sizes = parts_of(value, "=", 1)
        axes = sizes[0].split(",") if sizes and sizes[0] else []
        if not name or not sizes or not all(re.fullmatch(r"[0-9]{1,18}", axis) for axis in axes):
            self.fail(f"{printable(value)!r} is no shape; give INPUT=SIZES, such as data=1,3,224,224.", param, ctx)
        return name, tuple(int(axis) for axis in axes)


FILE, OUT, NAMES, PAIR = _FileName(), _OutName(), _Names(), _Pair()
_EPOCH = click.IntRange(min=0, max=10**9)
_OR_NONE = ", or 'none'"  # where no values are needed
_Command = Callable[..., Any]


def model_options(*, may_be_none: bool) -> Callable[[_Command], _Command]:
    """Return what adds the options that say which parameter file goes with MODEL, or that none does."""
    words = f"The parameter file, if not named as MODEL is{_OR_NONE if may_be_none else ''}."

    def add(command: _Command) -> _Command:
        params = click.option("--params", type=FILE, help=words)
        epoch = click.option("--epoch", type=_EPOCH, metavar="N", help="Which parameter file: 3 for MODEL-0003.params.")
        return epoch(params(command))

    return add


def side_options(side: str, *, may_be_none: bool) -> Callable[[_Command], _Command]:
    """Return what adds the options that say which parameter file goes with TARGET or SOURCE, or that none does."""
    words = f"The parameter file of {side.upper()}{_OR_NONE if may_be_none else ''}."

    def add(command: _Command) -> _Command:
        params = click.option(f"--{side}-params", type=FILE, help=words)
        epoch = click.option(
            f"--{side}-epoch", type=_EPOCH, metavar="N", help=f"Which parameter file of {side.upper()}."
        )
        return epoch(params(command))

    return add


def shape_option(
    command: _Command, words: str = "The shape of an input, such as data=1,3,224,224; once for each."
) -> _Command:
    """Add the option that tells the shapes of inputs."""
    options: Any = {"type": _Shape(), "multiple": True, "callback": _shapes_once, "metavar": "INPUT=SIZES"}
    return click.option("--shape", "shapes", help=words, **options)(command)


def _shapes_once(ctx: Any, param: Any, shapes: Sequence[tuple[str, tuple[int, ...]]]) -> Any:
    """Return `shapes`, refuse two for one input."""
    told: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes:
        if told.setdefault(name, shape) != shape:
            msg = f"{printable(name)!r} is to have two shapes: {told[name]} and {shape}."
            raise click.BadParameter(msg, ctx, param)
    return shapes


def json_option(command: _Command) -> _Command:
    """Add the option that makes a command print one JSON object."""
    return click.option("--json", "is_json", is_flag=True, help="Print one JSON object, and nothing else.")(command)


def cut_options(command: _Command) -> _Command:
    """Add the options that choose a piece of the network."""
    command = click.option("--outputs", type=NAMES, metavar="B,..", help="The tensors at which it ends.")(command)
    return click.option("--inputs", type=NAMES, metavar="A,..", help="The tensors that enter the piece.")(command)


def checked_cut(inputs: Sequence[str] | None, outputs: Sequence[str] | None) -> tuple[Any, Any] | None:
    """Return the cut that two options choose, None where neither is given; refuse one alone."""
    if inputs is None and outputs is None:
        return None
    if inputs is None or outputs is None:
        missing, given = ("--inputs", "--outputs") if inputs is None else ("--outputs", "--inputs")
        msg = f"{given} is given without {missing}: a piece has both. Give the two, or neither for the whole network."
        raise click.UsageError(msg)
    return one_or_list(inputs), one_or_list(outputs)


def one_or_list(names: Sequence[str]) -> Any:
    """Return a single name as it is, so that a piece with one output returns an array, and no list of one."""
    return names[0] if len(names) == 1 else list(names)
