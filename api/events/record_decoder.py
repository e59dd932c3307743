"""A record of Kafka → a line of the tail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from api.events.tail_records import TailRecord
from core.errors import RecordRejected, RegistryUnavailable
from schemas.codec import Decoder
from schemas.contracts import EVENT, MARK, SESSION
from schemas.registry import SchemaRegistry
from schemas.topics import Topics

# A registry that does not answer would hold up every record. Seconds.
_REGISTRY_PAUSE: Final = 10.0
# An error of a dead letter may quote what it is about.
_LONGEST_ERROR: Final = 500


class KafkaRecord(Protocol):
    """What is used of `confluent_kafka.Message`."""

    def topic(self) -> str | None: ...

    def key(self) -> str | bytes | None: ...

    def value(self) -> str | bytes | None: ...

    def headers(self) -> Any: ...

    def timestamp(self) -> tuple[int, int]: ...


class RecordDecoder:
    """Not for several threads at once. It may ask the registry, which blocks."""

    def __init__(self, topics: Topics, registry: SchemaRegistry) -> None:
        self._topics = topics
        self._decoders: Mapping[str, Decoder] = {
            topics.topic_of(contract): Decoder(contract, registry)
            for contract in (SESSION, EVENT, MARK)
        }
        self._kinds: Mapping[str, Any] = {
            topics.sessions: "session",
            topics.events: "event",
            topics.marks: "mark",
        }
        self._registry_is_away_until = 0.0

    def decode(self, record: KafkaRecord, now: float) -> TailRecord:
        """The line; `now` is a monotonic time. What cannot be read is named by its key alone."""
        topic = record.topic() or ""
        at = record.timestamp()[1]
        if topic == self._topics.dead_letters:
            return self._refused(record, at, now)
        fields = self._fields(topic, record, now)
        return TailRecord("accepted", at, self._kinds.get(topic), **fields)

    def _refused(self, record: KafkaRecord, at: int, now: float) -> TailRecord:
        # The last header of each name is the worker's; what comes before may be the record's own.
        headers = {name: value for name, value in record.headers() or () if value is not None}
        topic = _text(headers.get("topic"))
        fields = self._fields(topic, record, now)
        return TailRecord(
            "refused",
            at,
            self._kinds.get(topic),
            **fields,
            reason=_text(headers.get("reason")),
            error=_text(headers.get("error"))[:_LONGEST_ERROR],
        )

    def _fields(self, topic: str, record: KafkaRecord, now: float) -> dict[str, Any]:
        read = self._read(topic, record, now)
        if read is None:
            return {"session_id": _text(record.key()) or None}
        fields = {name: read[name] for name in _SHOWN if read.get(name) is not None}
        if "search_results" in read:
            fields["results"] = len(read["search_results"])
        return fields

    def _read(self, topic: str, record: KafkaRecord, now: float) -> dict[str, Any] | None:
        value = record.value()
        decoder = self._decoders.get(topic)
        if decoder is None or not isinstance(value, bytes) or now < self._registry_is_away_until:
            return None
        try:
            return decoder.decode(value)
        except RecordRejected:
            return None
        except RegistryUnavailable:
            self._registry_is_away_until = now + _REGISTRY_PAUSE
            return None


_SHOWN: Final = (
    "session_id",
    "event_id",
    "object_id",
    "event_type",
    "user_id",
    "search_query",
    "is_irrelevant",
)


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
