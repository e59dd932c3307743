"""Delete rows: first for every reader, then from the disk; and count the rows that remain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.lookup import UserDataFinder
from clickstream.operations.erasure.subject import DataSubject
from core.clickhouse.admin import Server
from core.clickhouse.id_batches import id_batches
from schemas.user_tables import delete as delete_rows


class Deleter:
    """Deletes the rows of one user.

    Every method blocks and may be repeated. `deleted` counts the deleted rows by table.
    """

    def __init__(
        self, server: Server, finder: UserDataFinder, live: str, subject: DataSubject
    ) -> None:
        self._server = server
        self._finder = finder
        self._live = live
        self._subject = subject
        self.deleted: Counter[str] = Counter()

    def mask_rows(self, session_ids: Sequence[str]) -> None:
        """Delete, for every reader, the rows of these sessions and the published dead letters."""
        for database, table, condition, values in self._conditions(session_ids):
            names = {"database": database, "table": table}
            rows = self._server.number(queries.count(condition), **names, **values)
            if rows:
                self._server.command(delete_rows(condition), **names, **values)
                self.deleted[self._name(database, table)] += rows

    def remove_from_disk(self) -> None:
        """Rewrite the parts that have deleted rows.

        The old parts stay on the disk, where no query reads them, until ClickHouse removes them
        after `old_parts_lifetime`, by default 8 minutes.
        """
        tables = {
            *((database, found.table) for database, found in self._finder.tables()),
            *self._finder.dead_letter_tables(),
        }
        for database, table in sorted(tables):
            names = {"database": database, "table": table}
            if self._server.number(queries.HAS_DELETED_ROWS, **names):
                self._server.command(queries.REMOVE_DELETED_ROWS, **names)

    def count_remaining(self, session_ids: Sequence[str]) -> Counter[str]:
        """The rows that still exist, masked or not, by table; empty when there are none."""
        remaining: Counter[str] = Counter()
        for database, table, condition, values in self._conditions(session_ids):
            query = queries.count_deleted_too(condition)
            rows = self._server.number(query, database=database, table=table, **values)
            remaining[self._name(database, table)] += rows
        return +remaining

    def _conditions(
        self, session_ids: Sequence[str]
    ) -> Iterator[tuple[str, str, str, dict[str, object]]]:
        """Database, table, condition, and the condition's parameters."""
        for database, found in self._finder.tables():
            if not found.keyed_by_session:
                yield database, found.table, found.condition, {"users": self._subject.users}
                continue
            for ids in id_batches(session_ids):
                yield database, found.table, found.condition, {"ids": ids}
        hashes: dict[str, object] = {
            "live": self._live,
            "user_hashes": self._subject.user_hashes,
            "every": int(self._subject.every),
        }
        for database, table in self._finder.dead_letter_tables():
            yield database, table, queries.PUBLISHED_DEAD_LETTERS, hashes
            for ids in id_batches(session_ids):
                yield database, table, queries.DEAD_LETTERS_OF_SESSIONS, {"ids": ids}

    def _name(self, database: str, table: str) -> str:
        return table if database == self._live else f"{database}.{table}"
