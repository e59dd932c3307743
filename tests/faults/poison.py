"""Every kind of record that cannot be processed, made of an event that could be.

A kind spoils the event and says with which reason the worker must set it aside. The event itself is
what a mended record holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from core.clock import SystemClock
from core.kafka.partitioner import partition_of
from schemas.codec import Decoder, Encoder, header
from schemas.contracts import EVENT, Contract
from schemas.dead_letters import Headers, Reason
from tests.schemas.memory_registry import MemoryRegistry
from tests.stream_processors.records import event

# More than a record may have (2 MiB and some), less than is kept of it; nothing once compressed.
_TOO_MUCH: Final = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as a producer writes it."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class SchemaIds:
    """Ids of the registry: of our event, of one that clashes with it, of a JSON Schema's, and one
    that the workers' registry does not know of."""

    event: int
    clashing: int
    json_schema: int
    unknown: int


Spoil = Callable[[Raw, SchemaIds], Raw]


def good_event(topic: str, session_id: str, event_id: str, partitions: int, schema_id: int) -> Raw:
    """As the edge writes it, now: an old one that waits for its session would be deleted."""
    now = SystemClock().now_ms()
    record = event(session_id, event_id, created_at=now, received_at=now)
    value = Encoder(EVENT, schema_id).encode(record)
    return Raw(topic, partition_of(session_id, partitions), session_id.encode(), value)


def clashing_schema() -> str:
    """An event whose times are texts."""
    schema = json.loads(EVENT.text)
    fields = [
        {**field, "type": "string"} if field["name"].endswith("_at") else field
        for field in schema["fields"]
    ]
    return json.dumps({**schema, "fields": fields})


def newer_schema() -> str:
    """An event with a field more, which can be read as ours."""
    schema = json.loads(EVENT.text)
    schema["fields"].append({"name": "screen", "type": ["null", "string"], "default": None})
    return json.dumps(schema)


def _with_value(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda raw, _: replace(raw, value=change(raw.value or b""))


def _value(value: bytes | None) -> Spoil:
    return lambda raw, _: replace(raw, value=value)


def _with_id(choose: Callable[[SchemaIds], int]) -> Spoil:
    return lambda raw, ids: replace(raw, value=header(choose(ids)) + (raw.value or b"")[5:])


def _fields(**fields: object) -> Spoil:
    """The event with other fields; its ids are read back from the good one."""

    def spoil(raw: Raw, ids: SchemaIds) -> Raw:
        record = {**_read(raw, ids), **fields}
        return replace(raw, value=Encoder(EVENT, ids.event).encode(record))

    return spoil


def _read(raw: Raw, ids: SchemaIds) -> dict[str, object]:
    return Decoder(EVENT, MemoryRegistry()).decode_body((raw.value or b"")[5:])


def _unknown_id(raw: Raw, ids: SchemaIds) -> Raw:
    """Written with the newer schema, before the registry hears of it."""
    text = newer_schema()
    newer = Contract("event", 2, EVENT.topic_suffix, text, json.loads(text))
    return replace(raw, value=Encoder(newer, ids.unknown).encode(_read(raw, ids)))


KINDS: Final[Mapping[str, tuple[Reason, Spoil]]] = {
    "no value": (Reason.NULL_VALUE, _value(None)),
    "empty value": (Reason.BAD_MAGIC_BYTE, _value(b"")),
    "bad magic byte": (Reason.BAD_MAGIC_BYTE, _with_value(lambda value: b"\x01" + value[1:])),
    "plain JSON": (Reason.BAD_MAGIC_BYTE, _value(b'{"session_id": "s"}')),
    "unknown schema id": (Reason.UNKNOWN_SCHEMA_ID, _unknown_id),
    "schema clash": (Reason.SCHEMA_CLASH, _with_id(lambda ids: ids.clashing)),
    "JSON Schema's id": (Reason.SCHEMA_CLASH, _with_id(lambda ids: ids.json_schema)),
    "cut short": (Reason.UNDECODABLE, _with_value(lambda value: value[:-3])),
    # The branch of `meta`, before it the eight bytes of two times and it.
    "union without such a branch": (
        Reason.UNDECODABLE,
        _with_value(lambda value: value[:-7] + b"\x0e" + value[-6:]),
    ),
    "invalid UTF-8": (
        Reason.UNDECODABLE,
        _with_value(lambda value: value.replace(b"click", b"\xff\xfeick")),
    ),
    "trailing bytes": (Reason.TRAILING_BYTES, _with_value(lambda value: value + b"more")),
    "empty id": (Reason.INVALID_RECORD, _fields(object_id="")),
    "time in seconds": (Reason.INVALID_RECORD, _fields(created_at=1_700_000_000)),
    "meta that is not JSON": (Reason.INVALID_RECORD, _fields(meta="{oops")),
    "another key": (Reason.WRONG_KEY, lambda raw, _: replace(raw, key=b"another")),
    "key that is no text": (Reason.WRONG_KEY, lambda raw, _: replace(raw, key=b"\xff\x00")),
    "no key": (Reason.WRONG_KEY, lambda raw, _: replace(raw, key=None)),
    "another partition": (
        Reason.WRONG_PARTITION,
        lambda raw, _: replace(raw, partition=raw.partition ^ 1),
    ),
    "oversize": (Reason.OVERSIZE, _fields(meta=json.dumps("a" * _TOO_MUCH))),
}
