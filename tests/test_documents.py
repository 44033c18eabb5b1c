"""What the README, the guide and the demonstration show is what they do."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gluon_subgraph as gs

ROOT = Path(__file__).parent.parent


def test_examples_print_what_the_readme_and_the_guide_say():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "GUIDE.md"))
    examples = re.findall(r"```python\n(.*?)```\s*```\n(.*?)```", text, re.DOTALL)
    assert len(examples) == text.count("```python") > 1
    names: dict = {}
    for code, printed in examples:  # each goes on where the last one ended
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, names)
        assert out.getvalue() == printed


def test_readme_names_every_public_call():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    calls = {name for name in gs.__all__ if callable(getattr(gs, name)) and name.islower()}
    assert len(calls) > 10
    assert [name for name in sorted(calls) if f"gs.{name}(" not in text] == []


def test_demo_proves_the_equality_and_shows_a_refused_cut():
    pytest.importorskip("sklearn", reason="the demonstration's images come with scikit-learn")
    run = subprocess.run(
        [sys.executable, str(ROOT / "tutorials" / "demo.py")], capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0, run.stderr
    for words in [
        "tail(piece(front(x))) == net(x), bit for bit: True",
        "the piece holds the network's own Parameter objects: True",
        "accuracy of the network 99.56%, of the three parts 99.56%",
        "[ stem ] -8<- [ stage1 ] --> [ stage2 ] -8<- [ stage3 ]",
        "OpenCutError: input 'digits_stage3_body_relu0_fwd' does not close the cut",
        "Add 'digits_stage2_relu' to inputs",
        "The network is completely bound: 42 of 42 parameters.",
        "% before, 99.56% after",
        "every array of the network is what it was before: True",
        "time of each step",
    ]:
        assert words in run.stdout
