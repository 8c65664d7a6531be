"""A web hook: JSON with `text` for chat rooms and `alerts` for machines, posted to PORTFOLIO_WEBHOOK_URL.

PORTFOLIO_WEBHOOK_KEY, or _KEY_FILE, goes along as a bearer token. The path of such an address is often a
secret of its own, so neither is ever shown.
"""

from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import httpx

from flows.monitoring.alerts import Alert, summary
from python_steps.scrub import SHORTEST_IN_CONTENT, hide
from python_steps.settings import VendorSettings, vendor_settings

NAME = "webhook"
TIMEOUT = 5.0


def is_set() -> bool:
    """Whether there is an address; raises InputError where it is not safe."""
    return bool(_settings().url)


def send(alerts: Sequence[Alert]) -> None:
    """Post the alerts; raises httpx.HTTPError for any answer but a 2xx. Redirects are not followed."""
    settings = _settings()
    headers = {}
    if settings.key:
        headers["Authorization"] = f"Bearer {settings.key.get_secret_value()}"
    content = {"text": summary(alerts), "alerts": [asdict(alert) for alert in alerts]}
    httpx.post(str(settings.url), json=content, headers=headers, timeout=TIMEOUT).raise_for_status()


def _settings() -> VendorSettings:
    settings = vendor_settings(NAME)
    path = urlsplit(settings.url or "").path
    if len(path) >= SHORTEST_IN_CONTENT:
        hide(path)
    return settings
