"""A ParameterDict that goes by its keys, for Parameters that are called otherwise here than where they were made."""

from __future__ import annotations

from mxnet import gluon

from .errors import SubgraphError, shorten
from .storage import save_arrays, values_of

__all__ = ["KeyedParameterDict"]


class KeyedParameterDict(gluon.ParameterDict):
    """Parameters by name, saved under these names.

    Gluon writes the name each Parameter was made with, and looks for the key when it loads: of a renamed network
    it could not read its own file.
    """

    def save(self, filename: str, strip_prefix: str = "") -> None:
        """Write the values under their keys, less `strip_prefix`.

        Raises
        ------
        SubgraphError
            A key does not begin with `strip_prefix`; nothing is written.
        BindingError
            A parameter has no value yet; nothing is written.
        """
        others = [name for name in self.keys() if not name.startswith(strip_prefix)]
        if others:
            msg = (
                f"strip_prefix={strip_prefix!r} is not what {shorten(others)} begin with.\n"
                f"  That is {len(others)} of {len(self.keys())} names.\n"
                "  Give a prefix of all names, or none; nothing was written."
            )
            raise SubgraphError(msg)
        values = values_of(dict(self.items()))
        save_arrays(filename, {name[len(strip_prefix) :]: value for name, value in values.items()})
