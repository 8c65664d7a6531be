"""What the file of a signal says of itself, in the labelled parts of its header."""

import re
from dataclasses import dataclass
from pathlib import Path

PARTS = ("Formula", "Source", "Horizon", "Knows")
HEADER = re.compile(r"^\{#(.*?)#\}\s*\{% macro signal__(\w+)\(\) %\}", re.DOTALL)
LABEL = re.compile(rf"^\s*({'|'.join(PARTS)}):", re.MULTILINE)


class HeaderError(ValueError):
    """A file in macros/signals does not begin with a header of all parts."""


@dataclass(frozen=True)
class SignalHeader:
    """A signal's name and reason, its formula, source, horizon, and what it must know."""

    name: str
    reason: str
    formula: str
    source: str
    horizon: str
    knows: str


def read_header(file: Path) -> SignalHeader:
    """The header of one file in macros/signals.

    Raises HeaderError, with the file's name, where it does not begin with a header and the macro of its name,
    or where a part is missing, empty, told twice or out of order.
    """
    found = HEADER.match(file.read_text("utf-8"))
    if found is None:
        raise HeaderError(f"{file.name}: expected a header and then the macro signal__{file.stem}()")
    text, name = found.groups()
    if name != file.stem:
        raise HeaderError(f"{file.name}: expected the macro signal__{file.stem}, found signal__{name}")
    reason, *labelled = LABEL.split(text)
    labels, parts = tuple(labelled[::2]), [" ".join(part.split()) for part in labelled[1::2]]
    if labels != PARTS:
        raise HeaderError(
            f"{file.name}: expected the parts {', '.join(PARTS)}; found {', '.join(labels) or 'none'}"
        )
    if not reason.strip() or not all(parts):
        raise HeaderError(f"{file.name}: a part of the header is empty")
    return SignalHeader(name, " ".join(reason.split()), *parts)
