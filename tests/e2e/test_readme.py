"""The README's curl commands, as printed, in their order."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.examples import EVENTS, MARK, SESSION
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

README = Path(__file__).parents[2] / "README.md"
PRINTED_URL = "http://127.0.0.1:8000"
COMMANDS = [
    block
    for block in re.findall(r"^```sh\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)
    if block.startswith("curl ")
]


def say(command: str) -> Any:
    """What the command prints, as JSON; where there is no curl, the same request by other means."""
    words = shlex.split(command)
    if shutil.which("curl"):
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)
    (url,) = (word for word in words if word.startswith("http"))
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    body = words[words.index("-d") + 1] if "-d" in words else None
    headers = {"Content-Type": "application/json"} if body else {}
    return httpx.request(method, url, content=body, headers=headers).json()


def test_the_bodies_are_those_of_the_documentation_without_its_dates() -> None:
    """So that what a newcomer posts is of today, and not left out of the last seven days."""
    sent = [shlex.split(command) for command in COMMANDS]
    bodies = [json.loads(words[words.index("-d") + 1]) for words in sent if "-d" in words]
    session = {name: value for name, value in SESSION.items() if name != "created_at"}
    events = [
        {name: value for name, value in event.items() if name != "created_at"}
        for event in EVENTS["events"]
    ]
    assert bodies == [session, {**EVENTS, "events": events}, MARK]


def test_the_commands_work_as_printed_and_leave_a_trace(pair: ProcessPair) -> None:
    create, push, read, before, mark, after, look_up = (
        c.replace(PRINTED_URL, pair.url) for c in COMMANDS
    )
    assert say(create) == {"session_id": "sess-123", "accepted": 1}
    assert say(push) == {"session_id": "sess-123", "accepted": 1}
    assert say(read)["search_query"] == SESSION["search_query"]
    events: list[Any] = []
    for _ in range(500):  # "a fraction of a second after its post"
        if events := say(read)["events"]:
            break
    assert [event["event_id"] for event in events] == ["evt-1"]
    counted = 0
    for _ in range(500):  # "a second or so later"
        if counted := say(before)["sessions"]:
            break
    assert say(mark) == {"session_id": "sess-123", "is_irrelevant": True}
    assert say(after)["sessions"] == counted - 1
    assert say(read)["is_irrelevant"] is True
    assert [each["state"] for each in say(look_up)["matches"]] == ["joined"]
