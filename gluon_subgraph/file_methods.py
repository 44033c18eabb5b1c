"""What a block does with files, the same for a piece and for a trunk with a head."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from mxnet import gluon

from . import storage
from .file_arguments import checked_path
from .graph import Graph
from .interface import Interface, with_interface
from .settings import former_names

__all__ = ["FileMethods", "Stored", "FileNames"]


class Stored(NamedTuple):
    """What a block writes: its graph, the Parameters by variable, what it takes and returns."""

    graph: Graph
    params: Mapping[str, gluon.Parameter]
    interface: Interface
    is_np: bool


class FileNames(NamedTuple):
    """The names of a block's Parameters in files: structural, in full, and in full in earlier days."""

    structural: Mapping[str, gluon.Parameter]
    full: Mapping[str, gluon.Parameter]
    former: Mapping[str, Sequence[gluon.Parameter]]
    is_np: bool

    @classmethod
    def of(cls, structural: Mapping[str, gluon.Parameter], full: Any, is_np: bool) -> FileNames:
        """Return the names of Parameters that have these now; they know the earlier ones themselves."""
        full = dict(full.items())
        return cls(structural, full, former_names(full, structural), is_np)


class FileMethods:
    """Files of a block that says what it stores, and what its parameters are called there."""

    def _stored(self) -> Stored:
        raise NotImplementedError

    def _file_names(self) -> FileNames:
        raise NotImplementedError

    def export(self, path: str, epoch: int = 0, remove_amp_cast: bool = False) -> storage.SavedFiles:
        """Write ``path-symbol.json`` and ``path-0000.params``; no forward pass is needed before.

        The files note the order of the inputs and the structure of the outputs besides. Both are written beside and
        then renamed. AMP casts stay in unless `remove_amp_cast`.

        Returns
        -------
        SavedFiles
            The paths of the two files, and their size in bytes.

        Raises
        ------
        BindingError
            A parameter has no value yet; nothing is written.
        SubgraphError
            `path` is no path, or `epoch` no number from 0 on; the folder does not exist or cannot be written to.
        """
        graph, params, interface, is_np = self._stored()
        noted = with_interface(graph, interface)
        return storage.export_files(noted, params, path, epoch, is_np=is_np, remove_amp_cast=remove_amp_cast)

    def save(self, path: str) -> storage.SavedFiles:
        """Write ``path-symbol.json`` and ``path-0000.params``, which `gluon_subgraph.load` makes one block of again.

        Stock MXNet loads the files as well, with equal outputs. They are those of `export`.

        Returns
        -------
        SavedFiles
            The paths of the two files, and their size in bytes.

        Raises
        ------
        BindingError
            A parameter has no value yet; nothing is written.
        SubgraphError
            `path` is no path; the folder does not exist or cannot be written to.
        """
        return self.export(path)

    def save_parameters(self, filename: str, deduplicate: bool = False) -> None:
        """Write the parameters under names that do not depend on the network's prefix.

        The file loads into this block, into the same piece of another instance of the network, and (each name
        behind the child's) into a parent block. A name that ends in ``.safetensors`` makes it a file of that format,
        with sparse parameters written dense. It is written beside and then renamed.

        Parameters
        ----------
        filename : str or path
            Where to, with a name that does not end in ``.npz`` or ``.json``.
        deduplicate : bool, default False
            Write a Parameter that has several names once, under the last of them.

        Raises
        ------
        BindingError
            A parameter has no value yet; nothing is written.
        SubgraphError
            `filename` is no path, or ends in ``.npz`` or ``.json``; the folder does not exist or cannot be written to.
        """
        storage.array_writer(checked_path(filename, "filename"))  # refuses a name before any value is fetched
        params = self._file_names().structural
        if deduplicate:
            params = {name: p for p, name in {p: name for name, p in params.items()}.items()}
        storage.save_arrays(filename, storage.values_of(params))

    def load_parameters(
        self,
        filename: str,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Load parameters from a file of `save_parameters`, `export` or ``ParameterDict.save``, or of another format.

        That is an ``.npz`` or ``.safetensors`` file, whatever its name, with the names of one of these.

        Every name, shape and dtype is checked first; on an error nothing has been loaded.

        Raises
        ------
        BindingError
            A parameter is missing, superfluous, or differs in shape, dtype or context, and no option allows it; a name
            may mean two parameters; one parameter has two names in the file, and two values.
        SubgraphError
            `filename` is no path, or the file is missing or damaged; `ctx` is no context; `dtype_source` is neither
            "current" nor "saved".
        """
        leniency = storage.Leniency(allow_missing, ignore_extra, cast_dtype, dtype_source)
        structural, full, former, is_np = self._file_names()
        storage.load_into(filename, structural, full, leniency, ctx=ctx, is_np=is_np, former=former)
