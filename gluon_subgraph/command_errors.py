"""How the command line ends: exit status 0, 1, 2 or 130, and one clear text on stderr, in words of the command line."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shlex
import sys
import traceback
from typing import Any, Sequence

import click
import mxnet as mx

from .errors import SubgraphError, mxnet_reason, nearest_names

__all__ = ["Commands", "told_on_terminal", "printable"]

_BAD_INPUT, _INTERRUPTED = 2, 130

_TRACEBACK = "GLUON_SUBGRAPH_TRACEBACK"


def _extracting(found: re.Match[str]) -> str:
    return f"{found[1] or ''}`gluon-subgraph extract MODEL OUT INPUTS OUTPUTS`"


def _shaping(found: re.Match[str]) -> str:
    """Return a mapping of shapes as options, each with the name and the sizes that the message has."""
    try:
        told = ast.literal_eval(found[1])
        return " ".join(f"--shape {_shape_typed(name, sizes)}" for name, sizes in told.items())
    except (SyntaxError, ValueError, TypeError, AttributeError):  # words, such as {input name: shape}
        return "--shape INPUT=SIZES"


def _shape_typed(name: str, sizes: Sequence[object]) -> str:
    called = name.replace("=", "\\=")
    return shlex.quote(f"{called}={','.join(map(str, sizes))}")


def _shaping_one(found: re.Match[str]) -> str:
    return f"such as --shape {_shape_typed(found[1], found[2].split(', '))}"


# What the messages of the package tell a caller in Python to type, and what that is here.
_OPTION_OF_CALL: list[tuple[re.Pattern[str], Any]] = [
    (re.compile(r"list_nodes\(net\)"), "gluon-subgraph nodes MODEL"),
    (re.compile(r"\bopen_cut=([\"'])(\w+)\1"), r"--open-cut \2"),
    (re.compile(r"\bon_shape_mismatch=([\"'])(\w+)\1"), r"--on-shape-mismatch \2"),
    (re.compile(r"\ballow_missing=True"), "--allow-missing"),
    (re.compile(r"\bignore_extra=True"), "--ignore-extra"),
    (re.compile(r"\bcast_dtype=True"), "--cast-dtype"),
    (re.compile(r"\bskip=\[('(?:[^'\\]|\\.)*')\]"), r"--skip \1"),
    (re.compile(r"\bpairs=\{'([^']*)': '([^']*)'\}"), r"--pair '\1=\2'"),
    (re.compile(r"\bpairs=\{('[^']*'|target): source( name)?\}"), "--pair TARGET=SOURCE"),
    (re.compile(r"\bpairs= "), "--pair "),
    (re.compile(r"\A(pairs|skip) (names|gives) "), lambda found: f"--{found[1].rstrip('s')} {found[2]} "),
    (re.compile(r" is in both pairs and skip\."), " is in both --pair and --skip."),
    (re.compile(r"Leave it out of pairs, or call bind_params with"), "Leave it out of --pair, or give"),
    (re.compile(r"print\(match_params\(target, source\)\) shows"), "`gluon-subgraph match TARGET SOURCE` shows"),
    (re.compile(r"(Give )?extract\(\(symbol file, params file\), inputs, outputs\)"), _extracting),
    (re.compile(r"\bshapes=(\{[^}]*\})"), _shaping),
    (re.compile(r"\Ashapes (names|lacks) "), r"--shape \1 "),
    (re.compile(r"\bsuch as (\S+)=\(([0-9]+(?:, [0-9]+)*),?\)"), _shaping_one),
    (re.compile(r"load\(file\) reads it, bind_params\(net, file\) sets it"), "`gluon-subgraph bind` takes its values"),
    (re.compile(r"[Cc]all os\.makedirs\(('[^']*')\) first"), r"Make it with `mkdir -p \1`"),
    (
        re.compile(r"Picture\.source and Picture\.save\('picture\.dot'\) need neither"),
        "An OUT that ends in .dot needs neither",
    ),
    (re.compile(r"\b([Nn])othing was loaded\b"), r"\1othing was written"),  # values go to files here
]
# Characters that would move a terminal's cursor, or break a line: a name in a file may hold any.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


class Commands(click.Group):
    """A group of commands that suggests the right one, and ends with a status whatever happens."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.help = _unwrapped(self.help)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command."""
        cmd.help = _unwrapped(cmd.help)
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order they were added."""
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command that is meant; of a wrong one say which is spelled most like it."""
        wrong = args[0]
        if self.get_command(ctx, wrong) is None and not wrong.startswith("-"):
            near = nearest_names(wrong, self.list_commands(ctx), count=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" It is one of {', '.join(self.list_commands(ctx))}."
            ctx.fail(f"No such command {printable(wrong)!r}.{hint}")
        return super().resolve_command(ctx, args)

    def main(self, args: Any = None, prog_name: str | None = None, *others: Any, **options: Any) -> Any:
        """Carry out `args` and end the process: 0 all is well, 1 the answer is no, 2 bad input, 130 interrupted."""
        del others, options  # every way of calling ends in the same four
        with contextlib.ExitStack() as stack:
            for stream, redirected in (
                (sys.stdout, contextlib.redirect_stdout),
                (sys.stderr, contextlib.redirect_stderr),
            ):
                if stream is None:  # it was closed before the process began
                    stack.enter_context(redirected(stack.enter_context(open(os.devnull, "w", encoding="utf-8"))))
            status = self._status(args, prog_name)
        sys.exit(status)

    def _status(self, args: Any, prog_name: str | None) -> int:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a name may have characters that a terminal's encoding lacks
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(args, prog_name or "gluon-subgraph", standalone_mode=False) or 0
        except click.Abort:
            return _INTERRUPTED
        except click.ClickException as error:
            error.show()
        except SubgraphError as error:
            _show(told_on_terminal(str(error)))
        except OSError as error:
            _show(_os_text(error))
        except mx.MXNetError as error:
            _show(f"MXNet says: {mxnet_reason(error)}")
        except MemoryError:
            _show("there is not enough memory.\n  Give a smaller network, or a smaller --shape.")
        except Exception as error:  # a flaw of this package, or of one that it calls: neither an answer nor a crash
            _show(_unforeseen(error))
        return _BAD_INPUT


def _unforeseen(error: Exception) -> str:
    if os.environ.get(_TRACEBACK):
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said} (unforeseen; with {_TRACEBACK}=1 in the environment it says where)"


def _unwrapped(text: str | None) -> str | None:
    r"""Return a help text with click's mark before lines to be left as they are: raw docstrings spell it out."""
    return None if text is None else text.replace("\\b\n", "\b\n")


def _show(text: str) -> None:
    click.echo("\n".join(printable(line) for line in f"Error: {text}".splitlines()), err=True)


def told_on_terminal(text: str) -> str:
    """Return a message of the package with options in place of the arguments that it tells a caller to give.

    Examples
    --------
    >>> told_on_terminal("Pass cast_dtype=True to convert; nothing was loaded.")
    'Pass --cast-dtype to convert; nothing was written.'
    >>> told_on_terminal("Give such as shapes={'image': (1, 3, 8, 8), 'mask': (1,)}; nothing was written.")
    'Give such as --shape image=1,3,8,8 --shape mask=1; nothing was written.'
    """
    for call, option in _OPTION_OF_CALL:
        text = call.sub(option, text)
    return text


def printable(text: str) -> str:
    r"""Return `text` as one line, with control characters written out.

    Examples
    --------
    >>> printable("conv\n0")
    'conv\\x0a0'
    """
    return text.translate(_CONTROL)


def _os_text(error: OSError) -> str:
    name = error.filename
    reason = error.strerror or str(error) or type(error).__name__
    return f"{reason}: {os.fsdecode(name)!r}" if isinstance(name, (str, bytes)) else reason
