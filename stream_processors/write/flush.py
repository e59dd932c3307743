"""One flush: fetched batches → decoded → planned → written to the sink."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from core.clock import Clock
from core.retrying import Retry
from stream_processors.consume.batches import FetchedBatch
from stream_processors.decode.batch import BatchDecoder, RejectedRecord
from stream_processors.decode.topics import DecodedTopics, TopicDecoders
from stream_processors.join.erasures import Erased
from stream_processors.join.join import anti_join
from stream_processors.join.plan import FlushPlan, FlushPlanner, FlushRules
from stream_processors.join.recent_sessions import RecentSessions
from stream_processors.join.stored_ids_filter import StoredIdsFilter
from stream_processors.write.clean_up import CleanUp
from stream_processors.write.facts import touched
from stream_processors.write.facts_refresh import FactsRefresh
from stream_processors.write.sink import ADOPTED, Sink
from stream_processors.write.write_plan import DeadLetterTopic, PlanWriter, Written

log = logging.getLogger(__name__)

# Sessions that adopted since the last deletion: some megabytes.
_MOST_ADOPTED = 10_000


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What a flush did, in rows. `duplicates` counts sessions that were already known; `left`,
    those whose waiting events it left to `delete_adopted`."""

    sessions: int
    joined: int
    adopted: int
    unjoined: int
    marks: int
    duplicates: int
    rejected: tuple[RejectedRecord, ...]
    erased: int = 0
    left: int = 0

    @classmethod
    def of(cls, plan: FlushPlan, written: Written) -> FlushReport:
        """Of a plan that is written."""
        adoption = written.adoption
        adopted = pc.sum(adoption.adopted["waiting"]).as_py() or 0
        return cls(
            sessions=plan.sessions.num_rows,
            joined=plan.joined.events.num_rows + adopted,
            adopted=adopted,
            unjoined=plan.joined.unjoined.num_rows,
            marks=plan.marks.num_rows,
            duplicates=plan.duplicates,
            rejected=(*plan.rejected, *written.rejected),
            erased=plan.erased.num_rows,
            left=len(adoption.left),
        )


class Flush:
    """Decodes, joins and writes. Blocks. `decode` may run beside `write`; each for one thread.

    It keeps what makes the next flush faster (recent sessions, erasures), and nothing that a
    restart would lose.
    """

    def __init__(
        self,
        rules: FlushRules,
        decoders: Mapping[str, BatchDecoder],
        sink: Sink,
        dead_letters: DeadLetterTopic,
        index: RecentSessions,
        stored_ids: StoredIdsFilter,
        clock: Clock,
        retry: Retry,
    ) -> None:
        self.decode = TopicDecoders(decoders, retry).decode
        self._planner = FlushPlanner(rules, index, stored_ids, sink, retry)
        self._writer = PlanWriter(sink, dead_letters, rules.epoch, clock, retry)
        self.facts = FactsRefresh(sink, rules.topics, rules.epoch)
        self._sink = sink
        self._index = index
        self._stored_ids = stored_ids
        self._retry = retry
        self._erased = Erased()
        self._adopted = ADOPTED.empty_table()
        self._left: deque[CleanUp] = deque(maxlen=_MOST_ADOPTED)
        self._clean_up = CleanUp(sink)

    def __call__(self, batches: Sequence[FetchedBatch]) -> FlushReport:
        """Decode and write."""
        return self.write(self.decode(batches))

    def write(self, decoded: DecodedTopics) -> FlushReport:
        """Write all of it. Returns when it is durable; raises only what `retry` gives up on."""
        # Of an erasure that is complete nothing may be written: who dies before he takes it back
        # would leave it for good.
        self._reload_erasures()
        plan = self._planner.plan(decoded, self._erased)
        written = self._writer.write(plan)
        adoption = written.adoption
        # Only now: a session that is remembered is a session that is stored.
        self._index.admit(anti_join(plan.known, written.not_stored))
        self._stored_ids.add(plan.sessions["session_id"].chunks)
        self._take_back_erased(plan, written)
        self._touch_facts(plan)
        # What is forgotten here, the clean-up of everything finds.
        adopted = pa.concat_tables([self._adopted, adoption.adopted])
        self._adopted = adopted.slice(0, _MOST_ADOPTED)
        for session_id in adoption.left:
            log.warning("very many events wait for session %r: joined in portions", session_id)
            self._left.append(CleanUp(self._sink, session_id))
        return FlushReport.of(plan, written)

    def delete_adopted(self) -> bool:
        """Delete the waiting events that this one adopted; and of those that it left, adopt the
        next portion. Returns whether nothing is left. One attempt; raises SinkUnavailable."""
        self._sink.delete_adopted(self._adopted)
        self._adopted = ADOPTED.empty_table()
        if self._left:
            try:
                self._left[0].step()
            finally:
                if self._left[0].is_over:
                    self._left.popleft()
        return not self._left

    def clean_up_portion(self) -> bool:
        """Adopt the waiting events that everybody missed, then delete those that anybody adopted:
        the next portion of all that wait. Returns whether it was the last. One attempt; raises
        SinkUnavailable."""
        self._clean_up.step()
        return self._clean_up.is_over

    def _touch_facts(self, plan: FlushPlan) -> None:
        """Remember whose facts have changed; of marked sessions, compute them now.

        Before the commit, for which whoever has marked a session waits.
        """
        self.facts.touch(
            touched(plan.sessions, "created_at", is_posted=True),
            touched(plan.joined.events, "session_created_at", is_posted=False),
        )
        if plan.marks.num_rows:
            ids = plan.marks["session_id"].unique()
            found = self._retry(partial(self._sink.find_sessions, ids))
            marked = touched(found, "created_at", is_posted=False)
            self._retry(partial(self.facts.refresh_marked, marked))
        if self.facts.is_full:
            self._retry(self.facts.refresh)

    def _reload_erasures(self) -> bool:
        """Read the erasures if there are new ones; returns whether there were."""
        newer = self._retry(partial(self._sink.read_erased, self._erased.tally))
        if newer is None:
            return False
        self._erased = newer
        self._index.forget(newer.of_ids)
        return True

    def _take_back_erased(self, plan: FlushPlan, written: Written) -> None:
        """Delete what was erased while it was being written: after the write, before the commit.

        Whoever records an erasure waits until everything is committed that was in the log by then.
        From then on, every row that was written without regard to the erasure was there when it
        was recorded, or has been deleted here. This holds also for a worker that was suspended,
        has lost its partitions meanwhile, and writes far too late.
        """
        if not self._reload_erasures():
            return
        of_users = plan.sessions.filter(pa.array(self._erased.of_users(plan.sessions)))
        if of_users.num_rows:
            self._erased = self._erased.with_sessions(of_users["session_id"].to_pylist())
            self._index.forget(self._erased.of_ids)
            self._writer.erase_sessions(of_users)
        rejected = (*plan.rejected, *written.rejected)
        self._writer.erase_rejected([each for each in rejected if self._erased.covers(each)])
        tables = (plan.sessions, plan.joined.events, plan.joined.unjoined, plan.marks)
        named = pa.chunked_array(
            [chunk for table in tables for chunk in table["session_id"].chunks], pa.string()
        ).unique()
        self._writer.erase_ids(named.filter(pa.array(self._erased.of_ids(named))).to_pylist())
