"""A whole client in the standard library: post a search and a click, then read both back.

    python examples/client.py http://127.0.0.1:8000

It shows the two things that a client should do: repeat what was answered by 503 (repeating is
safe), and send the position of its writes with a read that must see them.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

POSITION = "Clickstream-Position"
UNAVAILABLE = 503
ATTEMPTS = 5


def ask(request: Request) -> tuple[Any, str]:
    """The JSON of the answer, and its position; tries again while the server says it should."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own http URL
                return json.load(answer), answer.headers.get(POSITION, "")
        except HTTPError as error:
            if error.code != UNAVAILABLE or attempt == ATTEMPTS:
                raise
            time.sleep(float(error.headers.get("Retry-After", 1)))
    raise AssertionError("unreachable")


def post(url: str, body: dict[str, Any]) -> str:
    """Post JSON; returns the position of what was written."""
    headers = {"Content-Type": "application/json"}
    _, position = ask(Request(url, json.dumps(body).encode(), headers))  # noqa: S310
    return position


def main(base: str) -> None:
    session_id = f"example-{uuid.uuid4()}"
    results = [{"object_id": f"book-{n}", "rank": 1 / n} for n in range(1, 4)]
    session = {"session_id": session_id, "search_query": "sea", "search_results": results}
    click = {
        "event_id": "click-1",
        "object_id": "book-2",
        "created_at": int(time.time() * 1000),
    }
    post(f"{base}/session", session)
    position = post(f"{base}/session/events", {"session_id": session_id, "events": [click]})

    url = f"{base}/session?{urlencode({'session_id': session_id})}"
    read, _ = ask(Request(url, headers={POSITION: position}))  # noqa: S310
    print(json.dumps(read, indent=2))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
