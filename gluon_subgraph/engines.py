"""The programs that draw: graphviz's own ``dot``, or the libraries that come with the pygraphviz package.

Either runs in a process of its own, so that neither its warnings nor a crash reach the user's interpreter.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys

from .errors import SubgraphError

__all__ = ["FORMATS", "is_drawable", "rendered"]

FORMATS = ("svg", "png", "pdf")
_LONGEST = 120  # seconds
_PYGRAPHVIZ = (
    "import sys, pygraphviz\n"
    "graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode('utf-8'))\n"
    "sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog='dot'))\n"
)
_HOW_TO_INSTALL = (
    "  pip install 'gluon_subgraph[plot]' (Python 3.10 and later on x86-64 Linux), or install graphviz:"
    " apt-get install graphviz."
)


def is_drawable() -> bool:
    """Return whether a program that draws is installed."""
    return bool(_commands("svg"))


def rendered(source: str, kind: str) -> bytes:
    """Return the picture of a text in the DOT language.

    Parameters
    ----------
    source : str
        The text.
    kind : {"svg", "png", "pdf"}
        What to make of it.

    Raises
    ------
    SubgraphError
        No program that draws is installed, or it fails; what it says is quoted.
    """
    commands = _commands(kind)
    if not commands:
        msg = (
            "nothing that draws is installed: no program 'dot' on the PATH, no package pygraphviz.\n"
            f"{_HOW_TO_INSTALL}\n"
            "  Picture.source and Picture.save('picture.dot') need neither; nothing was written."
        )
        raise SubgraphError(msg)
    said = []
    for name, command in commands.items():
        try:
            run = subprocess.run(command, input=source.encode("utf-8"), capture_output=True, timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            said.append(f"  {name} had not ended after {_LONGEST} seconds")
            continue
        except OSError as error:
            said.append(f"  {name}: {error}")
            continue
        if run.returncode == 0 and run.stdout:
            return run.stdout
        words = run.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
        said.append(f"  {name} ended with status {run.returncode} and said: {' '.join(words) or 'nothing'}")
    quoted = "\n".join(said)
    msg = (
        f"the picture could not be drawn as {kind}.\n{quoted}.\n"
        "  Expand fewer blocks, or save the text as '.dot' and draw it yourself; nothing was written."
    )
    raise SubgraphError(msg)


def _commands(kind: str) -> dict[str, list[str]]:
    """Return the command line of each program that is installed, by its name, the one to try first first."""
    found = {}
    dot = shutil.which("dot")
    if dot:
        found[dot] = [dot, f"-T{kind}"]
    if importlib.util.find_spec("pygraphviz") is not None:
        found["pygraphviz"] = [sys.executable, "-c", _PYGRAPHVIZ, kind]
    return found
