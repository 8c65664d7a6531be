"""Keeps secrets out of what is logged, raised and stored: each is told once and never printed again."""

import json
import logging
from urllib.parse import quote, quote_plus

HIDDEN = "***"
# In bytes that are stored, a shorter "secret" (Alpha Vantage's `demo`) would hide ordinary words.
SHORTEST_IN_CONTENT = 8
# Their records hold addresses with the query, and heads of answers.
TALKATIVE = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))

_secrets: dict[str, set[str]] = {}


def hide(secret: str) -> None:
    """From now on `secret` is scrubbed, as it is and as JSON, Python, an address or a form would write it."""
    if secret:
        quoted = {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        _secrets[secret] = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)} | quoted
    for name in TALKATIVE:
        logging.getLogger(name).addFilter(_records)


def scrub(text: str) -> str:
    """`text` with every secret replaced by ***."""
    for _, form in _forms():
        text = text.replace(form, HIDDEN)
    return text


def scrub_bytes(content: bytes) -> bytes:
    """`content` with every secret of at least eight characters replaced by ***."""
    for secret, form in _forms():
        if len(secret) >= SHORTEST_IN_CONTENT:
            content = content.replace(form.encode(), HIDDEN.encode())
    return content


def _forms() -> list[tuple[str, str]]:
    """Longest first, so that a secret inside another leaves no tail of it."""
    forms = [(secret, form) for secret, written in _secrets.items() for form in written]
    return sorted(forms, key=lambda pair: -len(pair[1]))


class _Records(logging.Filter):
    """Scrubs the records of loggers that are not ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(record.getMessage()), ()
        return True


_records = _Records()
