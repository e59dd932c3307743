"""One restore, from the first check to the last: nothing is seen before it is right.

The tables come into a database of their own, are compared with what the backup counted, brought up
to this version's schema, and rid of everybody who was erased since. Then the workers' offsets are
set, and only then the tables take the place of the empty ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from clickstream.operations.backup import queries, schema_registry
from clickstream.operations.backup.clickhouse import open_server
from clickstream.operations.backup.clickhouse_backup import copy_in
from clickstream.operations.backup.kafka_state import Kafka, joined_topics
from clickstream.operations.backup.locks import alone
from clickstream.operations.backup.manifest import Manifest, check_migrations, check_settings, read
from clickstream.operations.backup.offsets import Resume, forgotten_erasures, resume
from clickstream.operations.backup.snapshot import fingerprints, in_order, saved_tables, scratch
from clickstream.operations.backup.storage import (
    MANIFEST,
    REGISTRY,
    Place,
    place_of,
    refuse_incomplete,
)
from clickstream.operations.erasure.reapply import reapply
from clickstream.operations.progress import Progress
from clickstream.operations.rebuild.databases import on_database
from clickstream.operations.rebuild.log import Log
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clock import Clock
from core.errors import SetupError
from core.settings import Settings
from schemas.migrate import MIGRATIONS, load, migrate
from schemas.topic_admin import create_topics
from schemas.topics import Topics

_SUFFIX = "_restore"

# Reading every id to find what was erased. Seconds.
_ERASING_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, or would do. `resume` is None when the tables go beside the live ones:
    Kafka and the registry are then left alone. `erased`: rows deleted by table, of users who were
    erased. `warnings` are sentences."""

    place: str
    database: str
    manifest: Manifest
    resume: Resume | None
    erased: Mapping[str, int]
    warnings: tuple[str, ...]
    seconds: float


def preview(settings: Settings, source: str, beside: str | None = None) -> Restored:
    """What `bring_back` would do. Changes nothing, raises the same refusals."""
    target = settings if beside is None else on_database(settings, beside)
    with open_server(settings) as server:
        place = place_of(source, settings, server)
        manifest = _checked(settings, server, target, place)
        going_on: Resume | None = None
        warnings: tuple[str, ...] = ()
        if beside is None:
            going_on, warnings = _look_at_kafka(settings, manifest)
            _schemas(settings, manifest, place, only_check=True)
    return Restored(str(place), database_of(target), manifest, going_on, {}, warnings, 0.0)


def bring_back(
    settings: Settings, source: str, clock: Clock, progress: Progress, beside: str | None = None
) -> Restored:
    """Everything from `source` into the empty database of the settings, or only the tables into
    the database `beside`. Blocks.

    Raises SetupError when it is refused or the backup is not whole, Unavailable when a server is
    away: nothing of it is then in place, and it can be done again.
    """
    started = clock.monotonic()
    target = settings if beside is None else on_database(settings, beside)
    with alone(target, "restore", _SUFFIX) as name, open_server(settings) as server:
        place = place_of(source, settings, server)
        manifest = _checked(settings, server, target, place)
        going_on: Resume | None = None
        warnings: tuple[str, ...] = ()
        if beside is None:
            going_on, warnings = _look_at_kafka(settings, manifest)
            _schemas(settings, manifest, place, only_check=False)
            create_topics(settings)
        with scratch(server, name):
            _load(server, manifest, name, place, progress)
            there = on_database(settings, name)
            migrate(there)
            erased = reapply(there, clock, _ERASING_SECONDS, progress.say)
            if going_on is not None:
                with closing(Kafka(settings)) as kafka:
                    kafka.set_committed(going_on.offsets)
            _put_in_place(server, target, name, saved_tables(server, name))
    seconds = clock.monotonic() - started
    return Restored(str(place), database_of(target), manifest, going_on, erased, warnings, seconds)


def _checked(settings: Settings, server: Server, target: Settings, place: Place) -> Manifest:
    text = place.read(MANIFEST)
    if text is None:
        raise refuse_incomplete(place)
    manifest = read(text, str(place))
    check_migrations(manifest, load(MIGRATIONS))
    check_settings(manifest, settings)
    _check_empty(server, database_of(target))
    return manifest


def _check_empty(server: Server, database: str) -> None:
    for table in saved_tables(server, database):
        if server.number(queries.ROWS, database=database, table=table):
            raise SetupError(
                f"{database} is not empty ({table} has rows), and a restore replaces nothing:"
                f" DROP DATABASE {database} if it is to be lost, or use --database NAME to restore"
                " beside it"
            )


def _look_at_kafka(settings: Settings, manifest: Manifest) -> tuple[Resume, tuple[str, ...]]:
    with closing(Kafka(settings)) as kafka:
        live = kafka.live()
    names = joined_topics(settings)
    if all(name in live for name in names) and (workers := Log(settings).workers()):
        raise SetupError(
            f"{workers} workers of group {settings.worker.group} are running, and go on from their"
            " own offsets: stop them first. The edge may go on"
        )
    going_on = resume(manifest, live, names, settings.topics.epoch)
    warnings = [
        f"{place.topic}/{place.partition}: {count:,} records after the backup are lost: Kafka has"
        " deleted them by age"
        for place, count in going_on.lost.items()
    ]
    if going_on.is_new:
        warnings.append(
            f"the topics were made anew: what came after {manifest.taken_at} is lost; keep"
            f" CLICKSTREAM_TOPICS__EPOCH={settings.topics.epoch} for every process"
        )
    if forgotten_erasures(manifest, live, Topics.from_settings(settings).erasures):
        warnings.append(
            f"the topic of erasures is not the one of the backup: users who were erased after"
            f" {manifest.taken_at} are in the restored tables; run `clickstream erase` for each of"
            " them again before anybody reads"
        )
    return going_on, tuple(warnings)


def _schemas(settings: Settings, manifest: Manifest, place: Place, *, only_check: bool) -> None:
    with schema_registry.open_registry(settings) as live:
        lacking = schema_registry.missing(live, manifest.schemas, manifest.prefix)
        if lacking and not only_check:
            schema_registry.bring_back(live, lacking, _export(manifest, place), manifest.prefix)


def _export(manifest: Manifest, place: Place) -> bytes | None:
    if manifest.registry_checksum is None:
        return None
    text = place.read(REGISTRY) or ""
    try:
        export = bytes.fromhex(text)
    except ValueError:
        export = b""
    if hashlib.sha256(export).hexdigest() != manifest.registry_checksum:
        raise SetupError(f"{place}: {REGISTRY} is not what was saved: use another backup")
    return export


def _load(server: Server, manifest: Manifest, name: str, place: Place, progress: Progress) -> None:
    tables = [table.name for table in manifest.tables]
    copy_in(server, manifest.database, name, tables, place, progress)
    found = {table.name: table for table in fingerprints(server, name, tables)}
    for saved in manifest.tables:
        if found[saved.name] != saved:
            raise SetupError(
                f"{place}: {saved.name} has {found[saved.name].rows:,} rows that are not the"
                f" {saved.rows:,} rows that were saved: the backup was changed or is damaged. Use"
                " another one"
            )
    progress.say("the tables hold what was saved, to the last bit")
    for table in tables:
        server.command(queries.start_merges(name, table))


def _put_in_place(server: Server, target: Settings, name: str, tables: list[str]) -> None:
    migrate(target)
    live = database_of(target)
    there = {str(table) for (table,) in server.rows(queries.EXISTING, database=live)}
    # Sessions last: a reader who sees one sees all of it.
    ordered = sorted(in_order(tables), key=lambda table: table == "sessions")
    for statement in queries.move(name, live, ordered, sorted(there)):
        server.command(statement)
