"""The commands on two networks: match and bind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Mapping, NamedTuple, Sequence, Tuple

import click
import numpy as np

from .binding import bind_params
from .binding_report import Binding
from .codec import json_of_symbol
from .command_arguments import FILE, PAIR, SHAPE, json_option, side_options
from .command_errors import printable, told_on_terminal
from .command_models import Model, block_without_values, check_not_read, find_model, pair_of
from .command_output import files_data, print_files, print_json, print_lines, print_table
from .command_progress import Progress
from .completeness import Allowed, refuse_incomplete
from .errors import BindingError, SubgraphError, shorten
from .params_file import FILE_PREFIXES, unmarked
from .planning import plan_of
from .readers import load_symbol_file
from .sources import read_weights
from .storage import array_writer, write_beside, write_text

__all__ = ["match_command", "bind_command"]

_Pairs = Sequence[Tuple[str, str]]
_Shapes = Sequence[Tuple[str, Tuple[int, ...]]]
_ALONE = (".params", ".safetensors")


def _sides(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the two networks, and what is decided by hand, to a command."""
    command = click.option(
        "--skip", type=str, multiple=True, metavar="GLOB", help="Target parameters to leave out; may be repeated."
    )(command)
    command = click.option(
        "--pair", "pairs", type=PAIR, multiple=True, metavar="TARGET=SOURCE", help="Decided by you; may be repeated."
    )(command)
    command = click.option(
        "--shape",
        "shapes",
        type=SHAPE,
        multiple=True,
        metavar="INPUT=SIZES",
        help="The shape of an input of TARGET, where it has no parameter file; may be repeated.",
    )(command)
    return side_options("target")(side_options("source")(command))


@click.command("match")
@click.argument("target", type=FILE)
@click.argument("source", type=FILE)
@_sides
@json_option
def match_command(is_json: bool, pairs: _Pairs, skip: Sequence[str], shapes: _Shapes, **sides: Any) -> int:
    r"""Show which parameter of SOURCE belongs to which of TARGET.

    Each is what the files of a network begin with, a symbol file, or a file of arrays (.params, .npz, .safetensors, or
    a folder of these). Shapes are read, and no values. Status 1: something is missing, mismatched or ambiguous.

    \b
    --json prints {"complete", "mapping": {target: source}, "missing": {target:
    reason}, "extra": [source], "mismatched": {target: {"source", "reason"}},
    "ambiguous": {target: {"candidates", "reason"}}, "evidence": {target: text},
    "transforms": {target: text}, "skipped": [target], "overlapped": {target:
    shape}, "notes": [text]}.

    \b
    Example:
      gluon-subgraph match resnet old.safetensors
    """
    wanted, given = (_model_of(sides, side, needs_values=False) for side in ("target", "source"))
    _check_shapes_needed(wanted, shapes)
    with Progress() as progress:
        net = _without_values(wanted, shapes) if wanted.values_file is None else wanted.source(progress)
        plan = _planned(net, given.source(progress), _mapping_of(pairs), skip)
    if is_json:
        print_json(_binding_data(plan))
    else:
        print_table(plan.table())
    return 1 if plan.missing or plan.mismatched or plan.ambiguous else 0


@click.command("bind")
@click.argument("target", type=FILE)
@click.argument("source", type=FILE)
@click.argument("out", type=FILE)
@_sides
@click.option("--allow-missing", is_flag=True, help="Go on where SOURCE lacks parameters, or they are ambiguous.")
@click.option("--ignore-extra", is_flag=True, help="Do not mind parameters of SOURCE that nothing needs.")
@click.option(
    "--on-shape-mismatch",
    type=click.Choice(["error", "skip", "overlap"]),
    default="error",
    help="Leave parameters of other shapes, or copy the leading block that fits.",
)
@click.option("--cast-dtype", is_flag=True, help="Convert values to the dtype of TARGET.")
@json_option
def bind_command(
    out: str,
    is_json: bool,
    pairs: _Pairs,
    skip: Sequence[str],
    shapes: _Shapes,
    allow_missing: bool,
    ignore_extra: bool,
    on_shape_mismatch: str,
    cast_dtype: bool,
    **sides: Any,
) -> int:
    r"""Write TARGET with the values of SOURCE, whatever the names.

    TARGET may be a symbol file alone: dtypes are then those of SOURCE, and so are shapes that do not follow from the
    graph; --shape tells more of them. Writes OUT-symbol.json and
    OUT-0000.params; only the parameters if OUT ends in .params or .safetensors. Status 1: something is left over that
    no option allows; the table shows it, and nothing is written.

    \b
    --json prints {"files", "bytes", "unset": [target without a value]} and what
    `match --json` prints.

    \b
    Example:
      gluon-subgraph bind resnet-symbol.json weights.safetensors new
    """
    wanted, given = _model_of(sides, "target", needs_values=False), _model_of(sides, "source")
    files = [out] if out.endswith(_ALONE) else pair_of(out)
    _check_has_symbol(wanted, files)
    _check_shapes_needed(wanted, shapes)
    check_not_read(files, wanted, given)
    options: dict[str, Any] = {"on_shape_mismatch": on_shape_mismatch, "cast_dtype": cast_dtype}
    allowed = Allowed(allow_missing, ignore_extra, on_shape_mismatch != "error", cast_dtype)
    unset: list[str] = []
    with Progress() as progress:
        net = _without_values(wanted, shapes) if wanted.values_file is None else _with_values(wanted, progress)
        source = given.source(progress)
        plan = _planned(net, source, _mapping_of(pairs), skip, is_strict=on_shape_mismatch == "error")
        open_text = _text_of_what_is_open(plan, allowed)
        if open_text:
            files = []
        else:
            plan = bind_params(net, plan, allow_missing=allow_missing, ignore_extra=ignore_extra, **options)
            unset = _write(files, _bound_of(wanted, net), progress)
    _print_bound(plan, files, unset, is_json)
    if open_text:
        click.echo("\n".join(printable(line) for line in open_text.splitlines()), err=True)
    return 1 if open_text else 0


def _print_bound(plan: Binding, files: Sequence[str], unset: Sequence[str], is_json: bool) -> None:
    if is_json:
        print_json({**files_data(files), "unset": list(unset), **_binding_data(plan)})
        return
    print_table(plan.table())
    print_lines([f"without a value, and not written: {shorten(unset)}"] if unset else [])
    print_files(files)


def _model_of(sides: Mapping[str, Any], side: str, *, needs_values: bool = True) -> Model:
    return find_model(
        sides[side], sides[f"{side}_epoch"], sides[f"{side}_params"], side=side, needs_values=needs_values
    )


def _mapping_of(pairs: _Pairs) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for name, source in pairs:
        if mapping.setdefault(name, source) != source:
            msg = f"--pair names two sources for {name!r}: {mapping[name]!r} and {source!r}.\n  Leave one out."
            raise SubgraphError(msg)
    return mapping


def _without_values(model: Model, shapes: _Shapes) -> Any:
    return block_without_values(str(model.symbol_file), dict(shapes))


def _with_values(model: Model, progress: Progress) -> Any:
    """Return a target whose arrays are read, to be written into."""
    values = progress.read(str(model.values_file))
    if model.symbol_file is None:
        return values
    return load_symbol_file(model.symbol_file), values, {}


def _planned(
    net: Any, source: Any, pairs: Mapping[str, str], skip: Sequence[str], *, is_strict: bool = True
) -> Binding:
    """Return the plan; Parameters of a network without values take the dtypes of what they are to hold."""
    target, given = read_weights(net, "target"), read_weights(source, "source")
    plan = plan_of(target, given, pairs, list(skip), is_strict=is_strict)
    if target.kind != "block":
        return plan
    params = net.collect_params()
    for name, other in plan.mapping.items():
        if given.dtypes.get(other):
            params[name].dtype = given.dtypes[other]
    return replace(plan, _target=read_weights(net, "target"))


def _text_of_what_is_open(plan: Binding, allowed: Allowed) -> str:
    try:
        refuse_incomplete(plan, allowed)
    except BindingError as error:
        return told_on_terminal(str(error)).replace("nothing was loaded", "nothing was written")
    return ""


def _check_shapes_needed(target: Model, shapes: _Shapes) -> None:
    if shapes and target.values_file is not None:
        msg = (
            f"--shape is for a TARGET without parameters, and {printable(target.values_file)!r} has them. Leave it out."
        )
        raise click.UsageError(msg)


def _check_has_symbol(target: Model, files: Sequence[str]) -> None:
    if target.symbol_file is None and len(files) > 1:
        msg = (
            f"{target.values_file!r} is a file of arrays, without the graph that {files[0]!r} would hold.\n"
            "  Give an OUT that ends in .params or .safetensors, or the symbol file as TARGET; nothing was written."
        )
        raise SubgraphError(msg)


class _Bound(NamedTuple):
    """What is to be written."""

    values: dict[str, Any]  # by the name in a .params file
    text: str  # of the symbol
    unset: list[str]  # Parameters without a value


def _bound_of(target: Model, net: Any) -> _Bound:
    """Return the values that a bound target has, under the names that a parameter file has them by."""
    if target.symbol_file is None:
        return _Bound(net, "", [])
    symbol = net[0] if isinstance(net, tuple) else net.symbol
    auxiliary = frozenset(symbol.list_auxiliary_states())
    arrays = net[1] if isinstance(net, tuple) else {n: p._data and p._data[0] for n, p in net.collect_params().items()}
    values = {}
    for key, value in arrays.items():
        name = unmarked(key)
        if value is not None:
            values[FILE_PREFIXES[name in auxiliary] + name] = value
    return _Bound(values, json_of_symbol(symbol), [name for name, value in arrays.items() if value is None])


def _write(files: Sequence[str], bound: _Bound, progress: Progress) -> list[str]:
    """Write what is bound; return what has no value."""
    params = files[-1]
    values = bound.values
    if not params.endswith(".params"):
        values = {unmarked(name): value for name, value in values.items()}
    writers: dict[str, Callable[[str], None]] = {params: lambda name: array_writer(params)(name, values)}
    if len(files) > 1:
        writers[files[0]] = lambda name: write_text(name, bound.text)
    size = sum(value.size * np.dtype(value.dtype).itemsize for value in values.values())
    with progress.writing([params], size):
        write_beside(writers)
    return bound.unset


def _binding_data(plan: Binding) -> dict[str, Any]:
    """Return a Binding as a JSON object."""
    return {
        "complete": plan.is_complete,
        "mapping": plan.mapping,
        "missing": plan.missing,
        "extra": list(plan.extra),
        "mismatched": {name: {"source": m.source, "reason": m.reason} for name, m in plan.mismatched.items()},
        "ambiguous": {n: {"candidates": list(a.candidates), "reason": a.reason} for n, a in plan.ambiguous.items()},
        "evidence": plan.evidence,
        "transforms": plan.transforms,
        "skipped": list(plan.skipped),
        "overlapped": {name: list(shape) for name, shape in plan.overlapped.items()},
        "notes": list(plan.notes),
    }
