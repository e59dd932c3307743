"""The edge as a good engineer would write it today: FastAPI, pydantic models, aiokafka.

The same requests, the same records in the same wire format, the same acks=all; none of our code.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Final

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request
from fastavro import parse_schema, schemaless_writer
from pydantic import BaseModel, Field

_AVRO: Final = Path(__file__).parents[2] / "schemas" / "avro"

Id = Annotated[str, Field(min_length=1, max_length=512)]
Millis = Annotated[int, Field(ge=100_000_000_000, lt=10_000_000_000_000)]
Meta = dict[str, Any] | None


class Result(BaseModel):
    """One result shown."""

    object_id: Id
    rank: float | None = None
    meta: Meta = None


class Session(BaseModel):
    """A search."""

    session_id: Id
    search_query: str
    search_results: Annotated[list[Result], Field(max_length=10_000)]
    search_meta: Meta = None
    payload_filter: Meta = None
    sort_by: Meta = None
    user_id: Id | None = None
    created_at: Millis | None = None


class Event(BaseModel):
    """One interaction."""

    event_id: Id
    object_id: Id
    event_type: Id = "click"
    created_at: Millis | None = None
    meta: Meta = None


class Events(BaseModel):
    """Interactions with one session's results."""

    session_id: Id
    events: Annotated[list[Event], Field(min_length=1, max_length=10_000)]


class Accepted(BaseModel):
    """What was stored."""

    session_id: str
    accepted: int


class AvroTopic:
    """Writes records of one schema to one topic, in the Confluent wire format."""

    def __init__(self, producer: AIOKafkaProducer, name: str, schema: str) -> None:
        self._producer = producer
        self._topic = os.environ[f"EDGE_{name}_TOPIC"]
        schema_id = int(os.environ[f"EDGE_{name}_SCHEMA_ID"])
        self._header = b"\0" + schema_id.to_bytes(4, "big")
        # fastavro turns timestamp-millis into datetimes and back; plain integers are faster.
        text = (_AVRO / schema).read_text().replace(', "logicalType": "timestamp-millis"', "")
        self._schema = parse_schema(json.loads(text))

    async def write(self, key: str, records: list[dict[str, Any]]) -> None:
        """Returns once all are acknowledged."""
        waiting = [
            await self._producer.send(self._topic, self._encoded(record), key=key.encode())
            for record in records
        ]
        for each in waiting:
            await each

    def _encoded(self, record: dict[str, Any]) -> bytes:
        buffer = BytesIO()
        buffer.write(self._header)
        schemaless_writer(buffer, self._schema, record)
        return buffer.getvalue()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["EDGE_BROKERS"],
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
    )
    async with producer:
        app.state.sessions = AvroTopic(producer, "SESSIONS", "session.v1.avsc")
        app.state.events = AvroTopic(producer, "EVENTS", "event.v1.avsc")
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/readyz")
async def readyz() -> bool:
    """Up once the producer has started."""
    return True


@app.post("/session")
async def create_session(session: Session, request: Request) -> Accepted:
    """One record for the search."""
    now = time.time_ns() // 1_000_000
    record = {
        "session_id": session.session_id,
        "search_query": session.search_query,
        "search_results": [
            {"object_id": each.object_id, "rank": each.rank, "meta": _text(each.meta)}
            for each in session.search_results
        ],
        "search_meta": _text(session.search_meta),
        "payload_filter": _text(session.payload_filter),
        "sort_by": _text(session.sort_by),
        "user_id": session.user_id,
        "created_at": now if session.created_at is None else session.created_at,
        "received_at": now,
    }
    await request.app.state.sessions.write(session.session_id, [record])
    return Accepted(session_id=session.session_id, accepted=1)


@app.post("/session/events")
async def push_events(events: Events, request: Request) -> Accepted:
    """One record for each event."""
    now = time.time_ns() // 1_000_000
    records = [
        {
            "session_id": events.session_id,
            "event_id": each.event_id,
            "object_id": each.object_id,
            "event_type": each.event_type,
            "created_at": now if each.created_at is None else each.created_at,
            "meta": _text(each.meta),
            "received_at": now,
        }
        for each in events.events
    ]
    await request.app.state.events.write(events.session_id, records)
    return Accepted(session_id=events.session_id, accepted=len(records))


def _text(meta: Meta) -> str | None:
    return None if meta is None else json.dumps(meta)
