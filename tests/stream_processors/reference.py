"""What the tables must hold, read straight off the log. Nothing here knows how the worker works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reference:
    """The obvious model: first session, first event, last mark; an event is joined when its session
    is anywhere in the log."""

    sessions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    events: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    marks: dict[str, bool] = field(default_factory=dict)

    def append(self, record: Mapping[str, Any]) -> None:
        """One more record at the end of its partition."""
        session_id = record["session_id"]
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

    def _position(self, session_id: str, object_id: str) -> int:
        shown = [result["object_id"] for result in self.sessions[session_id]["search_results"]]
        return shown.index(object_id) + 1 if object_id in shown else 0
