from ._symbol_text_py import SymbolText as SymbolText

__all__ = ["SymbolText", "read_symbol_text"]

def read_symbol_text(text: str) -> SymbolText: ...
