"""A program that asks for what is new, again and again."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from api.watermark import BEGINNING, WATERMARK_HEADER

if TYPE_CHECKING:
    from starlette.testclient import TestClient


@dataclass
class Copy:
    """What a program has that asks for what is new, again and again."""

    client: TestClient
    params: dict[str, str] = field(default_factory=dict)
    watermark: str = BEGINNING
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    """Ids in the order in which they came, of the last pull."""
    removed: list[str] = field(default_factory=list)

    def pull(self) -> str:
        """Returns the new watermark."""
        asked = {**self.params, "received_after": self.watermark}
        answer = self._get("/export/sessions", asked)
        until = answer.headers[WATERMARK_HEADER]
        asked["received_until"] = until
        lines_ = [json.loads(line) for line in answer.text.splitlines()]
        events = read_table(self._get("/export/events", asked).content)
        removals = [
            json.loads(each) for each in self._get("/export/removals", asked).text.splitlines()
        ]
        self.told = [line["session_id"] for line in lines_]
        self.removed = [each["session_hash"] for each in removals]
        gone = set(self.removed)
        if gone:
            self.sessions = {key: s for key, s in self.sessions.items() if hash_of(key) not in gone}
            self.events = {key: e for key, e in self.events.items() if hash_of(key[0]) not in gone}
        self.sessions |= {line["session_id"]: line for line in lines_}
        self.events |= {(row["session_id"], row["event_id"]): row for row in events}
        assert len(set(self.told)) == len(self.told)
        self.watermark = until
        return until

    def whole(self) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
        """One pull of everything at the same watermark."""
        asked = {**self.params, "received_until": self.watermark}
        lines_ = map(json.loads, self._get("/export/sessions", asked).text.splitlines())
        events = read_table(self._get("/export/events", asked).content)
        by_id = {line["session_id"]: line for line in lines_}
        return by_id, {(row["session_id"], row["event_id"]): row for row in events}

    def _get(self, path: str, params: dict[str, str]) -> Any:
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer


def hash_of(session_id: str) -> str:
    return sha256(session_id.encode()).hexdigest()[:32]


def read_table(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows
