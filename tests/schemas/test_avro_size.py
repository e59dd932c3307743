from __future__ import annotations

from typing import Any

import pyruhvro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_size import CanonicalSize
from schemas.codec import Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from tests.producers.test_avro import EVENTS, SESSIONS

MARKS = st.fixed_dictionaries(
    {
        "session_id": st.text(),
        "is_irrelevant": st.booleans(),
        "marked_by": st.none() | st.text(),
        "received_at": st.integers(-(2**62), 2**62),
    }
)


@pytest.mark.parametrize(
    ("contract", "records"),
    [(EVENT, EVENTS), (SESSION, SESSIONS), (MARK, MARKS)],
    ids=lambda part: getattr(part, "name", ""),
)
def test_it_is_what_fastavro_writes(contract: Contract, records: st.SearchStrategy[Any]) -> None:
    form, encoder = CanonicalSize(contract.text), Encoder(contract, 1)

    @given(st.lists(records, min_size=1, max_size=5))
    def check(batch: list[dict[str, Any]]) -> None:
        bodies = [encoder.encode(record)[5:] for record in batch]
        decoded = pyruhvro.deserialize_array(bodies, contract.text)
        assert form.of(decoded) == sum(map(len, bodies))

    check()
