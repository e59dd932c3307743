"""Delete rows: first for every reader, then from the disk; and count the rows that remain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.lookup import UserDataFinder
from clickstream.operations.erasure.subject import DataSubject
from core.clickhouse.admin import Server
from core.clickhouse.id_batches import id_batches

# Mutations of different partitions run side by side in ClickHouse's background threads; more at
# once would leave none for merges.
_STATEMENTS_AT_ONCE: Final = 4


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
            by_partition = self._server.rows(
                queries.rows_by_partition(condition), **names, **values
            )
            statement = queries.delete_in_partition(condition)
            self._run_in_partitions([str(id_) for id_, _ in by_partition], statement, names, values)
            if by_partition:
                self.deleted[self._name(database, table)] += sum(rows for _, rows in by_partition)

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
            rows = self._server.rows(queries.PARTITIONS_WITH_DELETED_ROWS, **names)
            partitions = [str(id_) for (id_,) in rows]
            self._run_in_partitions(partitions, queries.REMOVE_DELETED_ROWS, names, {})

    def count_remaining(self, session_ids: Sequence[str]) -> Counter[str]:
        """The rows that still exist, masked or not, by table; empty when there are none."""
        remaining: Counter[str] = Counter()
        for database, table, condition, values in self._conditions(session_ids):
            query = queries.count_deleted_too(condition)
            rows = self._server.number(query, database=database, table=table, **values)
            remaining[self._name(database, table)] += rows
        return +remaining

    def _run_in_partitions(
        self,
        partitions: Sequence[str],
        statement: str,
        names: Mapping[str, str],
        values: Mapping[str, object],
    ) -> None:
        """Run a statement once for each partition, some at a time: most of each is waiting."""

        def run(partition: str) -> None:
            self._server.command(statement, partition=partition, **names, **values)

        with ThreadPoolExecutor(_STATEMENTS_AT_ONCE) as pool:
            for _ in pool.map(run, partitions):
                pass

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
