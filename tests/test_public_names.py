"""What modules list in `__all__` is what others take from them, no less and no more."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
from test_layout import MODULES, PACKAGE


def _source(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def _listed(module: str) -> set[str]:
    """Return the public names of a module."""
    statements = [statement for statement in _source(module).body if isinstance(statement, ast.Assign)]
    found = [s.value for s in statements if any(isinstance(t, ast.Name) and t.id == "__all__" for t in s.targets)]
    return set(ast.literal_eval(found[0])) if found else set()


@functools.lru_cache(maxsize=None)
def _words() -> dict[Path, set[str]]:
    """Return the words of each file that may use what a module lists."""
    beside = Path(__file__).resolve().parent.parent  # the package may be installed elsewhere
    folders = [PACKAGE, *(beside / name for name in ("tests", "benchmarks", "tutorials"))]
    files = [path for folder in folders for path in folder.rglob("*.py*") if path.suffix in (".py", ".pyx")]
    return {path: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in files}


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_listed_names(module: str) -> None:
    taken = [s for s in ast.walk(_source(module)) if isinstance(s, ast.ImportFrom) and s.module in MODULES and s.level]
    names = [(str(s.module), alias.name) for s in taken for alias in s.names if not alias.name.startswith("_")]
    assert [name for name in names if name[1] not in _listed(name[0])] == []


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith("__")])
def test_module_lists_no_function_that_nobody_else_uses(module: str) -> None:
    used = set().union(*(words for path, words in _words().items() if path != PACKAGE / f"{module}.py"))
    functions = {node.name for node in _source(module).body if isinstance(node, ast.FunctionDef)}
    listed = {name for name in _listed(module) if name in functions or name.isupper()}
    assert sorted(listed - used) == []
