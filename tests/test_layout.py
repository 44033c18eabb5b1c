"""The rules that keep the package readable, checked on its source."""

from __future__ import annotations

import ast
from importlib import metadata
from pathlib import Path
from typing import Iterator

import pytest

import gluon_subgraph

# A module imports only modules before it; put a new one where that holds.
LAYERS = [
    ["compat", "errors"],
    [
        "graph",
        "implied_shapes",
        "batch_norm",
        "interface",
        "attributes",
        "lazy_values",
        "file_arguments",
        "files_beside",
        "params_layout",
        "params_file",
        "npz_file",
        "safetensors_file",
        "losses",
        "missing_operators",
        "names",
        "cut",
        "repair",
        "tables",
        "show",
        "towers",
        "naming_rules",
        "rename",
    ],
    [
        "_matcher_embedding_py",
        "_matcher_py",
        "_matcher",
        "_unordered_assignment_py",
        "_unordered_py",
        "_unordered",
        "_alignment_py",
        "_alignment",
        "_symbol_text_py",
        "_symbol_text",
        "kernels",
        "tree_arrays",
        "tree_mirrors",
        "trees",
    ],
    [
        "sides",
        "operators",
        "_forms_py",
        "_forms",
        "layers",
        "deferred",
        "exact_codes",
        "outline",
        "refinement",
        "windows",
        "agreement",
        "objections",
        "ways_down",
        "doubts",
        "replacements",
        "graph_matching",
        "name_parts",
        "name_aliases",
        "name_roles",
        "name_layers",
        "name_sides",
        "name_labels",
        "name_attention",
        "name_sequence",
        "name_selection",
        "name_blocks",
        "interleaving",
        "name_counters",
        "name_hints",
        "name_tree",
        "arrangement",
        "name_readings",
        "name_matching",
        "equal_names",
        "unread",
        "name_doubts",
        "name_groups",
        "matching",
    ],
    [
        "block_tree",
        "codec",
        "value_files",
        "readers",
        "slots",
        "shapes",
        "settings",
        "parameters",
        "isolation",
        "tracing",
        "caches",
        "network",
    ],
    [
        "arguments",
        "boundary",
        "quick",
        "listing",
        "state",
        "file_keys",
        "storage",
        "parameter_dict",
        "children",
        "file_methods",
        "summary",
        "block",
        "extraction",
    ],
    ["headers", "sources", "binding_report", "planning", "completeness", "loading", "writing", "binding"],
    ["checkpoints", "norms", "moving", "selecting", "freezing", "trainable_table"],
    ["tying"],
    ["plain_blocks", "renaming_files", "renaming_checks", "renaming"],
    ["head_place", "head_classes", "head_rows", "head_checks", "head_state", "headed_block", "heads"],
    [
        "onnx_recurrent",
        "onnx_attributes",
        "onnx_form",
        "onnx_package",
        "onnx_indices",
        "onnx_piece",
        "onnx_model",
        "onnx_reference",
        "onnx_probe",
        "onnx_check",
        "onnx_export",
    ],
    [
        "drawing",
        "operator_text",
        "plot_units",
        "plot_repeats",
        "plot_collapse",
        "plot_pairs",
        "plot_cut",
        "plot_text",
        "plot_network",
        "plot_sides",
        "plot_binding",
        "engines",
        "picture",
        "plot",
    ],
    [
        "command_errors",
        "command_output",
        "command_arguments",
        "command_progress",
        "command_models",
        "command_target",
        "command_cutting",
        "command_binding",
        "command_export",
        "command_line",
    ],
    ["__init__"],
    ["__main__"],
]
ORDER = [module for layer in LAYERS for module in layer]
# These know neither mxnet nor its arrays.
NO_MXNET = {"errors", *LAYERS[1], *LAYERS[2], *LAYERS[3]}

PACKAGE = Path(gluon_subgraph.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))


def _source(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def _imports(module: str) -> Iterator[str]:
    """Yield the full name of every module that `module` imports, wherever the statement stands."""
    for statement in ast.walk(_source(module)):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = ".".join(filter(None, ("gluon_subgraph" if statement.level else "", statement.module or "")))
            yield base
            if base == "gluon_subgraph":
                yield from (f"{base}.{alias.name}" for alias in statement.names)


def _siblings(module: str) -> set[str]:
    """Return the modules of the package that `module` imports."""
    parts = (name.split(".") for name in _imports(module))
    return {part[1] for part in parts if part[0] == "gluon_subgraph" and len(part) > 1 and part[1] in ORDER}


def _functions(source: ast.Module) -> dict[str, ast.AST]:
    """Return every function of a module by its name, methods as `Class.name`."""
    found: dict[str, ast.AST] = {}
    waiting: list[tuple[str, ast.AST]] = [("", source)]
    for owner, scope in waiting:  # grows while it is walked
        for child in ast.iter_child_nodes(scope):
            if isinstance(child, ast.ClassDef):
                waiting.append((f"{child.name}.", child))
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[owner + child.name] = child
                waiting.append((owner, child))
            else:
                waiting.append((owner, child))
    return found


def _calls(name: str, function: ast.AST) -> set[str]:
    """Return what a function calls by plain name, and by `self.` or `cls.` as `Class.name`."""
    owner = name.rpartition(".")[0]
    called = {node.func for node in ast.walk(function) if isinstance(node, ast.Call)}
    plain = {func.id for func in called if isinstance(func, ast.Name)}
    own = {
        f"{owner}.{func.attr}"
        for func in called
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in ("self", "cls")
    }
    return plain | own


def _cycle(called_by_name: dict[str, set[str]]) -> list[str]:
    """Return the functions left when those that call none of the others are taken away, again and again."""
    left = {name: called & called_by_name.keys() for name, called in called_by_name.items()}
    while True:
        done = {name for name, called in left.items() if not called}
        if not done:
            return sorted(left)
        left = {name: called - done for name, called in left.items() if name not in done}


def test_order_names_every_module_and_nothing_else() -> None:
    compiled = [path.stem for path in PACKAGE.glob("*.pyx")]
    assert sorted(ORDER) == sorted([*MODULES, *compiled])


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_modules_before_it(module: str) -> None:
    before = ORDER[: ORDER.index(module)] if module in ORDER else ORDER
    assert [name for name in sorted(_siblings(module)) if name not in before] == []


@pytest.mark.parametrize("module", sorted(NO_MXNET & set(MODULES)))
def test_module_knows_no_mxnet(module: str) -> None:
    assert [name for name in _imports(module) if name.split(".")[0] == "mxnet"] == []


@pytest.mark.parametrize("module", sorted(NO_MXNET & set(MODULES)))
def test_module_imports_no_module_that_knows_mxnet(module: str) -> None:
    assert _siblings(module) - NO_MXNET == set()


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__main__"])
def test_module_lists_its_public_names(module: str) -> None:
    targets = [
        target.id
        for statement in _source(module).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]
    assert targets.count("__all__") == 1


@pytest.mark.parametrize("module", MODULES)
def test_module_has_no_recursion(module: str) -> None:
    functions = _functions(_source(module))
    assert _cycle({name: _calls(name, function) for name, function in functions.items()}) == []


def test_package_has_no_drawer_for_the_rest() -> None:
    assert {"utils", "util", "helpers", "common", "misc"} & set(MODULES) == set()


def test_version_is_the_installed_one() -> None:
    assert gluon_subgraph.__version__ == metadata.version("gluon_subgraph")


def test_recursion_is_noticed() -> None:
    source = ast.parse(
        "def f():\n    g()\ndef g():\n    f()\nclass C:\n    def h(self):\n        self.h()\n    def i(self): f()\n"
    )
    functions = _functions(source)
    assert _cycle({name: _calls(name, function) for name, function in functions.items()}) == ["C.h", "C.i", "f", "g"]
