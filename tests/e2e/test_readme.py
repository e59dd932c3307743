"""The README's four curl commands, as printed, in their order."""

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


def test_the_bodies_are_those_of_the_documentation() -> None:
    sent = [shlex.split(command) for command in COMMANDS]
    bodies = [json.loads(words[words.index("-d") + 1]) for words in sent if "-d" in words]
    assert bodies == [SESSION, EVENTS, MARK]


def test_the_four_commands_work_as_printed(pair: ProcessPair) -> None:
    create, push, read, mark = (c.replace(PRINTED_URL, pair.url) for c in COMMANDS)
    assert say(create) == {"session_id": "sess-123", "accepted": 1}
    assert say(push) == {"session_id": "sess-123", "accepted": 1}
    assert say(read)["search_query"] == SESSION["search_query"]
    assert say(mark) == {"session_id": "sess-123", "is_irrelevant": True}
    events: list[Any] = []
    for _ in range(500):  # "a fraction of a second after its post"
        if events := say(read)["events"]:
            break
    assert [event["event_id"] for event in events] == ["evt-1"]
    assert say(read)["is_irrelevant"] is True
