"""Picture: what `plot` returns, as text, as a file, or in a notebook."""

from __future__ import annotations

import os
from typing import Any

from . import engines
from .errors import SubgraphError, kind_of
from .files_beside import check_place, write_beside, write_bytes

__all__ = ["Picture"]

_TEXTS = ("dot", "gv")


class Picture:
    """A picture, drawn when it is asked for; a notebook shows it as the last value of a cell.

    Attributes
    ----------
    source : str
        The picture in graphviz's DOT language.
    title : str
        What it shows.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> picture = gs.plot(mx.gluon.nn.Dense(4, in_units=3, prefix="d_"))
    >>> picture.source.startswith("digraph network {")
    True
    """

    def __init__(self, source: str, title: str) -> None:
        self.source = source
        self.title = title

    def render(self, format: str = "svg") -> bytes:
        """Return the picture as the content of a file.

        Parameters
        ----------
        format : {"svg", "png", "pdf"}, default "svg"
            SVG names common fonts and can be searched; its boxes tell the names of their nodes under the mouse. PNG
            and PDF need a font on this machine (``apt-get install fonts-dejavu-core``).

        Raises
        ------
        SubgraphError
            Another format; nothing that draws is installed, or it fails.
        """
        if format not in engines.FORMATS:
            msg = (
                f"format={format!r} is no format of a picture.\n"
                f"  Give one of {', '.join(engines.FORMATS)}; the DOT text is Picture.source. Nothing was drawn."
            )
            raise SubgraphError(msg)
        return engines.rendered(self.source, format)

    def save(self, path: Any) -> str:
        """Write the picture to a file, and return its path; a file that was there is replaced when all is drawn.

        Parameters
        ----------
        path : str or path
            Its suffix says what is written: ``.svg``, ``.png``, ``.pdf``; ``.dot`` or ``.gv`` for the DOT text, which
            needs no program that draws.

        Raises
        ------
        SubgraphError
            Another suffix, a name that no file can have, a folder that does not exist, or as for `render`.
        """
        if not isinstance(path, (str, os.PathLike)):
            msg = f"path is {path!r} ({kind_of(path)}).\n  Give a file name, such as 'net.svg'; nothing was written."
            raise SubgraphError(msg)
        name = os.fsdecode(path)
        kind = os.path.splitext(name)[1][1:].lower()
        if kind not in (*engines.FORMATS, *_TEXTS):
            known = ", ".join(f".{one}" for one in (*engines.FORMATS, *_TEXTS))
            msg = f"{name!r} ends in no suffix of a picture.\n  They are {known}; nothing was written."
            raise SubgraphError(msg)
        check_place(name)
        content = self.source.encode("utf-8") if kind in _TEXTS else self.render(kind)
        write_beside({name: lambda place: write_bytes(place, content)})
        return name

    def __repr__(self) -> str:
        return f"<Picture of {self.title}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows: the picture, or what to install where it cannot be drawn."""
        try:
            return {"image/svg+xml": self.render("svg").decode("utf-8"), "text/plain": repr(self)}
        except SubgraphError as error:
            return {"text/plain": f"{self!r}\n{error}"}
