from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from core.errors import RecordRejected, RegistryUnavailable
from schemas.codec import Decoder, Encoder, header, schema_id_of
from schemas.contracts import EVENT, SESSION, Contract
from schemas.dead_letters import Reason
from tests.examples import examples
from tests.schemas.memory_registry import MemoryRegistry

int64 = st.integers(-(2**63), 2**63 - 1)
text = st.text() | st.sampled_from(["\x00", "größe", "東京", "😀", "\ufeff", "\U0010ffff"])
optional_text = st.none() | text
results = st.fixed_dictionaries(
    {"object_id": text, "rank": st.none() | st.floats(allow_nan=False), "meta": optional_text}
)
sessions = st.fixed_dictionaries(
    {
        "session_id": text,
        "search_query": text,
        "search_results": st.lists(results, max_size=4),
        "search_meta": optional_text,
        "payload_filter": optional_text,
        "sort_by": optional_text,
        "user_id": optional_text,
        "created_at": int64,
        "received_at": int64,
    }
)

EVENT_RECORD: Mapping[str, Any] = {
    "session_id": "s",
    "event_id": "e",
    "object_id": "o",
    "event_type": "click",
    "created_at": 1_701_012_350_000,
    "meta": '{"rank_position": 1}',
    "received_at": 1_701_012_350_001,
}


class Wire:
    """A registry with one contract in it, and the two ends of the wire."""

    def __init__(self, contract: Contract) -> None:
        self.registry = MemoryRegistry()
        self.schema_id = self.registry.register("subject", contract.text)
        self.encoder = Encoder(contract, self.schema_id)
        self.decoder = Decoder(contract, self.registry)

    def verdict(self, value: bytes) -> Reason | None:
        """Why it is poison, None when it is not; any other error goes through."""
        try:
            self.decoder.decode(value)
        except RecordRejected as error:
            return Reason(error.reason)
        return None

    def poison(self, value: bytes) -> Reason:
        verdict = self.verdict(value)
        assert verdict is not None
        return verdict


@pytest.fixture
def wire() -> Wire:
    return Wire(EVENT)


def other(contract: Contract, **changes: object) -> Contract:
    """Another version of the contract's schema: top-level attributes replaced."""
    written = {**json.loads(contract.text), **changes}
    return Contract(contract.name, 2, contract.topic_suffix, json.dumps(written), {})


def fields_of(contract: Contract, **changes: object) -> list[dict[str, Any]]:
    return [
        {**field, "type": changes.get(field["name"], field["type"])}
        for field in json.loads(contract.text)["fields"]
    ]


@hypothesis.settings(deadline=None)
@hypothesis.given(sessions)
def test_what_is_written_is_read_back(session: dict[str, Any]) -> None:
    wire = Wire(SESSION)
    assert wire.decoder.decode(wire.encoder.encode(session)) == session


def test_a_value_begins_with_zero_and_the_schema_id(wire: Wire) -> None:
    value = Encoder(EVENT, 0x01020304).encode(EVENT_RECORD)
    assert value[:5] == b"\x00\x01\x02\x03\x04" == header(0x01020304)
    assert schema_id_of(value) == 0x01020304


def test_times_are_integers_beyond_what_a_datetime_holds(wire: Wire) -> None:
    decoded = wire.decoder.decode(wire.encoder.encode({**EVENT_RECORD, "created_at": 2**62}))
    assert decoded["created_at"] == 2**62
    assert type(decoded["received_at"]) is int


def test_nan_and_infinities_travel() -> None:
    wire = Wire(SESSION)
    ranks = [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]
    session = {
        "session_id": "s",
        "search_query": "q",
        "search_results": [{"object_id": "o", "rank": rank} for rank in ranks],
        "created_at": 0,
        "received_at": 0,
    }
    decoded = wire.decoder.decode(wire.encoder.encode(session))
    assert str([result["rank"] for result in decoded["search_results"]]) == str(ranks)


def test_fields_left_out_get_their_defaults_and_unknown_ones_are_ignored(wire: Wire) -> None:
    sent = {name: EVENT_RECORD[name] for name in EVENT_RECORD if name not in ("event_type", "meta")}
    decoded = wire.decoder.decode(wire.encoder.encode({**sent, "surplus": 1}))
    assert decoded == {**sent, "event_type": "click", "meta": None}


@pytest.mark.parametrize(
    "wrong", [{"event_id": None}, {"event_id": 5}, {"created_at": 2**63}, {"meta": "\ud800"}]
)
def test_a_record_that_does_not_fit_is_the_callers_bug(wire: Wire, wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        wire.encoder.encode({**EVENT_RECORD, **wrong})


def test_an_older_writer_is_read_as_ours(wire: Wire) -> None:
    older = other(EVENT, fields=[f for f in fields_of(EVENT) if f["name"] != "meta"])
    schema_id = wire.registry.register("subject", older.text)
    value = Encoder(older, schema_id).encode(EVENT_RECORD)
    assert wire.decoder.decode(value) == {**EVENT_RECORD, "meta": None}


def test_a_newer_writer_is_read_as_ours(wire: Wire) -> None:
    added = {"name": "locale", "type": "string", "default": "en"}
    newer = other(EVENT, fields=[*fields_of(EVENT), added])
    schema_id = wire.registry.register("subject", newer.text)
    value = Encoder(newer, schema_id).encode({**EVENT_RECORD, "locale": "fr"})
    assert wire.decoder.decode(value) == EVENT_RECORD


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00\x00\x00", b'{"session_id": "s"}'])
def test_without_the_five_bytes_it_is_a_bad_magic_byte(wire: Wire, value: bytes) -> None:
    assert wire.poison(value) == Reason.BAD_MAGIC_BYTE


def test_an_id_never_given_out_is_an_unknown_schema_id(wire: Wire) -> None:
    assert wire.poison(header(4_000_000_000) + b"rest") == Reason.UNKNOWN_SCHEMA_ID


def test_an_unknown_id_is_asked_for_again(wire: Wire) -> None:
    value = Encoder(EVENT, wire.schema_id + 1).encode(EVENT_RECORD)
    assert wire.poison(value) == Reason.UNKNOWN_SCHEMA_ID
    wire.registry.register("another", other(EVENT, doc="the same in other words").text)
    assert wire.decoder.decode(value) == EVENT_RECORD


def test_a_cut_record_is_undecodable_wherever_it_is_cut(wire: Wire) -> None:
    value = wire.encoder.encode(EVENT_RECORD)
    for end in range(5, len(value)):
        assert wire.poison(value[:end]) == Reason.UNDECODABLE


def test_bad_utf8_is_undecodable(wire: Wire) -> None:
    value = wire.encoder.encode({**EVENT_RECORD, "session_id": "!!"})
    assert wire.poison(value.replace(b"!!", b"\xff\xfe")) == Reason.UNDECODABLE


def test_bytes_after_the_record_are_poison(wire: Wire) -> None:
    assert wire.poison(wire.encoder.encode(EVENT_RECORD) + b"\x00") == Reason.TRAILING_BYTES


@pytest.mark.parametrize(
    "schema",
    [
        SESSION.text,
        '"string"',
        other(EVENT, fields=fields_of(EVENT, event_id="long")).text,
        # The bytes would be read well, and be wrong by a factor of a thousand.
        other(
            EVENT,
            fields=fields_of(EVENT, created_at={"type": "long", "logicalType": "timestamp-micros"}),
        ).text,
    ],
    ids=["another record", "no record", "another type", "another unit"],
)
def test_a_writer_that_cannot_be_read_as_ours_is_a_schema_clash(wire: Wire, schema: str) -> None:
    schema_id = wire.registry.register("elsewhere", schema)
    assert wire.poison(header(schema_id) + b"\x02a") == Reason.SCHEMA_CLASH
    assert wire.poison(header(schema_id) + b"\x02a") == Reason.SCHEMA_CLASH


class NotAvro(MemoryRegistry):
    def schema(self, schema_id: int) -> str:
        return f'syntax = "proto3"; // {schema_id}'


def test_a_schema_of_another_format_is_a_schema_clash() -> None:
    with pytest.raises(RecordRejected) as caught:
        Decoder(EVENT, NotAvro()).decode(header(1) + b"rest")
    assert caught.value.reason == Reason.SCHEMA_CLASH


class Down(MemoryRegistry):
    def schema(self, schema_id: int) -> str:
        raise RegistryUnavailable(f"no answer about {schema_id}")


def test_a_registry_that_is_down_makes_no_poison(wire: Wire) -> None:
    with pytest.raises(RegistryUnavailable):
        Decoder(EVENT, Down()).decode(wire.encoder.encode(EVENT_RECORD))


@hypothesis.settings(deadline=None, max_examples=examples(500))
@hypothesis.given(st.binary(max_size=200), st.booleans())
def test_no_bytes_raise_anything_but_poison(body: bytes, with_header: bool) -> None:
    wire = Wire(SESSION)
    wire.verdict(header(wire.schema_id) + body if with_header else body)


@hypothesis.settings(deadline=None, max_examples=examples(300))
@hypothesis.given(sessions, st.data())
def test_one_wrong_byte_raises_nothing_but_poison(session: dict[str, Any], data: Any) -> None:
    wire = Wire(SESSION)
    value = bytearray(wire.encoder.encode(session))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] = data.draw(st.integers(0, 255))
    wire.verdict(bytes(value))
