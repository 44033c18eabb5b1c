"""The command line: what `gluon-subgraph` and `python -m gluon_subgraph` carry out."""

from __future__ import annotations

from importlib import metadata

import click

from .command_binding import bind_command, match_command
from .command_cutting import extract_command, nodes_command, rename_command
from .command_errors import Commands
from .command_export import onnx_command, plot_command

__all__ = ["main"]


@click.group(
    cls=Commands,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(metadata.version("gluon_subgraph"), "-V", "--version", prog_name="gluon-subgraph")
def main() -> None:
    r"""Take trained MXNet networks apart, and put their weights to work again.

    MODEL is what the files of a network begin with (resnet for resnet-symbol.json and resnet-0000.params), or the
    symbol file; --epoch or --params chooses among several parameter files. No file that is read is overwritten.

    Exit status: 0 all is well, 1 the answer is no, 2 bad input, 130 interrupted.

    \b
    Example:
      gluon-subgraph nodes resnet
    """


for _command in (
    nodes_command,
    extract_command,
    match_command,
    bind_command,
    rename_command,
    plot_command,
    onnx_command,
):
    main.add_command(_command)
