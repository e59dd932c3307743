"""What there is of a user: sessions by the user, dead letters by their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.subject import Target, beginning_of, fragments_of
from core.clickhouse.admin import OWNER_COMMENT, Server
from core.clickhouse.id_batches import id_batches
from schemas.user_tables import COLUMNS, LETTERS, UserDataTable, tables_with_user_data


class Finder:
    """Looks in the live database, first, and in those that keep the old tables of a replay. Every
    method blocks and looks anew."""

    def __init__(self, server: Server, live: str, target: Target) -> None:
        self._server = server
        self._live = live
        self._target = target
        found = server.rows(queries.DATABASES, live=live, signature=OWNER_COMMENT)
        self.databases = tuple(str(name) for (name,) in found)

    def holders(self) -> Iterator[tuple[str, UserDataTable]]:
        """Every table with data of users, with its database; the letters are not among them."""
        for database in self.databases:
            columns = self._server.rows(COLUMNS, database=database)
            for holder in tables_with_user_data(columns):
                yield database, holder

    def letter_tables(self) -> Iterator[tuple[str, str]]:
        """Every table of dead letters, with its database."""
        for database in self.databases:
            if self._server.rows(queries.HAS_TABLE, database=database, table=LETTERS):
                yield database, LETTERS

    def sessions(self) -> set[str]:
        """Ids of the user's sessions that the edge took until the cut-off."""
        return {
            str(id_)
            for database, holder in self.holders()
            if holder.table == "sessions"
            for (id_,) in self._server.rows(
                queries.SESSIONS_OF,
                database=database,
                users=self._target.users,
                cut_off=self._target.cut_off,
            )
        }

    def left_behind(self) -> set[str]:
        """Ids of sessions that an erasure before this one had found, and of which there are rows
        all the same. Reads every id of every table when there was one."""
        if not self.erased(queries.ERASED_SESSIONS):
            return set()
        return {
            str(id_)
            for database, holder in self.holders()
            if holder.knows_ids
            for (id_,) in self._server.rows(
                queries.LEFT_BEHIND,
                database=database,
                table=holder.table,
                live=self._live,
                user_hashes=self._target.user_hashes,
            )
        }

    def letters(self, session_ids: Sequence[str]) -> set[str]:
        """Hashes, in hex, of the dead letters that name the user or one of these sessions."""
        users = [each for user in self._target.users for each in fragments_of(user, is_user=True)]
        found: set[str] = set()
        for database, _ in self.letter_tables():
            for ids, fragments in zip_longest(id_batches(session_ids), [users], fillvalue=()):
                found.update(self._letters(database, ids, [*fragments, *_quoted(ids)]))
        return found

    def erased(self, query: str) -> set[str]:
        """Hashes that are announced already, in hex."""
        rows = self._server.rows(query, live=self._live, user_hashes=self._target.user_hashes)
        return {str(hash_).lower() for (hash_,) in rows}

    def _letters(
        self, database: str, ids: Iterable[str], fragments: Sequence[str]
    ) -> Iterator[str]:
        rows = self._server.rows(
            queries.LETTERS_OF,
            database=database,
            beginnings=[beginning_of(id_) for id_ in ids],
            fragments=list(fragments),
        )
        return (str(hash_).lower() for (hash_,) in rows)


def _quoted(ids: Iterable[str]) -> list[str]:
    return [each for id_ in ids for each in fragments_of(id_, is_user=False)]
