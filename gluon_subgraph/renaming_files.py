"""A pair of checkpoint files under other names; arrays of a ``.params`` file are carried over byte for byte."""

from __future__ import annotations

import os
import re
from typing import Any, Mapping, Sequence

import mxnet as mx

from .codec import json_of_symbol
from .errors import BindingError, NameConflictError, SubgraphError, kind_of, shorten
from .file_arguments import check_array_name
from .files_beside import write_beside, write_text
from .network import Network
from .parameters import ParameterSource
from .params_file import copy_under_new_names, is_params_file, unmarked
from .readers import load_symbol_file
from .rename import new_keys
from .storage import array_writer
from .value_files import StoredArray, is_safetensors_name, open_values_file

__all__ = ["RenamedFiles", "check_belong"]

_EPOCH = re.compile(r"-([0-9]{4,})\.params\Z")
_PATH = (str, os.PathLike)


class RenamedFiles:
    """A pair of files to be renamed, and where the renamed pair goes.

    Attributes
    ----------
    network : Network
        What the files hold, with a header in place of each array.
    """

    def __init__(self, symbol_file: str, params_file: str, out: tuple[str, str] | None) -> None:
        self._params_file = params_file
        self._out = out
        symbol = load_symbol_file(symbol_file)
        self._values = open_values_file(params_file)
        self._headers = self._values.headers
        self.network = Network(symbol, ParameterSource(self._headers), title=symbol.name or "checkpoint")
        way = (
            "Give a file that goes by the names of variables, as export writes it: one of save_parameters goes by"
            " blocks and needs no renaming. Nothing was written."
        )
        variables = [node.name for _, node in self.network.graph.variables()]
        check_belong(symbol_file, variables, params_file, list(self._headers), way)

    @classmethod
    def of(cls, net: Any, out: Any, is_dry: bool) -> RenamedFiles | None:
        """Return the files that `net` names, None where it is something else.

        Raises
        ------
        SubgraphError
            A file cannot be read; `out` is missing, or no place for two files of these kinds.
        BindingError
            Not one array belongs to a variable.
        """
        if not (isinstance(net, (tuple, list)) and len(net) == 2 and all(isinstance(path, _PATH) for path in net)):
            return None
        symbol_file, params_file = map(os.fsdecode, net)
        places = None if is_dry and out is None else _checked_places(out, params_file)
        return cls(symbol_file, params_file, places)

    def new_keys(self, new_of: Mapping[str, str]) -> dict[str, str]:
        """Return {name in the file: new name} of all arrays.

        Raises
        ------
        NameConflictError
            An array that belongs to no variable has one of the new names.
        """
        return new_keys(self._headers, new_of)

    def write(self, symbol: mx.sym.Symbol, new_of: Mapping[str, str]) -> tuple[str, str]:
        """Write the renamed pair, both files beside and then renamed, and return their paths.

        Raises
        ------
        SubgraphError
            A place cannot be written to.
        """
        symbol_file, params_file = self._out  # type: ignore[misc]  # missing only in a dry run
        keys = self.new_keys(new_of)
        text = json_of_symbol(symbol)
        write_beside(
            {
                params_file: lambda name: self._write_values(name, params_file, keys),
                symbol_file: lambda name: write_text(name, text),
            }
        )
        return symbol_file, params_file

    def _write_values(self, name: str, params_file: str, keys: Mapping[str, str]) -> None:
        """Write the arrays under new names to `name`, in the format that `params_file` asks for."""
        if is_params_file(self._params_file) and not is_safetensors_name(params_file):
            copy_under_new_names(self._params_file, name, keys)
            return
        arrays = {keys[key]: StoredArray(self._values, key).read() for key in self._values}
        array_writer(params_file)(name, arrays)


def check_belong(symbol_file: str, variables: Sequence[str], params_file: str, keys: Sequence[str], way: str) -> None:
    """Refuse two files of which one names no variable of the other; `way` says what to give instead.

    Raises
    ------
    BindingError
        They are such files.
    """
    known = dict.fromkeys(variables)
    if keys and not any(key in known or unmarked(key) in known for key in keys):
        msg = (
            f"none of the {len(keys)} arrays of {params_file!r} belongs to a variable of {symbol_file!r}.\n"
            f"  It holds {shorten(keys)}; the variables are {shorten(known)}.\n"
            f"  {way}"
        )
        raise BindingError(msg)


def _checked_places(out: Any, params_file: str) -> tuple[str, str]:
    if isinstance(out, _PATH):
        epoch = _EPOCH.search(params_file)
        base = os.fsdecode(out)
        return f"{base}-symbol.json", f"{base}-{epoch.group(1) if epoch else '0000'}.params"
    if isinstance(out, (tuple, list)) and len(out) == 2 and all(isinstance(path, _PATH) for path in out):
        places = os.fsdecode(out[0]), os.fsdecode(out[1])
        if os.path.realpath(places[0]) != os.path.realpath(places[1]):
            check_array_name(places[1])
            return places
        msg = (
            f"out={out!r} is one place for two files.\n"
            "  The symbol and the parameters are a file each.\n"
            "  Give two paths, or what both begin with; nothing was written."
        )
        raise NameConflictError(msg)
    what = "missing" if out is None else f"{out!r} ({kind_of(out)})"
    msg = (
        f"out is {what}: a pair of files is renamed into another pair.\n"
        "  It is (symbol file, params file), or what both begin with, such as 'renamed' for 'renamed-symbol.json' and"
        " 'renamed-0000.params'.\n"
        "  Give such a place, that of the files themselves to replace them; nothing was written."
    )
    raise SubgraphError(msg)
