"""Payloads that no vendor should send: good ones whose structure or bytes are damaged."""

import copy
import gzip
import json
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

CANARY = "canary-7b21ffe09a"
DEEP: Any = []
for _ in range(80):
    DEEP = [DEEP]
WEIRD = (
    *(None, True, False, [], {}, "", " ", "NaN", "-inf", "1e999", "1_000", "0x10", "１２", "1,5", "null"),
    *(0, -1, 1.5, -0.0, 2**53 + 1, 10**20, 10**400, -(10**25), float("nan"), float("inf"), 1e308),
    *("\ud800", "\x00", "é" * 50, "2021-02-30", "9999-12-31T23:59:59Z", CANARY, f"bad key {CANARY}"),
    *([[]], [None] * 7, {"code": -1003, "msg": CANARY}, {CANARY: CANARY}, DEEP, "x" * 5000),
)
GARBAGE = (
    b"",
    b"\x00",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf",
    b"[" * 5000,
    b'"',
    b"]",
    b"<html>",
    b"9" * 5000,
    b",",
)


@st.composite
def payloads(draw: st.DrawFn, shape: ModuleType) -> bytes:
    """One of the shape's good payloads with one to three wounds to its structure, and some to its bytes.

    A payload is JSON or CSV, whose tree is its lines, each of its cells; either may be in a gzip.
    """
    content = draw(st.sampled_from(shape.GOOD))
    wounds = draw(st.lists(st.tuples(st.sampled_from(WOUNDS), PLACE, PLACE), max_size=3))
    if wounds:
        packed = content.startswith(GZIP)
        text = gzip.decompress(content) if packed else content
        read, write = (json.loads, _json) if text.startswith((b"[", b"{")) else (_cells, _csv)
        tree = [read(text)]  # in a list, so that the root may go too
        for wound, at, what in wounds:
            wound(tree, at, what)
        content = write(tree[0] if tree else None)
        content = gzip.compress(content, 1) if packed else content
    cuts = draw(st.lists(st.tuples(st.sampled_from(CUTS), PLACE, PLACE), max_size=2))
    for cut, at, what in cuts:
        content = cut(content, at, what)
    return content


GZIP = b"\x1f\x8b"
PLACE = st.integers(0, 10**6)


def _json(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def _cells(text: bytes) -> Any:
    return [line.split(",") for line in text.decode().splitlines()]


def _csv(tree: Any) -> bytes:
    lines = tree if isinstance(tree, list) else [tree]
    texts = [",".join(map(str, line)) if isinstance(line, list) else str(line) for line in lines]
    return "\r\n".join(texts).encode("utf-8", "surrogatepass")


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree, but none inside what is deeper than any vendor's shape."""
    found, open_ = [], [(tree, 0)]
    while open_:
        node, depth = open_.pop()
        keys = range(len(node)) if isinstance(node, list) else list(node)
        for key in keys:
            found.append((node, key))
            if isinstance(node[key], list | dict) and depth < 8:
                open_.append((node[key], depth + 1))
    return found


def _at(act: Callable[[Any, Any, int], None]) -> Callable[[Any, int, int], None]:
    """A wound where `at` points in the tree."""

    def wound(tree: Any, at: int, what: int) -> None:
        if places := _places(tree):
            act(*places[at % len(places)], what)

    return wound


def _replace(node: Any, key: Any, what: int) -> None:
    node[key] = copy.deepcopy(WEIRD[what % len(WEIRD)])


def _remove(node: Any, key: Any, what: int) -> None:
    del node[key]


def _repeat(node: Any, key: Any, what: int) -> None:
    if isinstance(node, list):
        node.insert(what % (len(node) + 1), copy.deepcopy(node[key]))
    else:
        node[f"{key} "] = copy.deepcopy(node[key])


def _rename(node: Any, key: Any, what: int) -> None:
    if isinstance(node, dict):
        node[str(WEIRD[what % len(WEIRD)])[:20]] = node.pop(key)


def _shuffle(node: Any, key: Any, what: int) -> None:
    if isinstance(node, list):
        node.sort(key=lambda value: zlib.crc32(ascii(value)[:50].encode(), what))


def _as_text(node: Any, key: Any, what: int) -> None:
    node[key] = str(node[key])[:100]


def _as_number(node: Any, key: Any, what: int) -> None:
    if isinstance(node[key], str):
        try:
            node[key] = float(node[key])
        except ValueError:
            node[key] = what


def _grow(node: Any, key: Any, what: int) -> None:
    if isinstance(node[key], int | float):
        node[key] *= (10**3, 10**6, -1, 10**30)[what % 4]


WOUNDS = [
    _at(act) for act in (_replace, _replace, _remove, _repeat, _rename, _shuffle, _as_text, _as_number, _grow)
]


def _cut_off(content: bytes, at: int, what: int) -> bytes:
    return content[: at % (len(content) + 1)]


def _flip(content: bytes, at: int, what: int) -> bytes:
    at %= len(content) + 1
    return content[:at] + bytes([what % 256]) + content[at + 1 :]


def _insert(content: bytes, at: int, what: int) -> bytes:
    at %= len(content) + 1
    return content[:at] + GARBAGE[what % len(GARBAGE)] + content[at:]


def _only(content: bytes, at: int, what: int) -> bytes:
    return GARBAGE[what % len(GARBAGE)]


def _recode(content: bytes, at: int, what: int) -> bytes:
    return content.decode("utf-8", "replace").encode(
        ("utf-16", "utf-32", "utf-8-sig", "latin-1")[what % 4], "replace"
    )


CUTS = [_cut_off, _flip, _insert, _only, _recode]
