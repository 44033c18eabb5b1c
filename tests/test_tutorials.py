"""The numbered tutorials: their form, what runs them, and that each runs as a plain script."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).resolve().parents[1] / "tutorials"
SCRIPTS = sorted(TUTORIALS.glob("[0-9][0-9]_*.py"))
HEADER = "# %% [markdown]\n# # 01. Does it work?\n#\n# It is a line about `it`.\n\n"
NEEDED_TO_RENDER = ["jupytext", "nbclient", "nbconvert", "ipykernel"]
NEEDED_TO_RUN = ["matplotlib", "mlxtend", "sklearn", "safetensors", "onnx", "onnxruntime"]


def cells(text: str) -> list[tuple[str, str]]:
    """Return the kind and the text of each cell of a script in the percent format."""
    parts = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)[1:]
    kinds = ["markdown" if "[markdown]" in mark else "code" for mark in parts[::2]]
    return list(zip(kinds, (part.strip("\n") for part in parts[1::2])))


def require(modules: list[str]) -> None:
    """Skip the calling test where one of the packages is missing."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'gluon_subgraph[docs]'")


def run(script: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **variables},
    )


def render(tmp_path: Path, *bodies: str, seconds: int = 60) -> subprocess.CompletedProcess:
    """Render a tutorial for each of `bodies`, called 01_it.py and so on, to the folder `pages`."""
    require(NEEDED_TO_RENDER)
    for number, body in enumerate(bodies, 1):
        (tmp_path / f"{number:02}_it.py").write_text(HEADER + body)
    found = [str(path) for path in sorted(tmp_path.glob("*.py"))]
    return run(TUTORIALS / "render.py", str(tmp_path / "pages"), *found, "--seconds", str(seconds))


def test_tutorials_are_numbered_from_one_without_a_gap() -> None:
    assert [int(script.name[:2]) for script in SCRIPTS] == list(range(1, 7))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_tutorial_begins_with_its_number_a_question_and_the_answer(script: Path) -> None:
    kind, text = cells(script.read_text(encoding="utf-8"))[0]
    heading, _, rest = text.partition("\n#\n")
    assert kind == "markdown"
    assert re.fullmatch(rf"# # {script.name[:2]}\. [^?]+\?", heading)
    assert len(rest.split("\n#\n")[0].split()) >= 10


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_tutorial_has_short_cells_pictures_asserts_and_a_refusal(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    code = [body for kind, body in cells(text) if kind == "code"]
    assert max(body.count("\n") for body in code) < 40
    assert sum(re.search(r"^\s*assert ", body, re.MULTILINE) is not None for body in code) >= 5
    assert "plt.show()" in text or "gs.plot(" in text
    assert re.search(r"^except .*Error as error:", text, re.MULTILINE) or "    except gs.SubgraphError" in text


def test_readme_names_every_tutorial() -> None:
    text = (TUTORIALS.parent / "README.md").read_text(encoding="utf-8")
    assert [script.name for script in SCRIPTS if f"tutorials/{script.name}" not in text] == []


def test_render_writes_pages_with_outputs_and_an_index(tmp_path: Path) -> None:
    printed = render(tmp_path, "# %%\nprint(6 * 7)\n", "# %%\nprint('<b>')\n")
    pages = {path.name: path.read_text() for path in (tmp_path / "pages").iterdir()}
    assert printed.returncode == 0, printed.stderr
    assert re.findall(r"^(\w+) +\d+\.\d s ", printed.stdout, re.MULTILINE) == ["01_it", "02_it", "all"]
    assert sorted(pages) == ["01_it.html", "02_it.html", "index.html"]
    assert "<pre>42" in pages["01_it.html"]
    assert "&lt;b&gt;" in pages["02_it.html"]
    assert re.findall(r'href="(\w+\.html)">([^<]*)<', pages["index.html"]) == [
        ("01_it.html", "01. Does it work?"),
        ("02_it.html", "01. Does it work?"),
    ]
    assert "It is a line about <code>it</code>." in pages["index.html"]
    assert not re.search(r'(src|href)="(https?:)?//', "".join(pages.values()))


def test_render_names_tutorial_and_cell_of_a_failed_assert_and_goes_on(tmp_path: Path) -> None:
    wrong = "# %%\nx = 1\n\n# %% [markdown]\n# Text.\n\n# %%\nprint(x)\n\nassert x == 2, 'it is one'\n"
    printed = render(tmp_path, wrong, "# %%\nprint(1)\n")
    assert printed.returncode == 1
    assert "01_it.py, code cell 2, line 13: AssertionError: it is one" in printed.stderr
    assert re.search(r"^01_it +FAILED$", printed.stdout, re.MULTILINE)
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["02_it.html", "index.html"]


def test_render_stops_a_tutorial_that_takes_too_long(tmp_path: Path) -> None:
    printed = render(tmp_path, "# %%\nx = 1\n\n# %%\nimport time\n\ntime.sleep(200)\n", seconds=8)
    assert printed.returncode == 1
    assert "01_it.py, code cell 2, line 10: the tutorial has taken longer than it may" in printed.stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_tutorial_runs_as_a_plain_script(script: Path) -> None:
    require(NEEDED_TO_RUN)
    printed = run(script, MPLBACKEND="Agg", PYTHONWARNINGS="ignore")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout
