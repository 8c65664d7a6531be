"""Metrics pushed to a Prometheus push gateway, for a machine that nobody scrapes; only where one is named."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from python_steps.settings import vendor_settings

GATEWAY = "pushgateway"  # PORTFOLIO_PUSHGATEWAY_URL, and _KEY or _KEY_FILE for a bearer token
TIMEOUT = 5.0


def push(file: Path, job: str, log: Any) -> bool:
    """Put a text file in the place of what the job pushed before; says whether that went well.

    Never fatal: what is wrong is logged as a warning. `job` is the portfolio and the kind of file.
    """
    try:
        settings = vendor_settings(GATEWAY)
        if not settings.url:
            return False
        import httpx

        headers = {"Content-Type": "text/plain; version=0.0.4"}
        if settings.key:
            headers["Authorization"] = f"Bearer {settings.key.get_secret_value()}"
        address = f"{settings.url.rstrip('/')}/metrics/job/{quote(job, safe='')}"
        answer = httpx.put(address, content=file.read_bytes(), headers=headers, timeout=TIMEOUT)
        answer.raise_for_status()
    except Exception as error:
        log.warning("Metrics not pushed", error=f"{type(error).__name__}: {error}")
        return False
    return True
