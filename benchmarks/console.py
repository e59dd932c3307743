"""How long the console takes: until there is something to read, and until a mark moves a number.

    python -m benchmarks.console

Method: headless Chromium on the machine that also serves, where a month of searches is stored.
`first_paint_seconds` is from the request for the page until the number of searches of its seven
days, the range that it begins with, is shown, `all_panels_seconds` until nothing on the overview is
loading; medians of five visits, each with an empty cache, after one that does not count.
`month_paint_seconds` is the first of the two for the whole month. `mark_seconds` is from the click
on "Mark irrelevant" until the number of searches on the same page has changed, on a system with an
edge and a worker and the sample month, median of five; the mark's own request has waited for the
worker by then.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

from benchmarks.api_process import api_process
from benchmarks.lab import PYTHON_MODULE, Lab, loopback_port
from benchmarks.load_tables import DAYS, stored_month
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size, main
from benchmarks.sink import settings_with, worker_at
from clickstream.local.demo.sample.load import load
from clickstream.local.demo.sample.month import SAMPLE_SESSIONS
from clickstream.progress import ConsoleProgress
from core.clock import SystemClock
from core.errors import SetupError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME: Final = "console"
_VISITS: Final = 5
_WEEK_DAYS: Final = 7
_SEARCHES: Final = "[data-metric=sessions] .value"
_MARK: Final = "button[aria-label^='Mark irrelevant']"
_PATIENT_MS: Final = 60_000
_IS_LOADED: Final = "() => !document.querySelector('[aria-busy]')"
_HAS_MOVED: Final = (
    "([where, was]) => ![undefined, was].includes(document.querySelector(where)?.textContent)"
)


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure it once."""
    with (
        stored_month(lab, size) as (settings, month),
        api_process(lab, settings) as api,
        chromium() as browser,
    ):
        last = day_of(month.last_days(1))
        week, whole = (
            visits(browser, f"{api.url}/?from={day_of(month.last_days(days))}&to={last}&tz=UTC")
            for days in (_WEEK_DAYS, DAYS)
        )
    figures = {
        "first_paint_seconds": week[0],
        "all_panels_seconds": week[1],
        "month_paint_seconds": whole[0],
        "mark_seconds": marks(lab),
    }
    yield Outcome(NAME, OURS, figures)


@contextmanager
def chromium() -> Iterator[Browser]:
    """SetupError where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        raise SetupError("no Chromium here: `make browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def visits(browser: Browser, url: str) -> tuple[float, float]:
    """Medians of `visit`."""
    first, whole = zip(*[visit(browser, url) for _ in range(_VISITS + 1)][1:], strict=True)
    return statistics.median(first), statistics.median(whole)


def visit(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds until there is something to read, and until all is there."""
    context = browser.new_context(timezone_id="UTC")
    context.set_default_timeout(_PATIENT_MS)
    try:
        page = context.new_page()
        started = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.locator(_SEARCHES).wait_for()
        first = time.perf_counter() - started
        page.wait_for_function(_IS_LOADED)
        return first, time.perf_counter() - started
    finally:
        context.close()


def marks(lab: Lab) -> float:
    """Median of seconds until a mark has moved the number of searches of a query's page."""
    with lab.isolated() as isolated:
        settings = settings_with(isolated, metrics_port=loopback_port())
        port = loopback_port()
        url = f"http://127.0.0.1:{port}"
        edge = [*PYTHON_MODULE, "clickstream", "edge", "--with-api", "--port", str(port)]
        with worker_at(lab, settings), lab.process("edge", edge, settings, url=url):
            asyncio.run(load(SAMPLE_SESSIONS, url, settings, SystemClock(), ConsoleProgress()))
            with chromium() as browser:
                page = browser.new_page(timezone_id="UTC")
                page.set_default_timeout(_PATIENT_MS)
                page.goto(f"{url}/?view=query&q=printer&range=90d&tz=UTC")
                return statistics.median(mark(page) for _ in range(_VISITS))


def mark(page: Page) -> float:
    """Seconds from the click until the number has moved."""
    searches = page.locator(_SEARCHES)
    searches.wait_for()
    page.wait_for_function(_IS_LOADED)
    was = searches.text_content()
    started = time.perf_counter()
    page.locator(_MARK).first.click()
    page.wait_for_function(_HAS_MOVED, arg=[_SEARCHES, was])
    return time.perf_counter() - started


def day_of(at_ms: int) -> str:
    """In UTC, as the page writes it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


BENCHMARK = Benchmark(
    NAME,
    round_,
    (Target("first_paint_seconds", at_most=1.5), Target("mark_seconds", at_most=1)),
)

if __name__ == "__main__":
    main(BENCHMARK)
