"""Whatever a body is: a request, or a refusal of the tree of errors; and what is taken, is written
by hand as fastavro writes it, and read back by the worker."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import STATUS, InvalidRequest, MalformedBody, RequestRefused
from core.kafka.partitioner import partition_of
from core.settings import Limits
from producers.avro import QuickEncoder
from producers.records import Record, event_records, mark_record, session_record
from producers.validation import parse_events, parse_mark, parse_session
from schemas.codec import Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.dead_letters import Reason
from stream_processors.consume import batches
from stream_processors.decode.batch import BatchDecoder
from tests.examples import examples
from tests.fuzz.mutate import Mutator
from tests.schemas.memory_registry import MemoryRegistry
from tests.stream_processors.records import NOW_MS, PARTITIONS, TOPICS

# A tenth of the codec's: each is tried as three kinds of body, and what is taken goes a long way.
INPUTS: Final = int(os.environ.get("CLICKSTREAM_TEST_FUZZ", "6000")) // 10
LIMITS: Final = Limits()

BODIES: Final = [
    json.dumps(body, ensure_ascii=False).encode()
    for body in (
        {
            "session_id": "s-1",
            "search_query": "ботинки 👢",
            "search_results": [{"object_id": "o1", "rank": 1.5, "meta": {"a": [1, None]}}] * 3,
            "search_meta": {"latency_ms": 450},
            "payload_filter": {"task": {"in": ["x"]}},
            "sort_by": {"field": "downloads", "order": "desc"},
            "user_id": "u",
            "created_at": 1_701_012_345_678,
        },
        {
            "session_id": "s-1",
            "events": [
                {"event_id": "e1", "object_id": "o1", "meta": {"n": 2**63}},
                {"event_id": "e2", "object_id": "o2", "event_type": "cart", "created_at": 1e12},
            ],
        },
        {"session_id": "s-1", "irrelevant": False},
    )
]

# What makes a difference to JSON parsers and to those who trust them.
TOKENS: Final = (
    *(b"null", b"NaN", b"-0", b"1e999", b"1E400", b"9223372036854775808", b"[" * 80, b"{}", b'""'),
    *(b"\\u0000", b"\\ud800", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b'"a":', b","),
)

Parsed = tuple[Contract, list[Record]]


def parse_as_session(body: bytes) -> Parsed:
    return SESSION, [session_record(parse_session(body, LIMITS), NOW_MS)]


def parse_as_events(body: bytes) -> Parsed:
    return EVENT, event_records(parse_events(body, LIMITS), NOW_MS)


def parse_as_mark(body: bytes) -> Parsed:
    return MARK, [mark_record(parse_mark(body, LIMITS), "key", NOW_MS)]


class Edge:
    """The way of a body through the edge into the worker, without Kafka in between."""

    def __init__(self) -> None:
        registry = MemoryRegistry()
        self._ids = {c.name: registry.register(c.name, c.text) for c in (SESSION, EVENT, MARK)}
        self._decoders = {
            c.name: BatchDecoder(c, self._ids[c.name], registry, PARTITIONS)
            for c in (SESSION, EVENT, MARK)
        }

    def take(self, parse: Callable[[bytes], Parsed], body: bytes) -> bool:
        """Whether it was taken; a refusal has a meaning in HTTP, and names a place."""
        try:
            contract, records = parse(body)
        except (MalformedBody, InvalidRequest) as refusal:
            assert_has_a_meaning(refusal)
            return False
        for record in records:
            self._check(contract, record)
        return True

    def _check(self, contract: Contract, record: dict[str, Any]) -> None:
        schema_id = self._ids[contract.name]
        value = QuickEncoder(contract, schema_id).encode(record)
        assert value == Encoder(contract, schema_id).encode(record)
        session_id = record["session_id"]
        source = batches.Partition(TOPICS.topic_of(contract), partition_of(session_id, PARTITIONS))
        one = batches.Records.of([batches.Record(0, session_id.encode(), value)])
        decoded = self._decoders[contract.name].decode(
            [batches.FetchedBatch(source, 1, 0, 1, [one])]
        )
        assert decoded.rejected == ()


def assert_has_a_meaning(refusal: RequestRefused) -> None:
    assert 400 <= STATUS[type(refusal)].status < 500
    assert str(refusal).encode()


PARSERS: Final = (parse_as_session, parse_as_events, parse_as_mark)


@pytest.mark.timeout(1_800)
def test_a_spoiled_body_is_refused_or_taken_and_read_back() -> None:
    edge = Edge()
    chance = random.Random(1)
    taken = 0
    for body in Mutator(1, BODIES).values(INPUTS):
        spoiled = body or b""
        if chance.random() < 0.5:
            place = chance.randrange(len(spoiled) + 1)
            spoiled = spoiled[:place] + chance.choice(TOKENS) + spoiled[place:]
        taken += sum(edge.take(parse, spoiled) for parse in PARSERS)
    assert taken


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS: Final = st.dictionaries(
    st.sampled_from(
        [
            *("session_id", "search_query", "search_results", "events", "irrelevant", "meta"),
            *("event_id", "object_id", "event_type", "created_at", "rank", "user_id", "sort_by"),
        ]
    ),
    JSON,
)


@given(FIELDS, st.sampled_from(PARSERS))
@settings(max_examples=examples(300))
def test_any_json_is_refused_or_taken_and_read_back(
    body: dict[str, Any], parse: Callable[[bytes], Parsed]
) -> None:
    Edge().take(parse, json.dumps(body).encode())


@given(st.binary(max_size=200), st.sampled_from(PARSERS))
@settings(max_examples=examples(300))
def test_any_bytes_are_refused(body: bytes, parse: Callable[[bytes], Parsed]) -> None:
    Edge().take(parse, body)


def test_every_reason_is_one_that_operators_are_told_about() -> None:
    from clickstream.operations.dead_letters.dead_letter import ADVICE

    assert set(ADVICE) == set(Reason)
