from typing import Any, Iterable, Mapping, Sequence

from ._forms_py import Form
from ._symbol_text_py import SymbolText
from .sides import Shape

def read_form_of_nodes(
    nodes: Iterable[Sequence[Any]], outputs: Sequence[Sequence[int]], shapes: Mapping[str, Shape]
) -> Form: ...
def read_form_of_text(read: SymbolText, shapes: Mapping[str, Shape]) -> Form: ...
