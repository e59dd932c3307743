"""`ClickHouseView` of a real server, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clickhouse_connect.driver.client import Client

from clickstream.operations.dead_letters import queries
from clickstream.operations.doctor.clients import Counts
from core.clickhouse.client import connect
from core.settings import Settings
from schemas import declared

# What a reader of the views sees: they pin the same setting, and the check is void without it.
_COUNTS = """
SELECT count() AS rows, uniqExact({key}) AS keys
FROM {table} FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1
"""

_KEYS = {"sessions": "session_id", "events": "(session_id, event_id)"}

# Sessions that count and share their hash with a marked one.
NAMESAKES = """
WITH irrelevant AS (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
SELECT uniqExact(session_id)
FROM sessions
WHERE {hash}(session_id) IN (SELECT {hash}(session_id) FROM irrelevant)
    AND session_id NOT IN irrelevant
"""

# That of `events.session_hash`.
_HASH = "sipHash64"

# Those whose session has come in the meantime are adopted and only wait to be swept.
_UNJOINED = """
SELECT count(), max(dateDiff('second', received_at, now64(3, 'UTC')))
FROM unjoined_events FINAL
WHERE session_id NOT IN (
    SELECT session_id FROM sessions WHERE session_id IN (SELECT session_id FROM unjoined_events)
)
"""


class LiveClickHouse:
    """Opens a connection for each question, so that one which hangs takes no other with it."""

    def __init__(self, settings: Settings, request_seconds: float) -> None:
        self._settings = settings
        self._request_seconds = request_seconds

    def version(self) -> str:
        with self._client() as client:
            return client.server_version or "unknown"

    def drift(self) -> Sequence[str]:
        return declared.diff(self._settings)

    def counts(self) -> Mapping[str, Counts]:
        with self._client() as client:
            return {table: _counts(client, table, key) for table, key in _KEYS.items()}

    def namesakes(self) -> int:
        with self._client() as client:
            return int(client.query(NAMESAKES.format(hash=_HASH)).result_rows[0][0])

    def dead_letters(self) -> Mapping[str, int]:
        with self._client() as client:
            rows = client.query(queries.OPEN).result_rows
        return {str(reason): int(count) for reason, count in rows}

    def unjoined(self) -> tuple[int, int]:
        with self._client() as client:
            count, oldest_seconds = client.query(_UNJOINED).result_rows[0]
        return int(count), int(oldest_seconds)

    def _client(self) -> Client:
        return connect(self._settings, role="doctor", answer_seconds=self._request_seconds)


def _counts(client: Client, table: str, key: str) -> Counts:
    rows, keys = client.query(_COUNTS.format(table=table, key=key)).result_rows[0]
    return Counts(int(rows), int(keys))
