"""Make a release: count, read portion by portion, write, seal. In constant memory.

The manifest is written last. Whatever ends a making before leaves a folder that is no release, and
that the next making deletes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from api.judgments.formats import SCHEMA as JUDGMENTS
from api.releases import sql
from api.releases.derive import Deriver
from api.releases.files import (
    ROWS_PER_GROUP,
    SESSIONS,
    SessionFiles,
    described,
    writer_name,
)
from api.releases.manifest import Manifest, Order, ReleaseFile, Watermark, sealed
from api.releases.storage import ReleaseStorage
from api.releases.supersede import supersede_touched, touched
from api.releases.training import TrainingTable
from api.store import Value
from api.tables import ARROW
from core.clickhouse.client import connect, translate
from core.clock import Clock
from core.errors import (
    FieldError,
    InvalidRequest,
    ReleaseExists,
    ReleaseTooLarge,
    SinkUnavailable,
    StorageUnavailable,
    TooManyReleases,
)
from core.settings import Settings
from core.telemetry import RELEASE_SECONDS, RELEASES_MADE

Log = Callable[[str], None]

_SILENCE_SECONDS: Final = 3600.0
"""ClickHouse sorts a portion before its first byte, and waits for a slow storage."""

_CANNOT_COMPILE_REGEXP: Final = 427

_BROKEN_OFF: Final = "ClickHouse broke off its answer: try again"


class ReleaseMaker:
    """Makes one release at a time: whoever calls holds the lease of releases."""

    def __init__(
        self,
        settings: Settings,
        storage: ReleaseStorage,
        clock: Clock,
        *,
        code_version: str,
        stop: threading.Event | None = None,
        check_lease: Callable[[], None] = lambda: None,
        log: Log = lambda _: None,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._clock = clock
        self._code_version = code_version
        self._stop = stop or threading.Event()
        self._check_lease = check_lease
        self._log = log

    def make(
        self, name: str, order: Order, watermark: Watermark, made_by: str | None = None
    ) -> Manifest:
        """Blocks until the release is whole. Every record below `watermark` must be stored.

        Raises ReleaseExists, TooManyReleases, ReleaseTooLarge, SinkUnavailable, StorageUnavailable.
        """
        started = self._clock.monotonic()
        self._storage.sweep()
        self._check_there_is_room(name)
        with self._client() as client:
            made_at_ms = int(client.query(sql.NOW).result_rows[0][0])
            counted = self._hours(client, order, watermark)
            self._storage.begin(name)
            try:
                manifest = self._write(client, name, order, watermark, counted, made_at_ms, made_by)
                self._check_lease()
                self._storage.finish(manifest)
            except BaseException:
                # What cannot be deleted now, the next making deletes.
                with suppress(StorageUnavailable):
                    self._storage.delete_folder(name)
                raise
            # What was erased or marked while it was read was looked for by nobody else.
            found = touched(client, manifest)
            supersede_touched(self._storage, manifest, found, self._clock)
        RELEASES_MADE.inc()
        RELEASE_SECONDS.observe(self._clock.monotonic() - started)
        return manifest

    def _check_there_is_room(self, name: str) -> None:
        names = self._storage.names()
        if name in names:
            raise ReleaseExists(
                f"there is a release {name} already, or a folder of this name: releases are never "
                "changed, so choose another name"
            )
        kept = [each for each in names if not self._storage.is_retired(each)]
        most = self._settings.releases.most
        if len(kept) >= most:
            raise TooManyReleases(
                f"{len(kept)} releases are kept, and CLICKSTREAM_RELEASES__MOST is {most}: retire "
                "one first"
            )

    def _hours(self, client: Client, order: Order, watermark: Watermark) -> Sequence[Sequence[int]]:
        query, values = sql.hours(order, watermark)
        counted: Sequence[Sequence[int]]
        try:
            counted = client.query(query, parameters=values, settings=sql.SETTINGS).result_rows
        except DatabaseError as error:
            if error.code == _CANNOT_COMPILE_REGEXP:
                why = FieldError("$.query_regex", "is not in the syntax of RE2")
                raise InvalidRequest([why]) from error
            raise
        sessions = sum(row[1] for row in counted)
        most = self._settings.releases.most_sessions
        if sessions > most:
            raise ReleaseTooLarge(
                f"{sessions:,} sessions are selected, and a release has {most:,} at most "
                "(CLICKSTREAM_RELEASES__MOST_SESSIONS): take a shorter range or filters"
            )
        return counted

    def _write(
        self,
        client: Client,
        name: str,
        order: Order,
        watermark: Watermark,
        counted: Sequence[Sequence[int]],
        made_at_ms: int,
        made_by: str | None,
    ) -> Manifest:
        releases = self._settings.releases
        files = SessionFiles(
            lambda file: self._storage.create(f"{name}/{file}"), releases.sessions_per_file
        )
        try:
            for portion in sql.portions([(row[0], row[1]) for row in counted if row[1]]):
                for table in self._tables(client, *sql.sessions(order, watermark, portion)):
                    files.add(table)
                self._log(f"{files.sessions:,} sessions are written")
            files.close()
        except BaseException:
            files.abandon()
            raise
        derived, estimators = self._derive(name, order, files.files)
        irrelevant, later, filtered_out = (sum(row[n] for row in counted) for n in (2, 3, 4))
        return sealed(
            Manifest(
                name=name,
                made_at_ms=made_at_ms,
                made_by=made_by,
                code_version=self._code_version,
                writer=writer_name(),
                order=order,
                watermark=watermark,
                rows_per_group=ROWS_PER_GROUP,
                sessions_per_file=releases.sessions_per_file,
                counts={
                    "sessions": files.sessions,
                    "results": files.results,
                    "events": files.events,
                },
                left_out={
                    "irrelevant": irrelevant,
                    "after_the_watermark": later,
                    "filtered_out": filtered_out,
                },
                estimators=estimators,
                schemas=_schemas(order),
                files=(*files.files, *derived),
            )
        )

    def _derive(
        self, name: str, order: Order, sessions: Sequence[ReleaseFile]
    ) -> tuple[list[ReleaseFile], dict[str, Any]]:
        """What is computed from the sessions that are written, and with what."""
        if not order.with_training and not order.with_judgments:
            return [], {}
        deriver = Deriver(
            lambda file: self._storage.open(f"{name}/{file}"),
            lambda file: self._storage.create(f"{name}/{file}"),
            sessions,
            order,
        )
        effects, lists = deriver.effects()
        estimators = deriver.estimators(effects)
        derived: list[ReleaseFile] = []
        if order.with_training:
            variant = next(iter(self._settings.variant_fields), "")
            derived, estimators["splits"] = deriver.training(effects, lists, variant)
            self._log(f"{lists:,} lists are written")
        if order.with_judgments:
            derived += deriver.judgments(effects)
        return derived, estimators

    def _tables(
        self, client: Client, query: str, values: Mapping[str, Value]
    ) -> Iterator[pa.Table]:
        """A portion, in pieces. Raises SinkUnavailable unless the answer is whole."""
        with translate(self._settings):
            answer: Any = client.raw_stream(
                query, parameters=dict(values), settings=sql.SETTINGS, fmt=ARROW.clickhouse
            )
        source = _WholeAnswer(answer)
        try:
            with translate(self._settings), pa.ipc.open_stream(source) as batches:
                for batch in batches:
                    if self._stop.is_set():
                        raise SinkUnavailable("this process ends: make the release again")
                    yield pa.Table.from_batches([batch])
            source.check()
        except pa.ArrowInvalid as error:
            # An error in mid-answer comes as text in place of the rest.
            raise SinkUnavailable(_BROKEN_OFF) from error
        finally:
            answer.close()

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with (
            connect(
                self._settings, role="clickstream releases", answer_seconds=_SILENCE_SECONDS
            ) as client,
            translate(self._settings),
        ):
            yield client


def _schemas(order: Order) -> dict[str, list[dict[str, str]]]:
    found = {"sessions": described(SESSIONS)}
    if order.with_training:
        found["training"] = described(TrainingTable(order, None, 0, "").schema)
    if order.with_judgments:
        found["judgments"] = described(JUDGMENTS)
    return found


class _WholeAnswer:
    """A stream of Arrow that knows whether its end was there. pyarrow takes an answer that was cut
    between two batches for a whole one."""

    closed = False

    def __init__(self, source: Any) -> None:
        self._source = source
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._source.read(size) if size >= 0 else self._source.read()
        kept = len(ARROW.trailer)
        self._last = (self._last + content[-kept:])[-kept:]
        return content

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """The connection is closed by who opened it."""

    def check(self) -> None:
        if self.read() or self._last != ARROW.trailer:
            raise SinkUnavailable(_BROKEN_OFF)
