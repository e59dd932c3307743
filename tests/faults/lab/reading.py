"""Everything that can be read of one day: through the API, in the views, in the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import msgspec

from core import clickhouse
from core.settings import Settings
from tests.faults.lab.ledger import Found, row_of
from tests.faults.lab.traffic import place_of

_SESSIONS = "SELECT session_id FROM relevant_sessions WHERE session_day = {day:Date}"
_EVENTS = """
SELECT session_id, event_id, object_id, position FROM relevant_events WHERE session_day = {day:Date}
"""
# Waiting events know no day: the ids begin with the name of their traffic.
_WAITING = """
SELECT session_id, event_id FROM unjoined_events FINAL
WHERE startsWith(session_id, {name:String}) AND session_id NOT IN (SELECT session_id FROM sessions)
"""
_READ_SECONDS = 60.0


@dataclass(frozen=True)
class Metrics:
    """What analytics counts."""

    sessions: int
    events: int


def read_views(settings: Settings, name: str, day: date) -> Found:
    """By SQL, as a data engineer would."""
    with clickhouse.connect(settings) as client:
        ask: dict[str, Any] = {"name": f"{name}-", "day": day}
        sessions = client.query(_SESSIONS, parameters=ask).result_rows
        events = client.query(_EVENTS, parameters=ask).result_rows
        waiting = client.query(_WAITING, parameters=ask).result_rows
    return Found(
        sessions=Counter(session_id for (session_id,) in sessions),
        events=Counter((session_id, event_id) for session_id, event_id, *_ in events),
        waiting=Counter((session_id, event_id) for session_id, event_id in waiting),
        misplaced=frozenset(
            (s, e) for s, e, o, position in events if (position or 0) != place_of(o)
        ),
    )


def read_api(url: str, day: date, waiting: Counter[tuple[str, str]]) -> Found:
    """The export, as a pipeline would. `waiting` events are in no answer of the API, by design."""
    sessions: Counter[str] = Counter()
    events: Counter[tuple[str, str]] = Counter()
    misplaced: set[tuple[str, str]] = set()
    for line in _export(url, day):
        session = msgspec.json.decode(line)
        sessions[session["session_id"]] += 1
        for event in session["events"]:
            key = session["session_id"], event["event_id"]
            events[key] += 1
            if (event["position"] or 0) != place_of(event["object_id"]):
                misplaced.add(key)
    return Found(sessions, events, waiting, frozenset(misplaced))


def read_metrics(url: str, day: date) -> Metrics:
    """`/analytics/overview` of that day."""
    answer = httpx.get(f"{url}/analytics/overview", params=_range(day), timeout=_READ_SECONDS)
    counted = answer.raise_for_status().json()
    return Metrics(counted["sessions"], counted["events"])


def dead_letters(settings: Settings, other_rows: Collection[str]) -> int:
    """Rows in the table, but for those whose key is a session of another row's traffic."""
    with clickhouse.connect(settings) as client:
        keys = client.query("SELECT ifNull(key, '') FROM dead_letters").result_rows
    return sum(row_of(key) not in other_rows for (key,) in keys)


def _export(url: str, day: date) -> Iterator[str]:
    address = f"{url}/export/sessions"
    with httpx.stream("GET", address, params=_range(day), timeout=_READ_SECONDS) as answer:
        answer.raise_for_status()
        yield from answer.iter_lines()


def _range(day: date) -> dict[str, str]:
    return {"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat()}
