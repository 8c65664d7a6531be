"""What the environment says: secrets and addresses of vendors, and where the work of a run is done."""

import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from python_steps.errors import InputError
from python_steps.scrub import hide


class VendorSettings(BaseSettings):
    """PORTFOLIO_<VENDOR>_URL, and _KEY or _KEY_FILE. No representation and no error shows a key."""

    model_config = SettingsConfigDict(hide_input_in_errors=True, env_ignore_empty=True)

    url: str | None = None
    key: SecretStr | None = None
    key_file: Path | None = None


WEB, SOCKET = ("https", "http"), ("wss", "ws")


def vendor_settings(vendor: str, schemes: tuple[str, str] = WEB) -> VendorSettings:
    """The settings of one vendor or service, whose address has a scheme that is safe, or the other on
    loopback; its key, wherever it is from, stands in `key` and is scrubbed from now on.

    Raises InputError, which names the variable and never its value: both _KEY and _KEY_FILE, a file that
    cannot be read, a key with blanks or letters beyond ASCII, an address that is none or is not safe.
    """
    prefix = f"PORTFOLIO_{vendor.upper()}_"
    from_environment: dict[str, Any] = {"_env_prefix": prefix}
    found = VendorSettings(**from_environment)
    if found.url:
        _require_safe_address(f"{prefix}URL", found.url, schemes)
    if found.key and found.key_file:
        raise InputError(f"{prefix}KEY and {prefix}KEY_FILE are both set; expected one")
    if found.key_file:
        found.key = SecretStr(_read(f"{prefix}KEY_FILE", found.key_file))
    if found.key:
        secret = found.key.get_secret_value()
        hide(secret)
        if not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise InputError(f"{prefix}KEY: expected printable ASCII without blanks")
    return found


def _read(name: str, file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {file} cannot be read ({type(error).__name__})") from None
    if not text:
        raise InputError(f"{name}: {file} is empty; expected a key")
    return text


def _require_safe_address(name: str, url: str, schemes: tuple[str, str]) -> None:
    """https, or http to this machine: a key does not travel in clear."""
    safe, plain = schemes
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == safe or _is_loopback(parts.hostname or "")
    except ValueError:
        is_safe = False
    if not is_safe or parts.scheme not in schemes or not parts.hostname:
        raise InputError(f"{name}: expected an address such as {safe}://host/path ({plain} on loopback only)")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise InputError(f"{name}: expected an address without user, query or fragment")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class ExecutorSettings(BaseSettings):
    """PORTFOLIO_EXECUTOR, with _WORKERS, how many to start, or _ADDRESS, of a cluster that has some."""

    model_config = SettingsConfigDict(
        env_prefix="PORTFOLIO_", hide_input_in_errors=True, env_ignore_empty=True
    )

    executor: str = "serial"
    executor_workers: int = Field(default=os.cpu_count() or 1, ge=1, le=1000)
    executor_address: str | None = None


def executor_settings() -> ExecutorSettings:
    """Where the work of a run is done. Raises InputError, which names the variable."""
    try:
        return ExecutorSettings()
    except ValidationError:
        raise InputError("PORTFOLIO_EXECUTOR_WORKERS: expected a whole number from 1 to 1000") from None
