"""The commands on two networks: match and bind."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, Callable, Mapping, Sequence, Tuple

import click

from .binding import bind_params, with_overlaps
from .binding_report import Binding
from .command_arguments import FILE, OUT, PAIR, json_option, shape_option, side_options
from .command_errors import printable, told_on_terminal
from .command_models import Model, check_not_read, find_model, pair_of
from .command_output import files_data, print_files, print_json, print_lines, print_read, print_table
from .command_progress import Progress
from .command_target import Shapes, Target, opened_target, write_bound
from .completeness import Allowed, other_dtypes, refuse_incomplete
from .errors import BindingError, SubgraphError, shorten

__all__ = ["match_command", "bind_command"]

_Pairs = Sequence[Tuple[str, str]]
_ALONE = (".params", ".safetensors")


def _deciding(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what is decided by hand to a command."""
    command = click.option(
        "--skip", type=str, multiple=True, metavar="GLOB", help="Target parameters to leave out; may be repeated."
    )(command)
    command = click.option(
        "--pair", "pairs", type=PAIR, multiple=True, metavar="TARGET=SOURCE", help="Decided by you; may be repeated."
    )(command)
    command = shape_option(command, "The shape of an input of TARGET, where it has no parameter file; may be repeated.")
    command = click.option("--cast-dtype", is_flag=True, help="Convert values to the dtype of TARGET.")(command)
    command = click.option("--ignore-extra", is_flag=True, help="Do not mind parameters of SOURCE that nothing needs.")(
        command
    )
    return click.option(
        "--on-shape-mismatch",
        type=click.Choice(["error", "skip", "overlap"]),
        default="error",
        help="Leave parameters of other shapes, or copy the leading block that fits.",
    )(command)


@click.command("match")
@click.argument("target", type=FILE)
@click.argument("source", type=FILE)
@side_options("target", may_be_none=True)
@side_options("source", may_be_none=True)
@_deciding
@json_option
def match_command(
    is_json: bool,
    pairs: _Pairs,
    skip: Sequence[str],
    shapes: Shapes,
    ignore_extra: bool,
    on_shape_mismatch: str,
    cast_dtype: bool,
    **sides: Any,
) -> int:
    r"""Show which parameter of SOURCE belongs to which of TARGET.

    Each is what the files of a network begin with, a symbol file, or a file of arrays (.params, .npz, .safetensors, or
    a folder of these). Shapes are read, and no values. Status 1: `bind` with these options would write nothing, because
    something is missing, extra, mismatched, ambiguous, or of another dtype.

    \b
    --json prints {"complete", "mapping": {target: source}, "missing": {target:
    reason}, "extra": [source], "mismatched": {target: {"source", "reason"}},
    "ambiguous": {target: {"candidates", "reason"}}, "evidence": {target: text},
    "transforms": {target: text}, "dtypes": {target: [its own, the source's],
    where they differ}, "skipped": [target], "overlapped": {target: shape},
    "notes": [text]}.

    \b
    Example:
      gluon-subgraph match resnet old.safetensors
    """
    wanted, given = (_model_of(sides, side, needs_values=False) for side in ("target", "source"))
    _check_shapes_needed(wanted, shapes)
    with Progress() as progress:
        target = opened_target(wanted, shapes, progress, with_values=False)
        source = given.source(progress)
        plan = _planned(target, source, pairs, skip, on_shape_mismatch, cast_dtype=cast_dtype)
    is_dtype_open = not (cast_dtype or target.is_alone)
    if is_json:
        print_json(_binding_data(plan, is_dtype_open=is_dtype_open))
    else:
        print_read(*wanted.named(), *given.named())
        _print_plan(plan, is_dtype_open=is_dtype_open, is_bound=False)
    allowed = Allowed(False, ignore_extra, on_shape_mismatch != "error", not is_dtype_open)
    return 1 if _text_of_what_is_open(plan, allowed) else 0


@click.command("bind")
@click.argument("target", type=FILE)
@click.argument("source", type=FILE)
@click.argument("out", type=OUT)
@side_options("target", may_be_none=True)
@side_options("source", may_be_none=False)
@_deciding
@click.option("--allow-missing", is_flag=True, help="Go on where SOURCE lacks parameters, or they are ambiguous.")
@json_option
def bind_command(
    out: str,
    is_json: bool,
    pairs: _Pairs,
    skip: Sequence[str],
    shapes: Shapes,
    allow_missing: bool,
    ignore_extra: bool,
    on_shape_mismatch: str,
    cast_dtype: bool,
    **sides: Any,
) -> int:
    r"""Write TARGET with the values of SOURCE, whatever the names.

    TARGET may be a symbol file alone (`--target-params none`, if there is a parameter file beside it): shapes that do
    not follow from the graph are then those of SOURCE; --shape tells more of them. So are dtypes, but for bfloat16 and
    what normalisations need in float32, which is float32; with --cast-dtype all are the graph's own. Writes
    OUT-symbol.json and OUT-0000.params; only the parameters if OUT ends in .params or .safetensors. Status 1: something
    is left over that no option allows; the table shows it, and nothing is written.

    \b
    --json prints {"files", "bytes", "unset": [target without a value]} and what
    `match --json` prints.

    \b
    Example:
      gluon-subgraph bind resnet-symbol.json weights.safetensors new
    """
    wanted, given = _model_of(sides, "target", needs_values=False), _model_of(sides, "source")
    files = [out] if out.endswith(_ALONE) else pair_of(out, also=_ALONE)
    _check_has_symbol(wanted, files)
    _check_shapes_needed(wanted, shapes)
    check_not_read(files, wanted, given)
    unset: list[str] = []
    with Progress() as progress, contextlib.ExitStack() as stack:
        target = opened_target(wanted, shapes, progress, with_values=True)
        stack.enter_context(target.mode())
        source = given.source(progress)
        plan = _planned(target, source, pairs, skip, on_shape_mismatch, cast_dtype=cast_dtype)
        casts = cast_dtype or target.is_alone  # its dtypes were chosen for the values
        allowed = Allowed(allow_missing, ignore_extra, on_shape_mismatch != "error", casts)
        open_text = _text_of_what_is_open(plan, allowed)
        if open_text:
            files = []
        else:
            options: dict[str, Any] = {"on_shape_mismatch": on_shape_mismatch, "cast_dtype": casts}
            plan = bind_params(target.net, plan, allow_missing=allow_missing, ignore_extra=ignore_extra, **options)
            unset = write_bound(files, target, progress)
    if is_json:
        data = _binding_data(plan, is_dtype_open=not casts)
        print_json({**files_data(files), "unset": unset, **data})
    else:
        print_read(*wanted.named(), *given.named())
        _print_plan(plan, is_dtype_open=not casts, is_bound=not open_text)
        print_lines([f"without a value, and not written: {shorten(unset)}"] if unset else [])
        print_files(files)
    if open_text:
        click.echo("\n".join(printable(line) for line in open_text.splitlines()), err=True)
    return 1 if open_text else 0


def _planned(
    target: Target, source: Any, pairs: _Pairs, skip: Sequence[str], on_shape_mismatch: str, *, cast_dtype: bool
) -> Binding:
    """Return the plan, with the leading blocks where these are to be copied."""
    is_strict = on_shape_mismatch == "error"
    plan = target.planned(source, _mapping_of(pairs), skip, is_strict=is_strict, cast_dtype=cast_dtype)
    return with_overlaps(plan) if on_shape_mismatch == "overlap" else plan


def _print_plan(plan: Binding, *, is_dtype_open: bool, is_bound: bool) -> None:
    """Print the table of a plan, copied blocks only where it is bound; dtypes are no part of it, and stand below."""
    print_table((plan if is_bound else replace(plan, overlapped={})).table())
    differing = other_dtypes(plan) if is_dtype_open else {}
    print_lines([f"of another dtype: {len(differing)}"] if differing else [])
    print_lines(f"  {t} {own} <- {plan.mapping.get(t, '')} {other}" for t, (own, other) in differing.items())


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


def _text_of_what_is_open(plan: Binding, allowed: Allowed) -> str:
    try:
        refuse_incomplete(plan, allowed)
    except BindingError as error:
        return told_on_terminal(str(error))
    return ""


def _check_shapes_needed(target: Model, shapes: Shapes) -> None:
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


def _binding_data(plan: Binding, *, is_dtype_open: bool) -> dict[str, Any]:
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
        "dtypes": {t: list(pair) for t, pair in other_dtypes(plan).items()} if is_dtype_open else {},
        "skipped": list(plan.skipped),
        "overlapped": {name: list(shape) for name, shape in plan.overlapped.items()},
        "notes": list(plan.notes),
    }
