from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.corpus import EVENT_SHAPE, SESSION_SHAPE, Corpus

END_MS = 1_782_864_000_000
CORPUS = Corpus(END_MS, 600)


def by_id(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch]).sort_by("event_id")


def test_it_is_the_same_every_time() -> None:
    again = Corpus(END_MS, 600)
    assert CORPUS.sessions(0, 600).equals(again.sessions(0, 600))
    assert CORPUS.events_of(0, 600).equals(again.events_of(0, 600))


def test_another_seed_has_other_ids() -> None:
    other = Corpus(END_MS, 600, seed=8)
    assert not set(other.session_ids(0, 600)) & set(CORPUS.session_ids(0, 600))


def test_pieces_are_the_whole() -> None:
    cuts = [(0, 1), (1, 250), (251, 349)]
    sessions = pa.Table.from_batches([CORPUS.sessions(*cut) for cut in cuts])
    assert sessions.equals(pa.Table.from_batches([CORPUS.sessions(0, 600)]))
    events = pa.concat_tables([by_id(CORPUS.events_of(*cut)) for cut in cuts])
    assert events.sort_by("event_id").equals(by_id(CORPUS.events_of(0, 600)))


def test_it_has_the_shape_in_which_avro_decodes() -> None:
    assert CORPUS.sessions(0, 5).schema.equals(SESSION_SHAPE)
    assert CORPUS.events_of(0, 5).schema.equals(EVENT_SHAPE)
    CORPUS.sessions(0, 600).validate(full=True)
    CORPUS.events_of(0, 600).validate(full=True)


def test_ids_are_unique() -> None:
    large = Corpus(END_MS, 50_000)
    assert pc.count_distinct(large.sessions(0, 50_000)["session_id"]).as_py() == 50_000
    assert pc.count_distinct(large.events_of(0, 50_000)["event_id"]).as_py() == 400_000


def test_every_event_is_about_an_object_that_its_session_listed() -> None:
    listed = {
        row["session_id"]: {shown["object_id"] for shown in row["search_results"]}
        for row in CORPUS.sessions(0, 600).to_pylist()
    }
    events = CORPUS.events_of(0, 600).to_pylist()
    assert len(events) == 600 * CORPUS.events
    assert all(event["object_id"] in listed[event["session_id"]] for event in events)


@pytest.mark.parametrize("days", [1, 30])
def test_sessions_are_spread_over_the_days_that_end_with_it(days: int) -> None:
    corpus = Corpus(END_MS, 600, days=days)
    created = corpus.sessions(0, 600)["created_at"].cast(pa.int64()).to_pylist()
    begin = END_MS - days * 86_400_000
    assert created == sorted(created)
    assert created[0] == begin
    assert begin + (END_MS - begin) * 0.99 < created[-1] < END_MS


def test_events_come_after_their_session_and_in_order() -> None:
    began = {row["session_id"]: row["created_at"] for row in CORPUS.sessions(0, 600).to_pylist()}
    events = CORPUS.events_of(0, 600).to_pylist()
    assert all(event["created_at"] > began[event["session_id"]] for event in events)
    times = [event["created_at"] for event in events]
    assert times == sorted(times)


def test_so_many_texts_are_unique_and_a_user_has_one_variant() -> None:
    corpus = Corpus(END_MS, 5_000, unique_queries=0.6, devices=4, users=50)
    rows = corpus.sessions(0, 5_000).to_pylist()
    texts = Counter(row["search_query"] for row in rows)
    assert 0.55 < sum(text.startswith("rare") for text in texts) / 5_000 < 0.65
    assert all(number == 1 for text, number in texts.items() if text.startswith("rare"))
    metas = [json.loads(row["search_meta"]) for row in rows]
    assert {meta["device"] for meta in metas} == {"d0", "d1", "d2"}
    variants = {(row["user_id"], meta["variant"]) for row, meta in zip(rows, metas, strict=True)}
    assert len(variants) == len({user for user, _ in variants})
