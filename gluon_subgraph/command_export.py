"""The commands that write a network for others: plot and onnx."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import click

from .binding import match_params
from .command_arguments import (
    FILE,
    OUT,
    checked_cut,
    cut_options,
    json_option,
    model_options,
    shape_option,
    side_options,
)
from .command_errors import printable
from .command_models import check_not_read, find_model
from .command_output import files_data, print_files, print_json, print_lines, print_read
from .command_progress import Progress
from .extraction import extract
from .onnx_export import to_onnx
from .plot import plot

__all__ = ["plot_command", "onnx_command"]


@click.command("plot")
@click.argument("model", type=FILE)
@click.argument("out", type=OUT)
@cut_options
@click.option("--expand", multiple=True, metavar="PATH", help="A block to be drawn layer by layer; may be repeated.")
@click.option("--source", type=FILE, help="A second network: which of its parameters go where.")
@side_options("source", may_be_none=True)
@model_options(may_be_none=True)
@shape_option
@json_option
def plot_command(
    model: str,
    out: str,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    expand: Sequence[str],
    source: str | None,
    source_epoch: int | None,
    source_params: str | None,
    epoch: int | None,
    params: str | None,
    shapes: Any,
    is_json: bool,
) -> int:
    r"""Draw MODEL as a picture.

    A piece of it is coloured; or it stands beside the network that its weights come from. The format is that of OUT's
    name: .svg, .png, .pdf or .dot.

    \b
    --json prints {"files", "bytes"}.

    \b
    Example:
      gluon-subgraph plot resnet resnet.svg --inputs pool0_fwd --outputs stage2_activation1
    """
    cut = checked_cut(inputs, outputs)
    _check_source(
        source is not None,
        {"--source-epoch": source_epoch is not None, "--source-params": source_params is not None},
        {"--inputs and --outputs": cut is not None, "--expand": bool(expand), "--shape": bool(shapes)},
    )
    found = find_model(model, epoch, params, needs_values=False)
    others = [find_model(source, source_epoch, source_params, side="source", needs_values=False)] if source else []
    check_not_read([out], found, *others)
    with Progress() as progress:
        net = found.network(progress)
        binding = match_params(net, others[0].source(progress)) if others else None
        picture = plot(net, cut=cut, binding=binding, expand=tuple(expand), shapes=dict(shapes) or None)
        written = [picture.save(out)]
    if is_json:
        print_json(files_data(written))
    else:
        print_read(*found.named(), *(name for model in others for name in model.named()))
        print_files(written)
    return 0


def _check_source(is_given: bool, of_source: Mapping[str, bool], of_one: Mapping[str, bool]) -> None:
    """Refuse options of a second network where there is none, and those of one network where there are two."""
    if not is_given and any(of_source.values()):
        msg = f"{_named(of_source)} says which parameters of --source are meant, and there is no --source. Give both."
        raise click.UsageError(msg)
    if is_given and any(of_one.values()):
        msg = (
            f"--source is given together with {_named(of_one)}, and two networks side by side are a picture of their"
            " own. Draw two pictures."
        )
        raise click.UsageError(msg)


def _named(options: Mapping[str, bool]) -> str:
    return ", ".join(name for name, is_given in options.items() if is_given)


@click.command("onnx")
@click.argument("model", type=FILE)
@click.argument("out", type=OUT)
@shape_option
@cut_options
@model_options(may_be_none=False)
@json_option
def onnx_command(
    model: str,
    out: str,
    shapes: Any,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    epoch: int | None,
    params: str | None,
    is_json: bool,
) -> int:
    r"""Write MODEL, or a piece of it, as an ONNX file.

    It is written only where it is known to compute the same. Needs a --shape for every input, batch included, and what
    `pip install 'gluon_subgraph[onnx]'` installs.

    \b
    --json prints {"files", "bytes", "difference": of an output from MXNet's,
    relative to the largest}.

    \b
    Example:
      gluon-subgraph onnx resnet resnet.onnx --shape data=1,3,224,224
    """
    cut = checked_cut(inputs, outputs)
    if not out.endswith(".onnx"):
        msg = f"{printable(out)!r} does not end in '.onnx', as the names of such files do. Give such a name."
        raise click.BadArgumentUsage(msg)
    found = find_model(model, epoch, params)
    check_not_read([out], found)
    with Progress() as progress:
        net = found.network(progress)
        file = to_onnx(net if cut is None else extract(net, *cut), out, dict(shapes))
    if is_json:
        print_json({**files_data([file.path]), "difference": file.difference})
        return 0
    print_read(*found.named())
    print_files([file.path])
    print_lines([f"largest relative difference of an output: {file.difference:.1e}"])
    return 0
