"""Run the numbered tutorials as notebooks, and write them with their outputs as pages. Run by ``make docs``.

Each tutorial is a script of cells that jupytext reads. An assert that fails, or more than two minutes, is reported with
the tutorial and the cell, and makes the exit status 1. Run from anywhere, with the folder for the pages and, if not all
are wanted, the scripts::

    python tutorials/render.py docs tutorials/01_extract.py
"""

from __future__ import annotations

import argparse
import html
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple, Sequence

__all__ = ["Failure", "Page", "code_cells", "render", "scripts", "title_and_summary", "write_index"]

HERE = Path(__file__).resolve().parent
LIMIT = 120.0
STYLE = """
body { max-width: 60em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif; color: #222; background: #fff }
pre, code { font-family: monospace; font-size: 13px }
.input_area, .output_stream, .output_error { overflow-x: auto; padding: .3em .8em; margin: .4em 0 }
.input_area { background: #f5f5f5; border-left: 4px solid #4a7ebb }
.output_stderr, .output_error { background: #fdecea }
.output_area { overflow-x: auto }
.output_area img, .output_area svg { max-width: 100%; height: auto }
.prompt, .anchor-link { display: none }
pre { margin: .3em 0; line-height: 1.35 }
table { border-collapse: collapse; font-size: 13px; margin: .5em 0 }
td, th { border: 1px solid #ccc; padding: .15em .5em; text-align: left }
"""


class Page(NamedTuple):
    """A tutorial that ran: its script, the page written, and how long it took in seconds."""

    script: Path
    file: Path
    seconds: float


class Failure(Exception):
    """What went wrong in which cell of which tutorial."""


def scripts() -> list[Path]:
    """Return the numbered tutorials, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def code_cells(notebook: Any) -> list[Any]:
    """Return the cells of a notebook that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def title_and_summary(notebook: Any) -> tuple[str, str]:
    """Return the heading of the first cell, which is the question, and the first paragraph below it."""
    heading, *paragraphs = notebook.cells[0].source.split("\n\n")
    return heading.lstrip("# "), " ".join(paragraphs[0].split()) if paragraphs else ""


def render(script: Path, folder: Path, limit: float = LIMIT) -> Page:
    """Run a tutorial as a notebook, and write the page.

    Raises
    ------
    Failure
        A cell raised, or the time is over; names both. No page is written.
    """
    import jupytext

    notebook = jupytext.read(script)
    start = time.perf_counter()
    _run(notebook, script, start + limit)
    seconds = time.perf_counter() - start
    title, _ = title_and_summary(notebook)
    file = folder / f"{script.stem}.html"
    below = f'<p><a href="index.html">All tutorials</a>. This one took {seconds:.0f} s.</p>'
    file.write_text(_page(title, _body(notebook) + below), encoding="utf-8")
    return Page(script, file, seconds)


def write_index(pages: Sequence[Page], folder: Path) -> Path:
    """Write the page that lists the tutorials, each with its question and a line."""
    import jupytext

    items = []
    for page in pages:
        title, summary = title_and_summary(jupytext.read(page.script))
        link = f'<a href="{page.file.name}">{_plain(title)}</a>'
        items.append(f"<li>{link}<br>{_plain(summary)} ({page.seconds:.0f} s)</li>")
    body = "<h1>gluon_subgraph: tutorials</h1>\n<p>One question each, with asserts that prove the answer.</p>"
    file = folder / "index.html"
    file.write_text(_page("gluon_subgraph: tutorials", f"{body}\n<ul>{''.join(items)}</ul>"), encoding="utf-8")
    return file


def _run(notebook: Any, script: Path, end: float) -> None:
    """Run all cells in a kernel of this interpreter, in the script's folder, until `end`.

    The kernel's sockets are in the folder that IPYTHONDIR names.
    """
    import nbclient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    place = {"metadata": {"path": str(script.parent)}}
    client = nbclient.NotebookClient(notebook, kernel_name="python3", resources=place, coalesce_streams=True)
    client.timeout_func = lambda cell: max(1, int(end - time.perf_counter()))
    manager = client.create_kernel_manager()
    # Sockets that are files: no ports.
    manager.transport, manager.ip = "ipc", os.path.join(os.environ["IPYTHONDIR"], script.stem)
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                msg = f"{_where(script, notebook, cell)}{error.ename}: {error.evalue}\n{_traceback(cell)}"
                raise Failure(msg) from None
            except (CellTimeoutError, TimeoutError):
                msg = _where(script, notebook, cell) + "the tutorial has taken longer than it may"
                raise Failure(msg) from None
            except DeadKernelError:
                raise Failure(_where(script, notebook, cell) + "the Python process died") from None
    if time.perf_counter() > end:
        msg = f"{script.name}: the tutorial has taken longer than it may"
        raise Failure(msg)


def _where(script: Path, notebook: Any, cell: Any) -> str:
    """Return the tutorial, the number of a code cell, and its line in the script."""
    number = 1 + next(i for i, one in enumerate(code_cells(notebook)) if one is cell)
    text = script.read_text(encoding="utf-8")
    line = text[: max(0, text.find(cell.source))].count("\n") + 1
    return f"{script.name}, code cell {number}, line {line}: "


def _traceback(cell: Any) -> str:
    """Return what a notebook would show below the cell that raised, without its colours."""
    lines = [line for output in cell.outputs if output.output_type == "error" for line in output.traceback]
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def _body(notebook: Any) -> str:
    from nbconvert import HTMLExporter

    return HTMLExporter(template_name="basic").from_notebook_node(notebook)[0]


def _page(title: str, body: str) -> str:
    """Return a whole page that loads nothing from elsewhere."""
    from pygments.formatters import HtmlFormatter

    style = STYLE + HtmlFormatter(style="default").get_style_defs(".highlight pre")
    head = f'<meta charset="utf-8"><title>{html.escape(title.replace("`", ""))}</title><style>{style}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _plain(text: str) -> str:
    """Return a line of Markdown as HTML: its code and nothing else."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))


def main() -> None:
    """Render what the command line says; print the time of each, and what failed."""
    parser = argparse.ArgumentParser(description="Run tutorials as notebooks and write them as pages.")
    parser.add_argument("out", type=Path, help="folder of the pages")
    parser.add_argument("scripts", type=Path, nargs="*", help="which tutorials (default: all)")
    parser.add_argument("--seconds", type=float, default=LIMIT, help="time for each (default: %(default).0f)")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ.pop("MPLBACKEND", None)  # pictures are shown in the page
    pages, failures = [], []
    with tempfile.TemporaryDirectory() as settings:
        os.environ["IPYTHONDIR"] = settings  # no history, no profile of whoever runs this
        for script in given.scripts or scripts():
            try:
                pages.append(render(script.resolve(), given.out, given.seconds))
                print(f"{script.stem:20} {pages[-1].seconds:6.1f} s  {pages[-1].file}", flush=True)
            except Failure as failure:
                failures.append(failure)
                print(f"{script.stem:20} FAILED", flush=True)
    print(f"{'all':20} {sum(page.seconds for page in pages):6.1f} s  {write_index(pages, given.out)}")
    if failures:
        sys.exit("\n" + "\n\n".join(map(str, failures)))


if __name__ == "__main__":
    main()
