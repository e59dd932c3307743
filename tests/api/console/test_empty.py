"""The page of a system in which nothing is stored yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.api.console.browser import Watched
from tests.e2e.process_pair import ProcessPair

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Route

    from tests.conftest import Corner

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

POSTS = 150


def first_posts(route: Route) -> None:
    """The sample month's first posts: all of it takes a minute."""
    lines = route.fetch().text().splitlines()
    assert len(lines) > POSTS
    route.fulfill(body="\n".join(lines[:POSTS]))


def test_the_button_loads_sample_data_and_the_numbers_appear(
    corner: Corner, browser: Browser, tmp_path: Path
) -> None:
    with corner() as settings, ProcessPair(settings, tmp_path) as pair:
        watched = Watched(browser, pair.url)
        watched.page.route("**/console/sample.ndjson", first_posts)
        page = watched.open()
        expect(page.get_by_text("Send your first search")).to_be_visible()
        page.get_by_role("button", name="Load sample data").click()
        shown = page.locator("[data-metric=sessions] .value")
        expect(shown).to_be_visible(timeout=120_000)
        stored = pair.get("/analytics/query", metric="sessions", relevance="include").json()
        assert stored["rows"][0]["sessions"] > 20
        page.goto(f"{pair.url}/?range=90d&tz=UTC")
        counted = pair.get("/analytics/query", metric="sessions").json()["rows"][0]["sessions"]
        expect(shown).to_have_text(f"{counted:,}")
        watched.check()
