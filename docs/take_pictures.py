"""Take the pictures of the console in docs/pictures, of a temporary system with the sample data.

    python docs/take_pictures.py            a system of its own
    python docs/take_pictures.py URL        one that runs, with sample data

Needs Chromium and what `make install` installs.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES: Final = Path(__file__).with_name("pictures")
RANGE: Final = "range=7d&tz=UTC"
# Name, address, colours, width in pixels.
VIEWS: Final = (
    ("overview", f"/?{RANGE}", "light", 1440),
    ("overview-dark", f"/?{RANGE}", "dark", 1440),
    ("overview-narrow", f"/?{RANGE}", "light", 400),
    ("work-lists", f"/?view=queries&list=low_ctr&{RANGE}", "light", 1440),
    ("query", f"/?view=query&q=printer&{RANGE}", "light", 1440),
    ("sessions", f"/?view=sessions&outcome=click&{RANGE}", "light", 1440),
    ("experiments", "/?view=experiments&range=30d&tz=UTC", "light", 1440),
    ("pipeline", "/?view=pipeline&range=30d&tz=UTC", "light", 1440),
)


def main() -> None:
    """Writes the pictures."""
    if len(sys.argv) > 1:
        take(sys.argv[1])
        return
    from clickstream.local.demo.sample.load import load
    from clickstream.local.demo.sample.month import SAMPLE_SESSIONS
    from clickstream.local.demo.stack import temporary_stack
    from clickstream.local.target_settings import settings_for
    from clickstream.progress import ConsoleProgress
    from core.clock import SystemClock

    with temporary_stack(0) as (endpoints, _):
        settings, clock = settings_for(endpoints), SystemClock()
        asyncio.run(load(SAMPLE_SESSIONS, endpoints.http, settings, clock, ConsoleProgress()))
        lose_a_click(endpoints.http)
        take(endpoints.http)


def lose_a_click(url: str) -> None:
    """One that waits for its session, so that the picture of the pipeline has something to say."""
    event = {"event_id": "click-42", "object_id": "printer-04", "event_type": "click"}
    body = {"session_id": "WEB-7F3A", "events": [event]}
    httpx.post(f"{url}/session/events", json=body).raise_for_status()


def take(url: str) -> None:
    """Pictures of a console at `url`."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, address, colours, width in VIEWS:
            page = open_page(browser, url + address, colours, width)
            save(page, name, width)
            if name == "sessions":
                page.locator("tbody a").first.click()
                settle(page)
                save(page, "session", width)
            page.context.close()
        browser.close()


def open_page(browser: Browser, address: str, colours: str, width: int) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if colours == "dark" else "light",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.goto(address)
    settle(page)
    return page


def settle(page: Page) -> None:
    """Return once every panel is loaded."""
    page.locator("main > *").first.wait_for()
    give_up = time.monotonic() + 60
    while page.locator("[aria-busy]").count() and time.monotonic() < give_up:
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)


def save(page: Page, name: str, width: int) -> None:
    height = 1400 if width < 1000 else 1000
    tall = page.evaluate("document.documentElement.scrollHeight")
    size = {"x": 0.0, "y": 0.0, "width": float(width), "height": float(min(tall, height))}
    page.screenshot(path=PICTURES / f"console-{name}.png", full_page=True, clip=size)


if __name__ == "__main__":
    main()
