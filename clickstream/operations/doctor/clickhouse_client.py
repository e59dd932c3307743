"""Ask ClickHouse for its schema, and for what the tables hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Protocol

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from api.metrics.sample import part_of_health
from api.queries import SIZE_OF_RANGE, SizeRow
from clickstream.operations.dead_letters.store import PENDING_COUNTS
from core.clickhouse.client import connect
from core.clickhouse.layout import Layout
from core.clock import Clock, SystemClock
from core.errors import ClickstreamError, TablesTooLarge
from core.settings import Settings
from schemas.drift import differences

# Within a day readers see each key once, because the tables are ReplacingMergeTree. They could see
# a key twice only if its session had rows in two days. One share of the ids is looked at, so that
# memory has a bound.
_SPLIT_SESSIONS = """
SELECT count()
FROM
(
    SELECT session_id
    FROM {table:Identifier}
    WHERE cityHash64(session_id) % {shares:UInt64} = {share:UInt64}
    GROUP BY session_id
    HAVING min(session_day) != max(session_day)
)
"""

_BY_SESSION = ("sessions", "events")

# Rows in a share: about 100 MB of ids.
_ROWS_IN_A_SHARE = 1_000_000

# Sessions of the newest days that are not marked and have the hash of a marked one.
HASH_COLLISIONS = """
WITH irrelevant AS (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
SELECT uniqExact(session_id)
FROM sessions
WHERE session_day >= toDate(greatest(0, toInt32(today()) - {{days:Int32}}))
    AND {hash}(session_id) IN (SELECT {hash}(session_id) FROM irrelevant)
    AND session_id NOT IN irrelevant
"""

# Days. A scan of these costs a large system little, and a doctor that runs often sees all days.
NEWEST_DAYS = 2
# Back to before 1970.
_ALL_DAYS = 65_535

# ClickHouse's code for a query that was ended by max_execution_time.
_TOOK_TOO_LONG = 159

# The hash of `events.session_hash`.
_HASH = "sipHash64"

# Without events whose session has arrived: they are adopted, and are deleted here soon.
_UNJOINED = """
SELECT count(), max(dateDiff('second', received_at, now64(3, 'UTC')))
FROM unjoined_events FINAL
WHERE session_id NOT IN (
    SELECT session_id FROM sessions WHERE session_id IN (SELECT session_id FROM unjoined_events)
)
"""


_HEALTH = """
SELECT finding, is_found, cases, total, threshold, examples, meaning, what_to_do, one_of
FROM _instrumentation_health(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
"""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A row of the view `_instrumentation_health`. `one_of`: it is of one in so many searches."""

    finding: str
    is_found: bool
    cases: int
    total: int
    threshold: float
    examples: Sequence[str]
    meaning: str
    what_to_do: str
    one_of: int


# Of each node that answers: its tables that cannot be written, how far they are behind others of
# their shard in seconds, and how many operations they have to copy or merge.
_REPLICAS = """
SELECT
    getMacro('replica') AS node, countIf(is_readonly) AS readonly,
    max(absolute_delay) AS delay_seconds, max(queue_size) AS queue
FROM {replicas}
WHERE database IN ({{database:String}}, {{shard:String}})
GROUP BY node
ORDER BY node
SETTINGS skip_unavailable_shards = 1
"""
_NODES = "SELECT count() FROM system.clusters WHERE cluster = {cluster:String}"


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node of the cluster: how many of its tables are read-only, and how far it is behind."""

    name: str
    readonly: int
    delay_seconds: int
    queue: int


@dataclass(frozen=True, slots=True)
class SplitSessions:
    """Of a table: its rows, and how many sessions have rows in more than one day, among one in
    `sample` of all."""

    rows: int
    sample: int
    split: int


class ClickHouseClient(Protocol):
    """ClickHouse, in the database of the settings.

    Every method asks it anew and blocks for a bounded time. Raises SinkUnavailable, TablesTooLarge,
    or the error of the client library.
    """

    def version(self) -> str: ...

    def drift(self) -> Sequence[str]:
        """The differences between the live schema and the declared one, one sentence each."""
        ...

    def nodes(self) -> tuple[int, Sequence[NodeState]]:
        """How many nodes the cluster has, and those that answer."""
        ...

    def split_sessions(self) -> Mapping[str, SplitSessions]:
        """The sessions of `sessions` and `events` with rows in more than one day."""
        ...

    def hash_collisions(self) -> int:
        """How many sessions are not marked and have the hash of a marked session."""
        ...

    def dead_letters(self) -> Mapping[str, int]:
        """How many dead letters are pending, by reason."""
        ...

    def unjoined(self) -> tuple[int, int]:
        """How many events wait for their session, and the age of the oldest in seconds."""
        ...

    def instrumentation(self) -> Mapping[str, HealthCheck]:
        """How the searches of the newest days, and their events, were sent; by finding. It is asked
        once, whoever calls, and an error is raised again."""
        ...


class ClickHouseQueries:
    """`ClickHouseClient` over HTTP. Each method opens its own connection, so that a query that
    hangs blocks no other. ClickHouse ends each query after `request_seconds`, so that none is left
    behind. `full`: look at all days and all sessions. Otherwise at the newest days, and of a large
    table at a share of the sessions that `random` chooses, another one each time."""

    def __init__(
        self,
        settings: Settings,
        request_seconds: float,
        *,
        full: bool = False,
        random: Random | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._full = full
        self._random = random or Random()  # noqa: S311  (a sample, no secret)
        self._clock = clock or SystemClock()
        self._request_seconds = request_seconds
        self._days = _ALL_DAYS if full else NEWEST_DAYS
        self._health: Mapping[str, HealthCheck] | ClickstreamError | None = None
        self._health_lock = Lock()

    def version(self) -> str:
        with self._client() as client:
            return client.server_version or "unknown"

    def drift(self) -> Sequence[str]:
        return differences(self._settings)

    def nodes(self) -> tuple[int, Sequence[NodeState]]:
        layout = Layout.of(self._settings)
        query = _REPLICAS.format(replicas=layout.all_nodes("system.replicas"))
        names = {"database": layout.database, "shard": layout.shard_database}
        with self._client() as client:
            rows = client.query(query, parameters=names).result_rows
            count = client.query(_NODES, parameters={"cluster": layout.cluster}).result_rows
        return int(count[0][0]), [NodeState(*row) for row in rows]

    def split_sessions(self) -> Mapping[str, SplitSessions]:
        with self._client() as client:
            return {table: self._split_sessions(client, table) for table in _BY_SESSION}

    def hash_collisions(self) -> int:
        with self._client() as client:
            query = HASH_COLLISIONS.format(hash=_HASH)
            found = client.query(query, parameters={"days": self._days})
            return int(found.result_rows[0][0])

    def dead_letters(self) -> Mapping[str, int]:
        with self._client() as client:
            rows = client.query(PENDING_COUNTS).result_rows
        return {str(reason): int(count) for reason, count in rows}

    def unjoined(self) -> tuple[int, int]:
        with self._client() as client:
            count, oldest_seconds = client.query(_UNJOINED).result_rows[0]
        return int(count), int(oldest_seconds)

    def instrumentation(self) -> Mapping[str, HealthCheck]:
        with self._health_lock:
            if self._health is None:
                try:
                    self._health = self._read_health()
                except ClickstreamError as error:
                    self._health = error  # ten threads would wait for the same again, in turn
            if isinstance(self._health, ClickstreamError):
                raise self._health
            return self._health

    def _read_health(self) -> Mapping[str, HealthCheck]:
        now_ms = self._clock.now_ms()
        over = {"from_ms": max(0, now_ms - self._days * _DAY_MS), "to_ms": now_ms}
        with self._client() as client:
            size = SizeRow(*client.query(SIZE_OF_RANGE.sql, parameters=over).result_rows[0])
            part = 1 if self._full else part_of_health(size)
            rows = client.query(_HEALTH, parameters={**over, "one_of": part}).result_rows
        return {check.finding: check for check in (HealthCheck(*row) for row in rows)}

    @contextmanager
    def _client(self) -> Iterator[Client]:
        # The answer of ClickHouse that the time is over comes a little later.
        with connect(
            self._settings, role="doctor", answer_seconds=self._request_seconds + 1
        ) as client:
            client.set_client_setting("max_execution_time", math.ceil(self._request_seconds))
            try:
                yield client
            except DatabaseError as error:
                if error.code == _TOOK_TOO_LONG:
                    raise TablesTooLarge(
                        f"not checked: a query takes longer than {self._request_seconds:g} s"
                    ) from error
                raise

    def _split_sessions(self, client: Client, table: str) -> SplitSessions:
        count = "SELECT count() FROM {table:Identifier}"
        rows = int(client.query(count, parameters={"table": table}).result_rows[0][0])
        shares = 1 + rows // _ROWS_IN_A_SHARE
        looked_at = range(shares) if self._full else [self._random.randrange(shares)]
        split = 0
        for share in looked_at:
            bound = {"table": table, "shares": shares, "share": share}
            split += int(client.query(_SPLIT_SESSIONS, parameters=bound).result_rows[0][0])
        return SplitSessions(rows, 1 if self._full else shares, split)
