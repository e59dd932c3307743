"""Chromium without a window, and a page that is watched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[3]
NODE_MODULES = ROOT / "console" / "node_modules"
# On a busy machine a page may take its time; nothing here measures it.
PATIENT_MS = 30_000

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def found_browser() -> str:
    """The program. A run without one has not tested the page, and must not look as if it had."""
    named = os.environ.get("CLICKSTREAM_TEST_BROWSER")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("no browser: `make browser` installs chromium (or CLICKSTREAM_TEST_BROWSER)")
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENT_MS)
    with sync_playwright() as playwright:
        # As root, which CI is, Chromium has no sandbox; it sees this machine's own pages only.
        browser = playwright.chromium.launch(
            executable_path=found_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page in a context of its own. `check` fails when it did what it must never do."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        options = {"viewport": {"width": 1600, "height": 1000}, "timezone_id": "UTC", **context}
        self._context = browser.new_context(**options)
        self._context.set_default_timeout(PATIENT_MS)
        self.page: Page = self._context.new_page()
        self._url = url
        self._host = urlsplit(url).netloc
        self.complaints: list[str] = []
        self.expected: set[tuple[int, str]] = set()
        """Statuses that are no complaint, each of a path."""
        self.page.on("request", lambda request: self._requested(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self._url + path)
        self.settled()
        return self.page

    def settled(self) -> None:
        """Return once no panel is loading."""
        expect(self.page.locator("main > *").first).to_be_attached()
        expect(self.page.locator("[aria-busy]")).to_have_count(0)

    def axe(self) -> list[str]:
        """What axe-core finds serious."""
        self.page.evaluate((NODE_MODULES / "axe-core" / "axe.min.js").read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def check(self) -> None:
        complaints = self.complaints
        self._context.close()
        assert complaints == [], "\n".join(complaints)

    def _requested(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._host:
            self.complaints.append(f"asked another host: {url}")

    def _said(self, message: Any) -> None:
        path = urlsplit(message.location["url"]).path
        is_expected = any(
            f"status of {status}" in message.text and path == where
            for status, where in self.expected
        )
        if message.type in ("error", "warning") and not is_expected:
            self.complaints.append(f"{message.type}: {message.text}")
