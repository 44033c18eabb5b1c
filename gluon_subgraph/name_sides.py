"""A side of a matching with what its names and its graph say, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .layers import Form, read_form
from .name_layers import NameLayer, in_file_order, read_name_layers
from .sides import Side

__all__ = ["ReadSide", "read_once"]


@dataclass(frozen=True)
class ReadSide(Side):
    """A Side that reads itself when first asked, and then no more; it lives as long as one matching."""

    @cached_property
    def name_layers(self) -> list[NameLayer]:
        """The layers that the names form."""
        return read_name_layers(self.shapes)

    @cached_property
    def is_in_file_order(self) -> bool:
        """Whether the order of the parameters can be the order of definition."""
        return in_file_order(self.name_layers, self.shapes)

    @cached_property
    def form(self) -> Form:
        """The normal form of the graph, that of an empty one where there is none."""
        return Form([], ()) if self.graph is None else read_form(self.graph, self.shapes)


def read_once(side: Side) -> ReadSide:
    """Return a side that reads itself once; itself if it does."""
    return side if isinstance(side, ReadSide) else ReadSide(side.shapes, side.graph, side.paths)
