"""Delete rows: first for every reader, then from the disk; and count the rows that remain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.lookup import UserDataFinder
from clickstream.operations.erasure.subject import DataSubject
from core.clickhouse.admin import Server
from core.clickhouse.id_batches import id_batches
from schemas.user_tables import delete

# ClickHouse visits every part of a table for a mutation, whatever its partition, one part after the
# other with a pause between them. Mutations that wait together share the visit.
_STATEMENTS_AT_ONCE: Final = 16
# From so many partitions of a table on, one statement that searches all its parts costs less than
# one for each: those of a month visit every part thirty times.
_MANY_PARTITIONS: Final = 4

# How often a long deletion says how far it is.
_LINES: Final = 5

Log = Callable[[str], None]
"""Takes one sentence about the progress."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a table: those that satisfy the condition, which has parameters."""

    database: str
    table: str
    condition: str
    parameters: dict[str, object]

    @property
    def bound(self) -> dict[str, Any]:
        return {"database": self.database, "table": self.table, **self.parameters}


class Deleter:
    """Deletes the rows of one user.

    Every method blocks and may be repeated. `deleted` counts the deleted rows by table, of every
    replica. `None` for session ids stands for all published sessions of the user: ClickHouse then
    reads every id.
    """

    def __init__(
        self,
        server: Server,
        finder: UserDataFinder,
        live: str,
        subject: DataSubject,
        log: Log = lambda _: None,
    ) -> None:
        self._log = log
        self._server = server
        self._finder = finder
        self._live = live
        self._subject = subject
        self.deleted: Counter[str] = Counter()

    def mask_rows(self, session_ids: Sequence[str] | None) -> None:
        """Delete, for every reader, the rows of these sessions and the published dead letters.

        The rows of `sessions` are the last: while a session exists, an erasure that was cut short
        can start from it again.
        """
        order = sorted(self._rows_of(session_ids), key=lambda rows: rows.table == "sessions")
        for _, some in groupby(order, key=lambda rows: rows.table == "sessions"):
            self._mask(list(some))

    def remove_from_disk(self) -> None:
        """Rewrite the parts that have deleted rows.

        The old parts stay on the disk, where no query reads them, until ClickHouse removes them
        after `old_parts_lifetime`, by default 8 minutes.
        """

        def remove(place: tuple[str, str]) -> None:
            names = {"database": place[0], "table": place[1]}
            parts = self._server.layout.all_nodes("system.parts")
            query = queries.PARTITIONS_WITH_DELETED_ROWS.replace("$parts", parts)
            found = self._server.rows(query, **names)
            partitions = {f"p{n}": str(id_) for n, (id_,) in enumerate(found)}
            if partitions:
                statement = queries.remove_deleted_rows(len(partitions))
                self._server.on_every_node(statement, **names, **partitions)

        tables = {
            *((database, found.table) for database, found in self._finder.tables()),
            *self._finder.dead_letter_tables(),
        }
        _side_by_side(
            remove, tables, self._telling("removing from the disk", len(tables), "tables")
        )

    def count_remaining(self, session_ids: Sequence[str] | None) -> Counter[str]:
        """The rows that still exist, masked or not, by table; empty when there are none."""
        remaining: Counter[str] = Counter()
        for rows in self._rows_of(session_ids):
            query = queries.count_deleted_too(rows.condition)
            ((count,),) = self._server.rows_of_replicas(query, **rows.bound)
            remaining[self._name(rows)] += int(count)
        return +remaining

    def _mask(self, places: Sequence[_Rows]) -> None:
        statements: list[tuple[str, dict[str, Any]]] = []
        for rows in places:
            query = queries.rows_by_partition(rows.condition)
            found = self._server.rows_of_replicas(query, **rows.bound)
            for _, count in found:
                self.deleted[self._name(rows)] += int(count)
            if len(found) >= _MANY_PARTITIONS:
                statements.append((delete(rows.condition), rows.bound))
            else:
                statement = queries.delete_in_partition(rows.condition)
                for partition, _ in found:
                    statements.append((statement, {**rows.bound, "partition": str(partition)}))

        def mask(statement: tuple[str, dict[str, Any]]) -> None:
            self._server.on_every_node(statement[0], **statement[1])

        tell = self._telling("deleting", len(statements), "statements")
        _side_by_side(mask, statements, tell)

    def _telling(self, what: str, total: int, of: str) -> Callable[[int], None]:
        """Says now and then how far it is; nothing of what is short."""
        every = max(1, total // _LINES)

        def tell(done: int) -> None:
            if total > _LINES and (done % every == 0 or done == total):
                self._log(f"{what}: {done} of {total} {of}")

        return tell

    def _rows_of(self, session_ids: Sequence[str] | None) -> Iterator[_Rows]:
        published: dict[str, object] = {
            "live": self._live,
            "user_hashes": self._subject.user_hashes,
            "every": int(self._subject.every),
        }
        for database, found in self._finder.tables():
            if not found.keyed_by_session:
                users: dict[str, object] = {"users": self._subject.users}
                yield _Rows(database, found.table, found.condition, users)
            elif session_ids is None:
                yield _Rows(database, found.table, queries.PUBLISHED_BY_ID, published)
            else:
                for ids in id_batches(session_ids):
                    yield _Rows(database, found.table, found.condition, {"ids": ids})
        for database, table in self._finder.dead_letter_tables():
            yield _Rows(database, table, queries.PUBLISHED_DEAD_LETTERS, published)
            for ids in id_batches(session_ids or ()):
                yield _Rows(database, table, queries.DEAD_LETTERS_OF_SESSIONS, {"ids": ids})

    def _name(self, rows: _Rows) -> str:
        is_live = rows.database == self._finder.databases[0]
        return rows.table if is_live else f"{rows.database}.{rows.table}"


def _side_by_side(
    run: Callable[[Any], None], places: Iterable[object], tell: Callable[[int], None]
) -> None:
    """Run it for each place, some at a time: most of each is waiting. Raises what one raises.
    `tell` is told how many are done."""
    with ThreadPoolExecutor(_STATEMENTS_AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(run, places), 1):
            tell(done)
