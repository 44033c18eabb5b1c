"""The commands on one network: nodes, extract, rename."""

from __future__ import annotations

import re
from typing import Any, Sequence

import click

from .command_arguments import FILE, NAMES, OUT, json_option, model_options, one_or_list, parts_of, shape_option
from .command_errors import printable
from .command_models import Model, check_not_read, find_model, pair_of
from .command_output import files_data, print_files, print_json, print_lines, print_read, print_table
from .command_progress import Progress
from .errors import BindingError, nearest_names, shorten
from .extraction import extract
from .listing import list_nodes
from .renaming import rename

__all__ = ["nodes_command", "extract_command", "rename_command"]

_EPOCH = re.compile(r"-([0-9]{4,9})\.params\Z")


@click.command("nodes")
@click.argument("model", type=FILE)
@click.argument("match", required=False, metavar="[GLOB]")
@model_options(may_be_none=True)
@shape_option
@json_option
def nodes_command(
    model: str, match: str | None, epoch: int | None, params: str | None, shapes: Any, is_json: bool
) -> int:
    r"""List what can be named in MODEL.

    MODEL is what the files begin with, or the symbol file; only its names and shapes are read. GLOB keeps nodes whose
    name or block path matches. Status 1: no node does.

    \b
    --json prints {"nodes": [{"name", "op", "inputs", "outputs", "parameters",
    "path", "shape"}]}.

    \b
    Example:
      gluon-subgraph nodes resnet '*relu*' --shape data=1,3,224,224
    """
    with Progress() as progress:
        read = find_model(model, epoch, params, needs_values=False)
        net = read.network(progress)
        found = list_nodes(net, match=match, shapes=dict(shapes) or None)
        names = [node.name for node in (found if len(found) or match is None else list_nodes(net))]
    if is_json:
        print_json({"nodes": [node._asdict() for node in found]})
    elif len(found):
        print_read(*read.named())
        print_table(found.table())
    if not len(found):
        near = nearest_names((match or "").strip("*"), names)
        hint = f" Nearest: {shorten(near)}." if near else ""
        click.echo(printable(f"no node of {model!r} matches {match!r}.{hint}"), err=True)
    return 0 if len(found) else 1


@click.command("extract")
@click.argument("model", type=FILE)
@click.argument("out", type=OUT)
@click.argument("inputs", type=NAMES)
@click.argument("outputs", type=NAMES)
@click.option(
    "--open-cut", type=click.Choice(["error", "add"]), default="error", help="Where a path walks around INPUTS."
)
@model_options(may_be_none=False)
@json_option
def extract_command(
    model: str,
    out: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    open_cut: str,
    epoch: int | None,
    params: str | None,
    is_json: bool,
) -> int:
    r"""Write the piece of MODEL between tensors, still trained.

    To get B, C, D of A -> B -> C -> D -> E, INPUTS is A, the value that enters B, and OUTPUTS is D. Several names have
    commas between them; a comma that belongs to a name has a backslash before it ('a\,b'). Writes OUT-symbol.json and
    OUT-0000.params, in place of what is there. --open-cut add makes further inputs of the tensors that leak.

    \b
    --json prints {"files", "bytes", "inputs", "outputs"}.

    \b
    Example:
      gluon-subgraph extract resnet piece pool0_fwd stage2_activation1
    """
    files = pair_of(out)
    found = find_model(model, epoch, params)
    check_not_read(files, found)
    with Progress() as progress:
        piece = extract(found.network(progress), one_or_list(inputs), one_or_list(outputs), open_cut=open_cut)
        with progress.writing(files[::-1]):
            saved = piece.save(files[0][: -len("-symbol.json")])
    written = [saved.symbol_file, saved.params_file]
    if is_json:
        names = {"inputs": list(piece.input_names), "outputs": list(piece.output_names)}
        print_json({**files_data(written), **names})
        return 0
    print_read(*found.named())
    print_lines([f"inputs: {', '.join(piece.input_names)}", f"outputs: {', '.join(piece.output_names)}"])
    print_files(written)
    return 0


@click.command("rename")
@click.argument("model", type=FILE)
@click.argument("out", type=OUT)
@click.argument("names", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only find and check the names; write nothing.")
@model_options(may_be_none=False)
@json_option
def rename_command(
    model: str,
    out: str,
    names: Sequence[str],
    dry_run: bool,
    epoch: int | None,
    params: str | None,
    is_json: bool,
) -> int:
    r"""Write MODEL under other names.

    NAMES is one new prefix, or pairs OLD=NEW, in which * and ? stand for what they match; an = that belongs to a name
    has a backslash before it. Writes OUT-symbol.json and OUT-0000.params, or the epoch that MODEL has. Status 1: no
    name changes, and nothing is written.

    \b
    --json prints {"files", "bytes", "mapping": {old: new}}.

    \b
    Example:
      gluon-subgraph rename old new 'conv*_w=conv*_weight' 'conv*_b=conv*_bias'
    """
    found = find_model(model, epoch, params)
    pair = _both_files(found)
    number = _EPOCH.search(pair[1])
    files = pair_of(out, int(number.group(1)) if number else 0)
    check_not_read(files, found)
    wanted = _names_wanted(names)
    renamed = rename(pair, wanted, dry_run=True)
    is_written = bool(renamed.mapping) and not dry_run
    if is_written:
        with Progress() as progress, progress.writing(files[::-1]):
            rename(pair, wanted, out=tuple(files))
    written = files if is_written else []
    if is_json:
        print_json({**files_data(written), "mapping": renamed.mapping})
    else:
        print_read(*pair)
        print_table(renamed.table())
        print_files(written)
    return 0 if renamed.mapping else 1


def _both_files(model: Model) -> tuple[str, str]:
    if model.symbol_file is None or model.values_file is None:
        msg = (
            f"{model.values_file!r} is a file of arrays, without the graph that has the names.\n"
            "  Give the symbol file, or what both files begin with; nothing was written."
        )
        raise BindingError(msg)
    return model.symbol_file, model.values_file


def _names_wanted(names: Sequence[str]) -> Any:
    """Return a prefix or glob, or {old name: new name}."""
    pairs = [parts_of(name, "=", 1) for name in names]
    if len(pairs) == 1 and len(pairs[0]) == 1:
        return pairs[0][0]
    wanted: dict[str, str] = {}
    for name, pair in zip(names, pairs):
        if len(pair) != 2 or not all(pair):
            msg = f"{printable(name)!r} is no pair: give one new prefix, or pairs OLD=NEW."
            raise click.BadArgumentUsage(msg)
        if wanted.setdefault(pair[0], pair[1]) != pair[1]:
            msg = f"{printable(pair[0])!r} is to have two names: {wanted[pair[0]]!r} and {pair[1]!r}."
            raise click.BadArgumentUsage(msg)
    return wanted
