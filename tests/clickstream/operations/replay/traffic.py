"""Records onto the real topics, as producers in any language would put them there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Producer

from core.settings import Settings
from schemas.codec import Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics
from tests.stream_processors.records import event, mark, session

_ACK_SECONDS = 30.0


def now_ms() -> int:
    """Waiting events and dead letters of another year would be deleted by their TTL."""
    return time.time_ns() // 1_000_000


class Traffic:
    """A producer on the settings' topics; `options` of librdkafka beside theirs."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.topics = Topics.from_settings(settings)
        self._producer = Producer(
            {**settings.kafka_options(), "partitioner": "murmur2_random", "log_level": 0, **options}
        )
        with ConfluentRegistry.from_settings(settings) as registry:
            self._encoders = {
                contract.name: Encoder(
                    contract, registry.register(self.topics.subject_of(contract), contract.text)
                )
                for contract in (SESSION, EVENT, MARK)
            }

    def encoder(self, contract: Contract) -> Encoder:
        """Of one of the three records."""
        return self._encoders[contract.name]

    def session(self, session_id: str, **fields: Any) -> None:
        now = {"created_at": now_ms(), "received_at": now_ms()}
        self._post(SESSION, session(session_id, **{**now, **fields}))

    def event(
        self,
        session_id: str,
        event_id: str,
        object_id: str = "a",
        key: bytes | None = None,
        **fields: Any,
    ) -> None:
        """`key`: another one than the session's id."""
        now = {"created_at": now_ms(), "received_at": now_ms()}
        self._post(EVENT, event(session_id, event_id, object_id, **{**now, **fields}), key)

    def mark(self, session_id: str, is_irrelevant: bool = True) -> None:
        self._post(MARK, {**mark(session_id, is_irrelevant), "received_at": now_ms()})

    def raw(self, topic: str, key: bytes | None, value: bytes | None, **options: Any) -> None:
        """Bytes as they are."""
        while True:
            try:
                return self._producer.produce(topic, key=key, value=value, **options)
            except BufferError:
                self._producer.poll(0.1)

    def flush(self) -> None:
        """Return once the broker has all of it."""
        assert self._producer.flush(_ACK_SECONDS) == 0

    def _post(
        self, contract: Contract, record: Mapping[str, Any], key: bytes | None = None
    ) -> None:
        value = self._encoders[contract.name].encode(record)
        self.raw(self.topics.topic_of(contract), key or record["session_id"].encode(), value)


def post_history(traffic: Traffic, name: str, other: str) -> None:
    """Some of everything, with ids that begin with `name`; `other` is another such history, which
    comes before or after, and whose sessions are here posted again, clicked and marked."""
    for n in range(30):
        traffic.event(f"{name}-{n}", "early", "b")
        traffic.session(f"{name}-{n}", search_query=f"query {n}")
        traffic.session(f"{name}-{n}", search_query="posted again", objects=["z"])
        for click in range(4):
            traffic.event(
                f"{name}-{n}", f"click-{click}", "ab?"[click % 3], meta=f'{{"n":{click}}}'
            )
        traffic.event(f"{name}-{n}", "click-0", "b", meta='"again"')
        traffic.event(f"{other}-{n}", f"from-{name}", "a")
    for n in range(0, 30, 3):
        traffic.mark(f"{name}-{n}")
        traffic.mark(f"{other}-{n + 1}")
        traffic.mark(f"{other}-{n}", is_irrelevant=n % 2 == 0)
        traffic.session(f"{other}-{n}", search_query="posted again, later")
        traffic.event(f"{name}-nowhere-{n}", "orphan")
    traffic.mark(f"{name}-nowhere")
    traffic.session(f"{name}-old", created_at=1_500_000_000_000)
    traffic.event(f"{name}-old", "click")
    _post_poison(traffic, name)
    traffic.flush()


def _post_poison(traffic: Traffic, name: str) -> None:
    """Everything that a worker puts aside, and one record whose key says another session."""
    topics = traffic.topics
    headers = [("trace", b"\x00\xff"), ("empty", b""), ("none", None)]
    traffic.raw(topics.sessions, name.encode(), b"\x00nonsense", headers=headers)
    traffic.raw(topics.events, name.encode(), None)
    traffic.raw(topics.marks, name.encode(), b"")
    traffic.raw(topics.events, None, b"\x01")
    traffic.raw(topics.events, b"", b"\x00\x00\x00\x00\x00")
    traffic.event(name, "wrong-key", key=b"another")
