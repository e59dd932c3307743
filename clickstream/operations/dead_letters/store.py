"""The letters in ClickHouse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from clickstream.operations.dead_letters import queries
from clickstream.operations.dead_letters.dead_letter import Entry, Letter, Place, Selection, State
from core import clickhouse
from core.clock import Clock
from core.errors import SetupError, SinkUnavailable
from core.settings import Settings

# Names of letters in one query: they travel in its URL, which ClickHouse takes up to 1 MiB.
_PLACES_AT_ONCE: Final = 1_000

# Contents held at once, bytes: a letter may have megabytes, and there may be many.
_CONTENT_BYTES: Final = 32 * 1024 * 1024

_NO_LIMIT: Final = 2**63 - 1


class Act(StrEnum):
    """What an operator did with a letter. Words are stored."""

    REPLAYED = "replayed"
    PURGED = "purged"


class LetterStore:
    """Every method blocks and raises SinkUnavailable when ClickHouse does not answer."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: Client = clickhouse.connect(settings, role="clickstream dlq")

    def __enter__(self) -> LetterStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def counts(self, selection: Selection) -> Mapping[str, int]:
        """How many letters by reason; the limit does not count here."""
        rows = self._query(queries.COUNTS, _parameters(selection))
        return {str(reason): int(count) for reason, count in rows}

    def entries(self, selection: Selection) -> list[Entry]:
        """The newest first."""
        return [entry for entry, _ in self._found(selection)]

    def letters(self, selection: Selection) -> Iterator[Sequence[Letter]]:
        """With their contents, the oldest first, so many at a time as fit into memory."""
        block: list[tuple[Entry, Place]] = []
        size = 0
        for entry, last in sorted(self._found(selection), key=lambda pair: pair[0].place):
            if block and (size > _CONTENT_BYTES or len(block) == _PLACES_AT_ONCE):
                yield self._with_contents(block)
                block, size = [], 0
            block.append((entry, last))
            size += entry.value_bytes
        if block:
            yield self._with_contents(block)

    def note(self, act: Act, attempts: Iterable[tuple[Place, int]]) -> None:
        """Remember what was done; again is the same as once."""
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        rows = [[*place, act.value, attempt, now] for place, attempt in attempts]
        if rows:
            with self._errors():
                self._client.insert(queries.ACTS, rows, column_names=queries.ACT_COLUMNS)

    def purge(self, entries: Sequence[Entry]) -> None:
        """Delete these letters, all their attempts. One that fails again later is there again."""
        self.note(Act.PURGED, ((entry.place, entry.attempt) for entry in entries))
        with self._errors():
            self._client.command(queries.DELETE_PURGED)

    def newest_mark(self, session_id: str) -> datetime | None:
        """When the edge took the mark that is stored for this session."""
        rows = self._query(queries.NEWEST_MARK, {"session_id": session_id})
        return rows[0][0].replace(tzinfo=UTC) if rows else None

    def _found(self, selection: Selection) -> list[tuple[Entry, Place]]:
        rows = self._query(queries.ENTRIES, _parameters(selection))
        return [_entry(*row) for row in rows]

    def _with_contents(self, block: Sequence[tuple[Entry, Place]]) -> list[Letter]:
        parameters = {"places": [tuple(last) for _, last in block]}
        # Keys and values are any bytes: as text they would be read with what is no UTF-8 replaced.
        rows = self._query(queries.CONTENTS, parameters, formats={"String": "bytes"})
        contents = {Place(topic.decode(), *place): rest for topic, *place, rest in _nested(rows)}
        letters = []
        for entry, last in block:
            if last in contents:  # deleted between the two queries otherwise
                key, value, headers = contents[last]
                letters.append(Letter(entry, key, value, headers, last.partition, last.offset))
        return letters

    def _query(
        self, query: str, parameters: Mapping[str, Any], formats: Mapping[str, str] | None = None
    ) -> Sequence[Sequence[Any]]:
        with self._errors():
            found = self._client.query(
                query, parameters=dict(parameters), query_formats=dict(formats or {})
            )
            rows: Sequence[Sequence[Any]] = found.result_rows
            return rows

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with clickhouse.translate(self._settings):
                yield
        except SinkUnavailable:
            raise
        except ClickHouseError as error:
            raise SetupError(f"ClickHouse refuses: {str(error)[:300]}") from error


def _entry(
    topic: str,
    partition: int,
    offset: int,
    state: str,
    attempt: int,
    reason: str,
    error: str,
    failed_at: datetime,
    value_bytes: int,
    cut_bytes: int,
    last_partition: int,
    last_offset: int,
) -> tuple[Entry, Place]:
    """A row of `queries.ENTRIES`: the letter, and where its last attempt was read."""
    entry = Entry(
        Place(topic, partition, offset),
        State(state),
        attempt,
        reason,
        error,
        failed_at.replace(tzinfo=UTC),
        value_bytes,
        cut_bytes,
    )
    return entry, Place(topic, last_partition, last_offset)


def _nested(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    for topic, partition, offset, key, value, headers in rows:
        own = [(_text(_part(header, "name", 0)), _part(header, "value", 1)) for header in headers]
        yield topic, partition, offset, (key, value, own)


def _part(header: Any, name: str, place: int) -> Any:
    """Named tuples come as dictionaries, or as tuples from older clients."""
    return header[name] if isinstance(header, dict) else header[place]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _parameters(selection: Selection) -> dict[str, Any]:
    return {
        "places": [tuple(place) for place in selection.places],
        "reasons": [reason.value for reason in selection.reasons],
        "topics": list(selection.topics),
        "since": int(selection.since.timestamp() * 1000) if selection.since else 0,
        "states": [state.value for state in selection.states],
        "limit": selection.limit or _NO_LIMIT,
    }
