"""The dead letters in ClickHouse. The rows of one dead letter are its attempts; what operators did
is in `dead_letter_acts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from clickstream.operations.dead_letters.dead_letter import (
    DeadLetter,
    DeadLetterId,
    Selection,
    State,
    Summary,
)
from core import clickhouse
from core.clickhouse.layout import Layout
from core.clock import Clock
from core.errors import SetupError
from core.settings import Settings

# Ids in one query. They are sent in its URL, of which ClickHouse accepts 1 MiB.
_IDS_AT_ONCE: Final = 1_000

# Bytes of content in memory at once. One dead letter may have megabytes.
_CONTENT_BYTES: Final = 32 * 1024 * 1024

_NO_LIMIT: Final = 2**63 - 1

# The tuple keeps null values, which argMax alone would skip. The last attempt may be there twice,
# when a run was repeated before it was noted; the order always picks the same one.
_ATTEMPTS: Final = """
    SELECT
        topic, first_partition, first_offset, first_epoch,
        max(dead_letters.attempt) AS attempt,
        argMax(tuple(reason, error, failed_at, cut_bytes, length(value)),
            (dead_letters.attempt, epoch, partition, offset)) AS last,
        argMax(tuple(partition, offset, epoch),
            (dead_letters.attempt, epoch, partition, offset)) AS last_id
    FROM dead_letters FINAL
    GROUP BY topic, first_partition, first_offset, first_epoch
"""

_ACTS: Final = """
    SELECT
        topic, partition, offset, epoch,
        maxIf(dead_letter_acts.attempt, act = 'republished') AS republished,
        maxIf(dead_letter_acts.attempt, act = 'purged') AS purged
    FROM dead_letter_acts FINAL
    GROUP BY topic, partition, offset, epoch
"""

# A replay writes the rows of purged dead letters again; they stay purged.
_SUMMARIES: Final = f"""
    SELECT
        attempts.topic AS topic, first_partition, first_offset, first_epoch,
        if(republished > attempt, 'republished', 'pending') AS state,
        attempt,
        last.1 AS reason, last.2 AS error, last.3 AS failed_at, last.4 AS cut_bytes,
        ifNull(last.5, 0) AS value_bytes,
        last_id
    FROM ({_ATTEMPTS}) AS attempts
    LEFT JOIN ({_ACTS}) AS acts
        ON acts.topic = attempts.topic
        AND acts.partition = attempts.first_partition AND acts.offset = attempts.first_offset
        AND acts.epoch = attempts.first_epoch
    WHERE purged < attempt
"""  # noqa: S608 - constants of this module

_SELECTED: Final = f"""
    SELECT * FROM ({_SUMMARIES})
    WHERE state IN {{states:Array(String)}}
        AND (empty({{reasons:Array(String)}}) OR reason IN {{reasons:Array(String)}})
        AND (empty({{topics:Array(String)}}) OR topic IN {{topics:Array(String)}})
        AND failed_at >= fromUnixTimestamp64Milli({{since:Int64}})
        AND (empty({{ids:Array(Tuple(String, UInt32, UInt64, UInt16))}})
            OR (topic, first_partition, first_offset, first_epoch)
                IN {{ids:Array(Tuple(String, UInt32, UInt64, UInt16))}})
"""  # noqa: S608 - constants of this module

_COUNTS: Final = f"""
SELECT reason, count() FROM ({_SELECTED}) GROUP BY reason ORDER BY reason
"""  # noqa: S608 - constants of this module

_LIST: Final = f"""
SELECT
    topic, first_partition, first_offset, first_epoch, state, attempt, reason, error, failed_at,
    value_bytes, cut_bytes, last_id.1, last_id.2, last_id.3
FROM ({_SELECTED})
ORDER BY failed_at DESC, topic, first_partition, first_epoch DESC, first_offset DESC
LIMIT {{limit:UInt64}}
"""  # noqa: S608 - constants of this module

_CONTENTS: Final = """
SELECT topic, partition, offset, epoch, key, value, headers
FROM dead_letters FINAL
WHERE (topic, partition, offset, epoch) IN {ids:Array(Tuple(String, UInt32, UInt64, UInt16))}
"""

# An attempt that failed after the purge was decided is not deleted.
_DELETE_PURGED: Final = """
DELETE FROM {letters:Identifier}.dead_letters
WHERE (topic, first_partition, first_offset, first_epoch, attempt) IN (
    SELECT topic, partition, offset, epoch, toUInt16(arrayJoin(range(1, toUInt32(attempt) + 1)))
    FROM {acts:Identifier}.dead_letter_acts FINAL
    WHERE act = 'purged'
)
"""

_NEWEST_MARK: Final = """
SELECT max(received_at) FROM session_marks WHERE session_id = {session_id:String}
HAVING count() > 0
"""

PENDING_COUNTS: Final = f"""
SELECT reason, count() FROM ({_SUMMARIES}) WHERE state = 'pending' GROUP BY reason ORDER BY reason
"""  # noqa: S608 - constants of this module

_ACT_COLUMNS: Final = ("topic", "partition", "offset", "epoch", "act", "attempt", "done_at")


class Act(StrEnum):
    """What an operator did with a dead letter. The words are stored: add, never rename."""

    REPUBLISHED = "republished"
    PURGED = "purged"


class DeadLetterStore:
    """Every method blocks. Raises SinkUnavailable when ClickHouse does not answer."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: Client = clickhouse.connect(settings, role="clickstream dlq")

    def __enter__(self) -> DeadLetterStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def counts(self, selection: Selection) -> Mapping[str, int]:
        """How many dead letters the selection has, by reason, whatever its limit."""
        rows = self._query(_COUNTS, _parameters(selection))
        return {str(reason): int(count) for reason, count in rows}

    def summaries(self, selection: Selection) -> list[Summary]:
        """The selected dead letters without their contents, the newest first."""
        return [summary for summary, _ in self._find(selection)]

    def dead_letters(self, selection: Selection) -> Iterator[Sequence[DeadLetter]]:
        """The selected dead letters with their contents, the oldest first, in blocks that fit into
        memory."""
        block: list[tuple[Summary, DeadLetterId]] = []
        size = 0
        for summary, last in sorted(self._find(selection), key=lambda pair: pair[0].id):
            if block and (size > _CONTENT_BYTES or len(block) == _IDS_AT_ONCE):
                yield self._with_contents(block)
                block, size = [], 0
            block.append((summary, last))
            size += summary.value_bytes
        if block:
            yield self._with_contents(block)

    def note(self, act: Act, attempts: Iterable[tuple[DeadLetterId, int]]) -> None:
        """Store what was done with which attempts. Storing it twice changes nothing."""
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        rows = [[*id_, act.value, attempt, now] for id_, attempt in attempts]
        if rows:
            with clickhouse.translate(self._settings, on_refusal=SetupError):
                self._client.insert("dead_letter_acts", rows, column_names=_ACT_COLUMNS)

    def purge(self, summaries: Sequence[Summary]) -> None:
        """Delete all attempts of these dead letters. One that fails again later is there again."""
        layout = Layout.of(self._settings)
        self.note(Act.PURGED, ((summary.id, summary.attempt) for summary in summaries))
        with clickhouse.translate(self._settings, on_refusal=SetupError):
            self._client.command(
                layout.on_every_node(_DELETE_PURGED),
                parameters={"letters": layout.shard_database, "acts": layout.database},
            )

    def newest_mark(self, session_id: str) -> datetime | None:
        """When the edge received the newest stored mark of this session; None without one."""
        rows = self._query(_NEWEST_MARK, {"session_id": session_id})
        return rows[0][0].replace(tzinfo=UTC) if rows else None

    def _find(self, selection: Selection) -> list[tuple[Summary, DeadLetterId]]:
        return [_summary(*row) for row in self._query(_LIST, _parameters(selection))]

    def _with_contents(self, block: Sequence[tuple[Summary, DeadLetterId]]) -> list[DeadLetter]:
        parameters = {"ids": [tuple(last) for _, last in block]}
        # As bytes: a key or a value that is no UTF-8 would be changed as text.
        rows = self._query(_CONTENTS, parameters, formats={"String": "bytes"})
        contents = {
            DeadLetterId(topic.decode(), *place): (key, value, _headers(headers))
            for topic, *place, key, value, headers in rows
        }
        return [
            DeadLetter(summary, *contents[last], last)
            for summary, last in block
            if last in contents  # it may have been deleted between the two queries
        ]

    def _query(
        self, query: str, parameters: Mapping[str, Any], formats: Mapping[str, str] | None = None
    ) -> Sequence[Sequence[Any]]:
        with clickhouse.translate(self._settings, on_refusal=SetupError):
            rows: Sequence[Sequence[Any]] = self._client.query(
                query, parameters=dict(parameters), query_formats=dict(formats or {})
            ).result_rows
            return rows


def _summary(*row: Any) -> tuple[Summary, DeadLetterId]:
    """A row of `_LIST`: the dead letter, and the id of its last attempt."""
    topic, partition, offset, epoch, state, attempt, reason, error, failed_at, *rest = row
    value_bytes, cut_bytes, *last = rest
    summary = Summary(
        DeadLetterId(topic, partition, offset, epoch),
        State(state),
        attempt,
        reason,
        error,
        failed_at.replace(tzinfo=UTC),
        value_bytes,
        cut_bytes,
    )
    return summary, DeadLetterId(topic, *last)


def _headers(headers: Iterable[Any]) -> list[tuple[str, bytes | None]]:
    return [(_text(_part(each, "name", 0)), _part(each, "value", 1)) for each in headers]


def _part(header: Any, name: str, index: int) -> Any:
    """A field of a named tuple: clients give a dictionary, older ones a tuple."""
    return header[name] if isinstance(header, dict) else header[index]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _parameters(selection: Selection) -> dict[str, Any]:
    return {
        "ids": [tuple(id_) for id_ in selection.ids],
        "reasons": [reason.value for reason in selection.reasons],
        "topics": list(selection.topics),
        "since": int(selection.since.timestamp() * 1000) if selection.since else 0,
        "states": [state.value for state in selection.states],
        "limit": selection.limit or _NO_LIMIT,
    }
