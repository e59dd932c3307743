"""Find the data of a user: sessions by the user id, dead letters by their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice, zip_longest
from typing import Final

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.subject import DataSubject, byte_patterns, record_prefix
from core.clickhouse.admin import Server
from core.clickhouse.id_batches import id_batches
from core.errors import SinkUnavailable
from schemas.user_tables import COLUMNS, DEAD_LETTERS, UserDataTable, tables_with_user_data

# Session ids that are held in memory at once: some MB.
MOST_IDS: Final = 20_000

_OF_SESSIONS: Final = ("sessions", "session_facts")


class UserDataFinder:
    """Searches the live database, and every other one that an operation has made of it.

    Every method blocks and queries ClickHouse anew.
    """

    def __init__(self, server: Server, live: str, subject: DataSubject) -> None:
        self._server = server
        self._live = live
        self._subject = subject
        others = [name for name in server.owned(live) if name != live]
        self.databases = (
            server.shard_database(live),
            *(name for name in others if server.may_erase(name)),
        )
        """The live database is the first; on a cluster, the one of the shards."""
        self.out_of_reach = tuple(name for name in others if name not in self.databases)
        """Those in which the user of the settings may not delete."""

    def tables(self) -> Iterator[tuple[str, UserDataTable]]:
        """Every table with data of users, with its database, without the dead letters."""
        for database in self.databases:
            columns = self._server.rows(COLUMNS, database=database)
            for table in tables_with_user_data(columns):
                yield database, table

    def check_tables(self) -> None:
        """Nothing is proven by a search in no table: the database of a cluster that is taken for
        one server has none. Raises SinkUnavailable."""
        if self.databases[0] not in {database for database, _ in self.tables()}:
            raise SinkUnavailable(
                f"the database {self.databases[0]} has no table with data of users, so nothing can"
                " be erased: check CLICKSTREAM_CLICKHOUSE_URL and CLICKSTREAM_CLICKHOUSE_CLUSTER,"
                " and run `clickstream migrate`"
            )

    def dead_letter_tables(self) -> Iterator[tuple[str, str]]:
        """The database and the name of every table of dead letters."""
        for database in self.databases:
            if self._server.rows(queries.HAS_TABLE, database=database, table=DEAD_LETTERS):
                yield database, DEAD_LETTERS

    def tables_of_sessions(self) -> Iterator[tuple[str, str]]:
        """The database and the name of every table that tells whose a session is. Facts may be
        there a little longer than their session, when both expire."""
        return ((d, found.table) for d, found in self.tables() if found.table in _OF_SESSIONS)

    def session_pages(self) -> Iterator[list[str]]:
        """The ids of the user's sessions that the edge received until the cut-off, each once, at
        most `MOST_IDS` at a time."""
        in_order = [self._ids(database, table) for database, table in self.tables_of_sessions()]
        once = (id_ for id_, _ in groupby(merge(*in_order)))
        while page := list(islice(once, MOST_IDS)):
            yield page

    def residual_sessions(self) -> set[str] | None:
        """The ids of sessions that an earlier erasure has published and that still have rows; None:
        more than `MOST_IDS`.

        Reads every session id of every table, if there was an earlier erasure.
        """
        if not self._subject.every and not self.number_of_sessions():
            return set()
        ids: set[str] = set()
        for database, found in self.tables():
            if found.keyed_by_session:
                rows = self._server.rows_of_replicas(
                    queries.RESIDUAL_SESSIONS,
                    database=database,
                    table=found.table,
                    live=self._live,
                    user_hashes=self._subject.user_hashes,
                    every=int(self._subject.every),
                    most=MOST_IDS + 1,
                )
                ids.update(str(id_) for (id_,) in rows)
                if len(ids) > MOST_IDS:
                    return None
        return ids

    def dead_letters(self, session_ids: Sequence[str]) -> set[str]:
        """The hashes, in hex, of the dead letters that name the user or one of these sessions."""
        users = [each for user in self._subject.users for each in byte_patterns(user, is_user=True)]
        found: set[str] = set()
        for database, _ in self.dead_letter_tables():
            for ids, patterns in zip_longest(id_batches(session_ids), [users], fillvalue=()):
                found.update(self._dead_letters(database, ids, [*patterns, *_patterns(ids)]))
        return found

    def number_of_sessions(self) -> int:
        """How many of the user's sessions are published."""
        return self._server.number(
            queries.NUMBER_OF_SESSIONS, live=self._live, user_hashes=self._subject.user_hashes
        )

    def unpublished(self, query: str, hashes: Iterable[str]) -> list[str]:
        """Of these hashes, in hex, those that are not published yet; `query` says of what."""
        return [
            str(hash_)
            for batch in id_batches(sorted(hashes))
            for (hash_,) in self._server.rows(
                query, live=self._live, user_hashes=self._subject.user_hashes, hashes=batch
            )
        ]

    def _ids(self, database: str, table: str) -> Iterator[str]:
        """Of one table, in order."""
        after, page = "", [""] * MOST_IDS
        while len(page) == MOST_IDS:
            rows = self._server.rows_of_replicas(
                queries.SESSIONS_OF,
                database=database,
                table=table,
                users=self._subject.users,
                cut_off=self._subject.cut_off,
                after=after,
                most=MOST_IDS,
            )
            page = [str(id_) for (id_,) in rows]
            yield from page
            after = page[-1] if page else after

    def _dead_letters(
        self, database: str, ids: Iterable[str], patterns: Sequence[str]
    ) -> Iterator[str]:
        rows = self._server.rows_of_replicas(
            queries.DEAD_LETTERS_NAMING,
            database=database,
            prefixes=[record_prefix(id_) for id_ in ids],
            patterns=list(patterns),
        )
        return (str(hash_).lower() for (hash_,) in rows)


def _patterns(ids: Iterable[str]) -> list[str]:
    return [each for id_ in ids for each in byte_patterns(id_, is_user=False)]
