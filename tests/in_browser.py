"""Pages in headless Chromium: what the tests of every page share.

Skipped where there is no browser or no playwright; with ``NEEDS_BROWSER=1`` (``make
check-report``) that is a failure.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["DESKTOP", "PHONE", "SCROLLED", "browser", "opening"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 720}


def give_up(why: str) -> None:
    if os.environ.get("NEEDS_BROWSER"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("no playwright: pip install playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        give_up(f"no browser ({', '.join(NAMES)}): apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield started
        started.close()


# Boxes in which a table, or the navigation, has to be scrolled.
SCROLLED = """() => [...document.querySelectorAll('.box, nav ul')]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => box.innerText.slice(0, 80))"""

LOCAL = ("file:", "data:")


@contextmanager
def opening(browser: Any, file: Path) -> Iterator[Callable[..., Any]]:
    """Open a page with a context's options; complaints and requests fail the test."""
    said: list[str] = []
    contexts = []

    def opened(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append("a dialog"), dialog.dismiss()))
        page.on("request", lambda r: said.append(r.url) if not r.url.startswith(LOCAL) else None)
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not said
