"""Find the data of a user: sessions by the user id, dead letters by their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.subject import DataSubject, byte_patterns, record_prefix
from core.clickhouse.admin import Server
from core.clickhouse.id_batches import id_batches
from schemas.user_tables import COLUMNS, DEAD_LETTERS, UserDataTable, tables_with_user_data


class UserDataFinder:
    """Searches the live database, and every other one that an operation has made of it.

    Every method blocks and queries ClickHouse anew.
    """

    def __init__(self, server: Server, live: str, subject: DataSubject) -> None:
        self._server = server
        self._live = live
        self._subject = subject
        others = [name for name in server.owned(live) if name != live]
        self.databases = (live, *(name for name in others if server.may_erase(name)))
        """The live database is the first."""
        self.out_of_reach = tuple(name for name in others if name not in self.databases)
        """Those in which the user of the settings may not delete."""

    def tables(self) -> Iterator[tuple[str, UserDataTable]]:
        """Every table with data of users, with its database, without the dead letters."""
        for database in self.databases:
            columns = self._server.rows(COLUMNS, database=database)
            for table in tables_with_user_data(columns):
                yield database, table

    def dead_letter_tables(self) -> Iterator[tuple[str, str]]:
        """The database and the name of every table of dead letters."""
        for database in self.databases:
            if self._server.rows(queries.HAS_TABLE, database=database, table=DEAD_LETTERS):
                yield database, DEAD_LETTERS

    def sessions(self) -> set[str]:
        """The ids of the user's sessions that the edge received until the cut-off."""
        return {
            str(id_)
            for database, found in self.tables()
            if found.table == "sessions"
            for (id_,) in self._server.rows(
                queries.SESSIONS_OF,
                database=database,
                users=self._subject.users,
                cut_off=self._subject.cut_off,
            )
        }

    def residual_sessions(self) -> set[str]:
        """The ids of sessions that an earlier erasure has published and that still have rows.

        Reads every session id of every table, if there was an earlier erasure.
        """
        if not self._subject.every and not self.published(queries.ERASED_SESSIONS):
            return set()
        return {
            str(id_)
            for database, found in self.tables()
            if found.has_session_id
            for (id_,) in self._server.rows(
                queries.RESIDUAL_SESSIONS,
                database=database,
                table=found.table,
                live=self._live,
                user_hashes=self._subject.user_hashes,
                every=int(self._subject.every),
            )
        }

    def dead_letters(self, session_ids: Sequence[str]) -> set[str]:
        """The hashes, in hex, of the dead letters that name the user or one of these sessions."""
        users = [each for user in self._subject.users for each in byte_patterns(user, is_user=True)]
        found: set[str] = set()
        for database, _ in self.dead_letter_tables():
            for ids, patterns in zip_longest(id_batches(session_ids), [users], fillvalue=()):
                found.update(self._dead_letters(database, ids, [*patterns, *_patterns(ids)]))
        return found

    def published(self, query: str) -> set[str]:
        """The hashes that are published already, in hex; `query` says of what."""
        rows = self._server.rows(query, live=self._live, user_hashes=self._subject.user_hashes)
        return {str(hash_).lower() for (hash_,) in rows}

    def _dead_letters(
        self, database: str, ids: Iterable[str], patterns: Sequence[str]
    ) -> Iterator[str]:
        rows = self._server.rows(
            queries.DEAD_LETTERS_NAMING,
            database=database,
            prefixes=[record_prefix(id_) for id_ in ids],
            patterns=list(patterns),
        )
        return (str(hash_).lower() for (hash_,) in rows)


def _patterns(ids: Iterable[str]) -> list[str]:
    return [each for id_ in ids for each in byte_patterns(id_, is_user=False)]
