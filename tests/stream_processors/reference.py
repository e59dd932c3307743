"""What the tables must hold, read straight off the log. Nothing here knows how the worker works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from stream_processors.join import table_columns
from tests.stream_processors.cluster import Cluster
from tests.stream_processors.memory_sink import MemorySink


@dataclass
class Reference:
    """The obvious model: first session, first event, last mark; an event is joined when its session
    is anywhere in the log."""

    sessions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    events: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    marks: dict[str, bool] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    def erase(self, session_id: str) -> None:
        """Nothing of this id counts, whenever it comes."""
        self.erased.add(session_id)
        self.sessions.pop(session_id, None)
        self.marks.pop(session_id, None)
        self.events = {key: event for key, event in self.events.items() if key[0] != session_id}

    def append(self, record: Mapping[str, Any]) -> None:
        """One more record at the end of its partition."""
        session_id = record["session_id"]
        if session_id in self.erased:
            return
        if "search_results" in record:
            self.sessions.setdefault(session_id, record)
        elif "event_id" in record:
            self.events.setdefault((session_id, record["event_id"]), record)
        else:
            self.marks[session_id] = record["is_irrelevant"]

    def joined(self) -> dict[tuple[str, str], tuple[str, int]]:
        """(session_id, event_id) → (object_id, position) of every event whose session is there."""
        return {
            key: (event["object_id"], self._position(key[0], event["object_id"]))
            for key, event in self.events.items()
            if key[0] in self.sessions
        }

    def unjoined(self) -> set[tuple[str, str]]:
        """Events that wait."""
        return {key for key in self.events if key[0] not in self.sessions}

    def facts(self) -> dict[str, dict[str, int]]:
        """The numbers of each session. Every event is a click here, unless it says otherwise."""
        found = {}
        for session_id, session in self.sessions.items():
            mine = [key for key in self.events if key[0] == session_id]
            places = {
                key: self._position(session_id, self.events[key]["object_id"]) for key in mine
            }
            clicks = [key for key in mine if self.events[key]["event_type"] == "click"]
            found[session_id] = {
                "is_irrelevant": self.marks.get(session_id, False),
                "results": len(session["search_results"]),
                "events": len(mine),
                "clicks": len(clicks),
                "unlisted_events": sum(places[key] == 0 for key in mine),
                "min_clicked_position": min((places[k] for k in clicks if places[k]), default=0),
            }
        return found

    def _position(self, session_id: str, object_id: str) -> int:
        shown = [result["object_id"] for result in self.sessions[session_id]["search_results"]]
        return shown.index(object_id) + 1 if object_id in shown else 0


def compare_capped(cluster: Cluster, reference: Reference, most_waiting: int) -> None:
    """Every event is joined, waits or is a dead letter, and not more wait than may."""
    tables = cluster.store.tables
    assert {key[-1] for key in tables[table_columns.SESSIONS]} == reference.sessions.keys()
    joined = {key[1:] for key in tables[table_columns.EVENTS]}
    waiting = set(tables[table_columns.UNJOINED])
    assert joined <= reference.joined().keys()
    assert waiting <= reference.unjoined()
    assert isinstance(cluster.store, MemorySink)
    kept = [cluster.posted[place] for place in cluster.store.dead_letters]
    rejected = {
        (record["session_id"], record["event_id"])
        for record in kept
        if record["session_id"] not in reference.erased
    }
    assert joined | waiting | rejected == reference.events.keys()
    assert not Counter(id_ for id_, _ in waiting) - Counter(
        {id_: most_waiting for id_, _ in reference.unjoined()}
    )


def compare(cluster: Cluster, reference: Reference) -> None:
    """What is stored is what the log says, once everybody has settled."""
    tables = cluster.store.tables
    stored = {row["session_id"]: row for row in tables[table_columns.SESSIONS].values()}
    assert stored.keys() == reference.sessions.keys()
    for id_, row in stored.items():
        first = reference.sessions[id_]
        assert row["created_at"].replace(tzinfo=UTC).timestamp() * 1000 == first["created_at"]
        shown = [result["object_id"] for result in first["search_results"]]
        assert row["search_results.object_id"] == shown
    joined = {
        (row["session_id"], row["event_id"]): (row["object_id"], row["position"])
        for row in tables[table_columns.EVENTS].values()
    }
    assert joined == reference.joined()
    assert len(tables[table_columns.EVENTS]) == len(joined)
    for row in tables[table_columns.EVENTS].values():
        assert row["session_day"] == stored[row["session_id"]]["session_day"]
    assert set(tables[table_columns.UNJOINED]) == reference.unjoined()
    marks = {
        row["session_id"]: row["is_irrelevant"] for row in tables[table_columns.MARKS].values()
    }
    assert marks == reference.marks
    facts = {row["session_id"]: row for row in tables[table_columns.FACTS].values()}
    wanted = reference.facts()
    assert facts.keys() == wanted.keys()
    for id_, expected in wanted.items():
        assert {name: facts[id_][name] for name in expected} == expected
