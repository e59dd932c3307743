"""Deliberately broken versions of the worker. Each must be caught by the model-based test.

A mutant is a function that breaks one rule through pytest's monkeypatch, which mends it afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from core.kafka.partitions import Partition
from stream_processors.consume.offset_ledger import OffsetLedger
from stream_processors.decode.topics import DecodedTopics
from stream_processors.join import plan, table_columns
from stream_processors.join.erasures import Erased
from stream_processors.join.join import anti_join
from stream_processors.join.plan import FlushPlanner
from stream_processors.join.recent_sessions import STORED
from stream_processors.join.row_version import first_wins, last_wins
from stream_processors.join.stored_ids_filter import StoredIdsFilter
from stream_processors.write.facts_refresh import FactsRefresh
from stream_processors.write.sink import ADOPTED, Adoption, Portion
from tests.stream_processors.cluster import Cluster, SlowSink
from tests.stream_processors.memory_sink import MemorySink

Mutant = Callable[[pytest.MonkeyPatch], None]


def commit_before_insert(patch: pytest.MonkeyPatch) -> None:
    """Offsets are committed as soon as they are fetched."""

    def everything(ledger: OffsetLedger) -> dict[Partition, int]:
        positions = {p: a.position for p, a in ledger._assigned.items()}
        return {p: position for p, position in positions.items() if position is not None}

    patch.setattr(OffsetLedger, "committable", everything)


def last_event_wins(patch: pytest.MonkeyPatch) -> None:
    """A later posting of an event replaces the first."""
    patch.setattr(table_columns, "first_wins", last_wins)


def first_mark_wins(patch: pytest.MonkeyPatch) -> None:
    """A session that was marked can never be marked otherwise."""
    patch.setattr(table_columns, "last_wins", first_wins)


def last_session_wins(patch: pytest.MonkeyPatch) -> None:
    """Of two postings in one flush the later one is kept."""

    def last_of_each(sessions: pa.Table) -> pa.Table:
        newest = {id_: row for row, id_ in enumerate(sessions["session_id"].to_pylist())}
        return sessions.take(pa.array(sorted(newest.values())))

    patch.setattr(plan, "first_post_per_session", last_of_each)


def never_look_a_session_up(patch: pytest.MonkeyPatch) -> None:
    """Only memory is asked, so a restart forgets every session."""
    patch.setattr(SlowSink, "find_sessions", lambda *_: STORED.empty_table())


def never_adopt(patch: pytest.MonkeyPatch) -> None:
    """A session that comes late leaves its earlier events waiting."""
    patch.setattr(SlowSink, "adopt", lambda *_: Adoption())
    patch.setattr(MemorySink, "adopt_waiting", lambda *_: ADOPTED.empty_table())


def sessions_before_their_events(patch: pytest.MonkeyPatch) -> None:
    """The order of the inserts is turned round."""

    def write(sink: SlowSink, table: str, part: pa.Table) -> None:
        sink.pending.insert(0, partial(sink.store.write, table, part))

    patch.setattr(SlowSink, "write", write)


def too_many_waiting_are_dropped(patch: pytest.MonkeyPatch) -> None:
    """What is beyond the cap of a session leaves no dead letter."""
    patch.setattr(MemorySink, "write_dead_letters", lambda *_: None)


def all_that_waits_is_within_the_cap(patch: pytest.MonkeyPatch) -> None:
    """Nobody counts what waits already."""
    patch.setattr(
        SlowSink, "count_waiting", lambda _, asked: pa.array([0] * len(asked), pa.uint64())
    )


def unjoined_events_are_dropped(patch: pytest.MonkeyPatch) -> None:
    """An event whose session is unknown is thrown away."""
    write = MemorySink.write

    def without_unjoined(sink: MemorySink, table: str, part: pa.Table) -> None:
        if table != table_columns.UNJOINED:
            write(sink, table, part)

    patch.setattr(MemorySink, "write", without_unjoined)


def topics_are_not_copartitioned(patch: pytest.MonkeyPatch) -> None:
    """Partition n of the sessions and of the events have different owners (round robin)."""

    def round_robin(cluster: Cluster, source: Partition, shift: int) -> int:
        return (source.partition + shift + len(source.topic)) % len(cluster.workers)

    patch.setattr(Cluster, "owner", round_robin)


def an_empty_filter_is_complete(patch: pytest.MonkeyPatch) -> None:
    """A worker that takes over believes that no session is stored."""
    patch.setattr(SlowSink, "stored_session_hashes", lambda *_: iter(()))


def what_others_stored_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The filter of the assignment before is believed in all partitions of the next one."""
    begin = StoredIdsFilter.begin

    def keep(
        seen: StoredIdsFilter, generation: int, partitions: Collection[int], *, follows: bool
    ) -> list[int]:
        missing = begin(seen, generation, partitions, follows=follows)
        if follows:
            seen.complete(generation)
            return []
        return missing

    patch.setattr(StoredIdsFilter, "begin", keep)


def a_stored_session_never_adopts_again(patch: pytest.MonkeyPatch) -> None:
    """A session that is read again, because its flush died before the commit, is a duplicate."""
    patch.setattr(plan, "new_or_redelivered", anti_join)


def the_deletion_takes_all(patch: pytest.MonkeyPatch) -> None:
    """Waiting events are deleted although their session has not come."""
    patch.setattr(
        MemorySink,
        "delete_adopted",
        lambda sink, *_: sink.tables[table_columns.UNJOINED].clear(),
    )


def _delete_all_of(sink: MemorySink, adopted: pa.Table, _: Portion | None = None) -> None:
    """Of these sessions, whether they are in `events` or not."""
    ids = set(adopted["session_id"].to_pylist())
    waiting = sink.tables[table_columns.UNJOINED]
    for key in [key for key in waiting if key[0] in ids]:
        del waiting[key]


def delete_what_could_be_adopted(patch: pytest.MonkeyPatch) -> None:
    """The clean-up deletes what waits for a stored session, and adopts nothing."""

    def could_be(sink: MemorySink, _: Portion) -> pa.Table:
        rows = [{**row, "waiting": 1} for row in sink.tables[table_columns.SESSIONS].values()]
        return pa.Table.from_pylist(rows, schema=ADOPTED)

    patch.setattr(MemorySink, "adopt_waiting", could_be)
    patch.setattr(MemorySink, "delete_adopted", _delete_all_of)


def delete_before_adoption(patch: pytest.MonkeyPatch) -> None:
    """The clean-up deletes what it is about to adopt."""
    adopt_waiting = MemorySink.adopt_waiting

    def delete_first(sink: MemorySink, portion: Portion) -> pa.Table:
        rows = [{**row, "waiting": 1} for row in sink.tables[table_columns.SESSIONS].values()]
        _delete_all_of(sink, pa.Table.from_pylist(rows, schema=ADOPTED))
        return adopt_waiting(sink, portion)

    patch.setattr(MemorySink, "adopt_waiting", delete_first)


def the_day_is_the_moment_of_processing(patch: pytest.MonkeyPatch) -> None:
    """The day depends on when a session is processed, so a redelivery lands on another."""
    with_day = plan.with_day
    today = itertools.count()

    def by_clock(sessions: pa.Table, window: Any) -> pa.Table:
        dated = with_day(sessions, window)
        days = pa.array([next(today)] * sessions.num_rows, pa.int32()).cast(pa.date32())
        return dated.set_column(dated.schema.get_field_index("session_day"), "session_day", days)

    patch.setattr(plan, "with_day", by_clock)


def an_old_generation_still_counts(patch: pytest.MonkeyPatch) -> None:
    """A batch fetched before a rebalance is acknowledged after it."""
    patch.setattr(OffsetLedger, "_current", lambda ledger, p, _: ledger._assigned.get(p))
    patch.setattr(OffsetLedger, "start_at", lambda *_: None)


def a_duplicate_stops_the_flush(patch: pytest.MonkeyPatch) -> None:
    """A second posting of a session drops the whole flush instead of the duplicate."""
    planned_as_is = FlushPlanner.plan

    def refuse(self: FlushPlanner, decoded: DecodedTopics, erased: Erased) -> Any:
        planned = planned_as_is(self, decoded, erased)
        return planned_as_is(self, {}, erased) if planned.duplicates else planned

    patch.setattr(FlushPlanner, "plan", refuse)


def what_predecessors_left_is_not_computed(patch: pytest.MonkeyPatch) -> None:
    """A new owner notes that the facts have what a dead one had written."""
    patch.setattr(FactsRefresh, "_compute_missing", lambda *_: True)


def sessions_are_not_touched(patch: pytest.MonkeyPatch) -> None:
    """The facts do not follow the flushes of a worker that runs."""
    patch.setattr(FactsRefresh, "touch", lambda *_: None)


def what_is_touched_meanwhile_counts_as_computed(patch: pytest.MonkeyPatch) -> None:
    """Progress says what is committed at the end of a refresh, not what was at its beginning."""
    step_as_is = FactsRefresh.step

    def step(facts: FactsRefresh, committed: Mapping[Partition, int]) -> bool:
        facts._reaching = committed
        return step_as_is(facts, committed)

    patch.setattr(FactsRefresh, "step", step)


def the_last_computation_wins(patch: pytest.MonkeyPatch) -> None:
    """Facts that were read long ago replace those that saw more."""

    def store_whatever_comes(sink: MemorySink, rows: Sequence[dict[str, Any]]) -> None:
        stored = sink.tables[table_columns.FACTS]
        stored.update({(row["session_day"], row["session_id"]): row for row in rows})

    patch.setattr(MemorySink, "store_facts", store_whatever_comes)


def marks_are_not_in_the_version(patch: pytest.MonkeyPatch) -> None:
    """Facts with the last mark do not win against those without it."""
    computed = MemorySink._facts

    def without_mark(sink: MemorySink, session: dict[str, Any]) -> dict[str, Any]:
        facts = computed(sink, session)
        mark = sink.tables[table_columns.MARKS].get((session["session_id"],))
        return {**facts, "version": facts["version"] - (mark["version"] + 1 if mark else 0)}

    patch.setattr(MemorySink, "_facts", without_mark)


def a_session_is_one_of_many_in_the_version(patch: pytest.MonkeyPatch) -> None:
    """Facts of a later post win against those of the first with fewer events."""
    computed = MemorySink._facts

    def summed(sink: MemorySink, session: dict[str, Any]) -> dict[str, Any]:
        facts, own = computed(sink, session), session["version"]
        return {**facts, "version": facts["version"] - (own << 128) + own}

    patch.setattr(MemorySink, "_facts", summed)


def a_replay_computes_facts_once(patch: pytest.MonkeyPatch) -> None:
    """What a worker writes beside it is in no facts of the first post."""
    patch.setattr(SlowSink, "refresh_facts", SlowSink._refresh_facts)


CATALOGUE: tuple[Mutant, ...] = (
    commit_before_insert,
    last_event_wins,
    first_mark_wins,
    last_session_wins,
    never_look_a_session_up,
    never_adopt,
    a_stored_session_never_adopts_again,
    an_empty_filter_is_complete,
    what_others_stored_is_forgotten,
    sessions_before_their_events,
    too_many_waiting_are_dropped,
    all_that_waits_is_within_the_cap,
    unjoined_events_are_dropped,
    topics_are_not_copartitioned,
    the_deletion_takes_all,
    delete_what_could_be_adopted,
    delete_before_adoption,
    the_day_is_the_moment_of_processing,
    an_old_generation_still_counts,
    a_duplicate_stops_the_flush,
    what_predecessors_left_is_not_computed,
    sessions_are_not_touched,
    what_is_touched_meanwhile_counts_as_computed,
    the_last_computation_wins,
    marks_are_not_in_the_version,
    a_session_is_one_of_many_in_the_version,
    a_replay_computes_facts_once,
)
