"""A user is erased as an operator does it, and as a client sees it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.process_pair import ProcessPair

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]


def post_session(pair: ProcessPair, session_id: str, user_id: str) -> None:
    session = {
        "session_id": session_id,
        "user_id": user_id,
        "search_query": "shoes",
        "search_results": [{"object_id": "a"}],
    }
    events = {"session_id": session_id, "events": [{"event_id": "e", "object_id": "a"}]}
    assert pair.post("/session", session).status_code == 200
    assert pair.post("/session/events", events).status_code == 200


def erase(pair: ProcessPair, *options: str, user_id: str = "") -> subprocess.CompletedProcess[str]:
    """`clickstream erase`, with the id on standard input where it is given."""
    command = [sys.executable, "-m", "clickstream", "erase", *options]
    return subprocess.run(
        command, env=pair.environment, input=user_id, capture_output=True, text=True, check=False
    )


def answered(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_an_erased_user_is_a_certain_404_for_reads_and_marks(pair: ProcessPair) -> None:
    for number in range(3):
        post_session(pair, f"hers-{number}", "her")
    post_session(pair, "his", "him")
    assert pair.get_session("hers-0")["user_id"] == "her"

    looked = answered(erase(pair, "--user-id", "her", "--dry-run", "--json"))
    assert looked["sessions"] == 3
    assert looked["rows"]["events"] == 3
    assert pair.get("/session", session_id="hers-0").status_code == 200, "nothing was deleted"

    done = answered(erase(pair, "--user-id", "-", "--json", user_id="her\n"))
    assert done["sessions"] == 3
    assert done["deleted"]["sessions"] == 3
    assert "her" not in {done["user_hash"], *done["kept"]}

    assert pair.get_at_once("/session", session_id="hers-0").status_code == 404
    mark = {"session_id": "hers-1", "irrelevant": True}
    assert pair.post("/session/irrelevant", mark).status_code == 404
    assert pair.get_session("his")["user_id"] == "him"
    assert pair.get("/analytics/overview").json()["sessions"] == 1

    post_session(pair, "hers-2", "her")  # a client that sends again what was erased
    assert pair.get("/session", session_id="hers-2").status_code == 404

    again = answered(erase(pair, "--user-id", "her", "--json"))
    assert sum(again["deleted"].values()) == 0, "and nothing had come back"


@pytest.mark.parametrize(
    ("options", "said"),
    [((), "missing option: --user-id"), (("--user-id", " "), "must not be blank")],
)
def test_without_a_user_nothing_is_asked_or_deleted(
    pair: ProcessPair, options: tuple[str, ...], said: str
) -> None:
    refused = erase(pair, *options)
    assert refused.returncode == 2
    assert said in refused.stderr
