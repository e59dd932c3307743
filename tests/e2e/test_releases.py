"""A release of what was posted a moment ago, by the real processes."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from core.settings import ReleaseSettings
from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]


def test_it_has_what_was_acknowledged_before_it_was_asked_for(
    corner: Corner, tmp_path: Path
) -> None:
    releases = ReleaseSettings(uri=str(tmp_path / "releases"))
    with corner(releases=releases) as settings, ProcessPair(settings, tmp_path) as pair:
        for number in range(5):
            session = {"session_id": f"s{number}", "search_query": "shoes", "search_results": []}
            written = pair.post("/session", session)
            body = {"name": f"r{number}", "query": "shoes"}
            position = written.headers["Clickstream-Position"]
            made = httpx.post(
                f"{pair.url}/releases",
                json=body,
                headers={"Clickstream-Position": position},
                timeout=60,
            )
            assert made.status_code == 201, made.text
            counts = made.json()["counts"]
            assert counts["sessions"] == number + 1
