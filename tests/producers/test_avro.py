from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.avro import QuickEncoder, event_bytes, session_bytes
from schemas.codec import Encoder, header
from schemas.contracts import ALL, EVENT, SESSION, Contract

LONG = st.integers(-(2**63), 2**63 - 1)
MILLIS = st.integers(100_000_000_000, 10_000_000_000_000)
TEXT = st.text() | st.text(min_size=300, max_size=3_000)
MAYBE_TEXT = st.none() | TEXT
TIME = LONG | MILLIS | st.integers(0, 2**22)

EVENTS = st.fixed_dictionaries(
    {
        "session_id": TEXT,
        "event_id": TEXT,
        "object_id": TEXT,
        "event_type": TEXT,
        "created_at": TIME,
        "meta": MAYBE_TEXT,
        "received_at": TIME,
    }
)
RESULTS = st.fixed_dictionaries(
    {
        "object_id": TEXT,
        "rank": st.none() | st.floats(allow_nan=False),
        "meta": MAYBE_TEXT,
    }
)
SESSIONS = st.fixed_dictionaries(
    {
        "session_id": TEXT,
        "search_query": TEXT,
        "search_results": st.lists(RESULTS, max_size=30),
        "search_meta": MAYBE_TEXT,
        "payload_filter": MAYBE_TEXT,
        "sort_by": MAYBE_TEXT,
        "user_id": MAYBE_TEXT,
        "created_at": TIME,
        "received_at": TIME,
    }
)


@given(EVENTS)
def test_an_event_is_what_fastavro_writes(record: dict[str, Any]) -> None:
    assert header(7) + event_bytes(record) == Encoder(EVENT, 7).encode(record)


@given(SESSIONS)
def test_a_session_is_what_fastavro_writes(record: dict[str, Any]) -> None:
    assert header(7) + session_bytes(record) == Encoder(SESSION, 7).encode(record)


def test_a_list_longer_than_a_thousand_is_what_fastavro_writes() -> None:
    results = [{"object_id": f"o-{n}", "rank": n / 7, "meta": None} for n in range(2_000)]
    record = {
        **dict.fromkeys(("search_meta", "payload_filter", "sort_by", "user_id")),
        **{"session_id": "s", "search_query": "q", "search_results": results},
        **{"created_at": 1_701_012_345_678, "received_at": 1_701_012_345_679},
    }
    assert QuickEncoder(SESSION, 7).encode(record) == Encoder(SESSION, 7).encode(record)


EVENT_RECORD = {
    **{"session_id": "s", "event_id": "e", "object_id": "o", "event_type": "click"},
    **{"created_at": 1_701_012_345_678, "meta": None, "received_at": 1_701_012_345_679},
}


@pytest.mark.parametrize("missing", ["event_type", "meta"])
def test_a_field_with_a_default_may_be_left_out(missing: str) -> None:
    record = {name: value for name, value in EVENT_RECORD.items() if name != missing}
    assert QuickEncoder(EVENT, 7).encode(record) == Encoder(EVENT, 7).encode(record)


@pytest.mark.parametrize("wrong", [{"event_id": 5}, {"event_id": None}, {"created_at": "now"}])
def test_what_does_not_fit_is_refused_as_by_any_encoder(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        QuickEncoder(EVENT, 7).encode({**EVENT_RECORD, **wrong})


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_every_contract_has_an_encoder(contract: Contract) -> None:
    assert isinstance(QuickEncoder(contract, 7), Encoder)
