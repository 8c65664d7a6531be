"""A page in headless Chromium: what it asked for, what it complained of, and how it looks."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium (apt-get install chromium)")
WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}


@dataclass
class Look:
    """An open page, the addresses it asked for beside its own, and every error it told."""

    page: "object"
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator["object"]:
    """The system's Chromium, with scripts and all, for several looks."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def look(browser, address: str, *, width: str = "desktop", scheme: str = "light") -> Iterator[Look]:
    """Open a page at a width and in a colour scheme, and listen."""
    across, down = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": across, "height": down},
        color_scheme=scheme,
        device_scale_factor=2 if width == "phone" else 1,
    )
    try:
        page = context.new_page()
        seen = Look(page)
        page.on("request", lambda request: seen.asked.append(request.url))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on(
            "console",
            lambda said: seen.errors.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.goto(address)
        yield seen
    finally:
        context.close()


def shoot(browser, file: Path, into: Path) -> list[Path]:
    """Screenshots of a page at both widths, in both schemes, and printed; for people to look at."""
    into.mkdir(parents=True, exist_ok=True)
    shots = []
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            with look(browser, file.as_uri(), width=width, scheme=scheme) as seen:
                shots.append(into / f"{width}-{scheme}.png")
                seen.page.screenshot(path=shots[-1], full_page=True)
    with look(browser, file.as_uri(), scheme="dark") as seen:
        shots.append(into / "print.pdf")
        seen.page.pdf(path=shots[-1], prefer_css_page_size=True)
    return shots
