"""Delete: first for every reader, then from the disk; and count what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.lookup import Finder
from clickstream.operations.erasure.subject import Target
from core.clickhouse.admin import Server
from core.clickhouse.id_batches import id_batches
from schemas.user_tables import delete as delete_rows


class Deleter:
    """Of one user; every method blocks, and may be called again. `deleted` counts rows by table."""

    def __init__(self, server: Server, finder: Finder, live: str, target: Target) -> None:
        self._server = server
        self._finder = finder
        self._live = live
        self._target = target
        self.deleted: Counter[str] = Counter()

    def suppress(self, session_ids: Sequence[str]) -> None:
        """When it returns, no reader sees a row of these sessions, or of announced letters."""
        for database, table, condition, values in self._conditions(session_ids):
            place = {"database": database, "table": table}
            rows = self._server.number(queries.count(condition), **place, **values)
            if rows:
                self._server.command(delete_rows(condition), **place, **values)
                self.deleted[self._name(database, table)] += rows

    def purge(self) -> None:
        """When it returns, deleted rows are on the disk only in parts that nobody reads, which
        ClickHouse removes after `old_parts_lifetime`, 8 minutes if nobody has set it."""
        tables = {
            *((database, holder.table) for database, holder in self._finder.holders()),
            *self._finder.letter_tables(),
        }
        for database, table in sorted(tables):
            place = {"database": database, "table": table}
            if self._server.number(queries.HAS_DELETED_ROWS, **place):
                self._server.command(queries.REMOVE_DELETED_ROWS, **place)

    def left(self, session_ids: Sequence[str]) -> Counter[str]:
        """Rows that are there, deleted or not, by table; empty when there are none."""
        left: Counter[str] = Counter()
        for database, table, condition, values in self._conditions(session_ids):
            query = queries.count_deleted_too(condition)
            rows = self._server.number(query, database=database, table=table, **values)
            left[self._name(database, table)] += rows
        return +left

    def _conditions(
        self, session_ids: Sequence[str]
    ) -> Iterator[tuple[str, str, str, dict[str, object]]]:
        """Database, table, condition, and what is bound in it."""
        for database, holder in self._finder.holders():
            if not holder.knows_sessions:
                yield database, holder.table, holder.condition, {"users": self._target.users}
                continue
            for ids in id_batches(session_ids):
                yield database, holder.table, holder.condition, {"ids": ids}
        hashes: dict[str, object] = {
            "live": self._live,
            "user_hashes": self._target.user_hashes,
        }
        for database, table in self._finder.letter_tables():
            yield database, table, queries.ANNOUNCED_LETTERS, hashes
            for ids in id_batches(session_ids):
                yield database, table, queries.LETTERS_OF_SESSIONS, {"ids": ids}

    def _name(self, database: str, table: str) -> str:
        return table if database == self._live else f"{database}.{table}"
