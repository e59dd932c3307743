from __future__ import annotations

import pytest

from core.settings import Limits
from producers.records import Record, event_records, mark_record, session_record
from producers.validation import parse_events, parse_mark, parse_session
from schemas.codec import Decoder, Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from tests.producers.bodies import encoded, event, events, session
from tests.schemas.memory_registry import MemoryRegistry

LIMITS = Limits()
RECEIVED = 1_700_000_000_000


def full_session() -> Record:
    results = [{"object_id": "a", "rank": 3, "meta": {"x": 1}}, {"object_id": "b"}]
    body = session(search_results=results, search_meta={}, user_id="u", created_at=RECEIVED - 5)
    return session_record(parse_session(encoded(body), LIMITS), RECEIVED)


def some_events() -> list[Record]:
    body = events(event(meta={"x": [1]}, created_at=RECEIVED - 7), event(event_id="e-2"))
    return event_records(parse_events(encoded(body), LIMITS), RECEIVED)


def a_mark() -> Record:
    return mark_record(parse_mark(encoded({"session_id": "s-1"}), LIMITS), "key-12ab", RECEIVED)


@pytest.mark.parametrize(
    ("contract", "record"),
    [(SESSION, full_session()), *((EVENT, record) for record in some_events()), (MARK, a_mark())],
)
def test_records_survive_the_codec_unchanged(contract: Contract, record: Record) -> None:
    registry = MemoryRegistry()
    schema_id = registry.register("any-value", contract.text)
    value = Encoder(contract, schema_id).encode(record)
    assert Decoder(contract, registry).decode(value) == record


def test_a_time_that_was_not_sent_is_the_time_of_receipt() -> None:
    timeless = session_record(parse_session(encoded(session()), LIMITS), RECEIVED)
    assert timeless["created_at"] == timeless["received_at"] == RECEIVED
    assert [record["created_at"] for record in some_events()] == [RECEIVED - 7, RECEIVED]


def test_each_event_is_a_record_of_its_own_in_the_order_sent() -> None:
    assert [record["event_id"] for record in some_events()] == ["e-1", "e-2"]


def test_a_mark_names_the_key_that_asked() -> None:
    assert a_mark() == {
        "session_id": "s-1",
        "is_irrelevant": True,
        "marked_by": "key-12ab",
        "received_at": RECEIVED,
    }
