"""Restore one backup. Readers see nothing of it before all of it is right.

The tables are loaded into a staging database, compared with the checksums of the manifest, migrated
to the schema of this version, and cleared of users who were erased since. Then the workers' offsets
are set. Only then are the tables exchanged with the empty ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from clickstream.operations.backup import queries, schema_registry
from clickstream.operations.backup.clickhouse import connect_for_backup
from clickstream.operations.backup.clickhouse_backup import run_restore
from clickstream.operations.backup.kafka_state import KafkaState, consumed_topics
from clickstream.operations.backup.locks import exclusive_lock
from clickstream.operations.backup.manifest import (
    Manifest,
    check_migrations,
    check_settings,
    from_json,
)
from clickstream.operations.backup.offsets import OffsetPlan, erasures_topic_recreated, plan_offsets
from clickstream.operations.backup.snapshot import (
    snapshot_order,
    staging_database,
    table_checksums,
    tables_to_back_up,
)
from clickstream.operations.backup.storage import (
    MANIFEST,
    REGISTRY,
    BackupStorage,
    incomplete_backup,
    open_storage,
)
from clickstream.operations.erasure.reapply import reapply
from clickstream.operations.log_offsets import LogOffsets
from clickstream.progress import ProgressReporter
from core.clickhouse import on_database
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clock import Clock
from core.errors import SetupError
from core.settings import Settings
from schemas.migrate import migrate
from schemas.sql_files import load
from schemas.topic_admin import create_topics
from schemas.topics import Topics

_SUFFIX = "_restore"

# Seconds. Erasing again reads every session id of every table.
_ERASING_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore did, or would do.

    `offset_plan` is None when only the tables were restored, into another database. `erased` counts
    deleted rows of erased users by table. `warnings` are sentences.
    """

    location: str
    database: str
    manifest: Manifest
    offset_plan: OffsetPlan | None
    erased: Mapping[str, int]
    warnings: tuple[str, ...]
    seconds: float


def preview(settings: Settings, source: str, into_database: str | None = None) -> RestoreResult:
    """What `restore` would do. Changes nothing, and raises the same errors."""
    target = settings if into_database is None else on_database(settings, into_database)
    with connect_for_backup(settings) as server:
        storage = open_storage(source, settings, server)
        manifest = _validate(settings, server, target, storage)
        plan: OffsetPlan | None = None
        warnings: tuple[str, ...] = ()
        if into_database is None:
            plan, warnings = _plan_offsets(settings, manifest)
            _restore_schemas(settings, manifest, storage, only_check=True)
    return RestoreResult(str(storage), database_of(target), manifest, plan, {}, warnings, 0.0)


def restore(
    settings: Settings,
    source: str,
    clock: Clock,
    progress: ProgressReporter,
    into_database: str | None = None,
) -> RestoreResult:
    """Restore everything from `source` into the empty database of the settings. Blocks.

    With `into_database`, only the tables are restored, into that database; Kafka and the registry
    are left alone. Raises SetupError when the restore is refused or the backup is damaged,
    Unavailable when a server is away. The tables are then not in place, and the restore can be
    repeated.
    """
    started = clock.monotonic()
    target = settings if into_database is None else on_database(settings, into_database)
    with (
        exclusive_lock(target, "restore", _SUFFIX) as name,
        connect_for_backup(settings) as server,
    ):
        storage = open_storage(source, settings, server)
        manifest = _validate(settings, server, target, storage)
        plan: OffsetPlan | None = None
        warnings: tuple[str, ...] = ()
        if into_database is None:
            plan, warnings = _plan_offsets(settings, manifest)
            _restore_schemas(settings, manifest, storage, only_check=False)
            create_topics(settings)
        with staging_database(server, name):
            _load(server, manifest, name, storage, progress)
            staging = on_database(settings, name)
            migrate(staging)
            erased = reapply(staging, clock, _ERASING_SECONDS, progress.say)
            if plan is not None:
                with closing(KafkaState(settings)) as kafka:
                    kafka.set_committed(plan.offsets)
            _swap_tables(server, target, name, tables_to_back_up(server, name))
    seconds = clock.monotonic() - started
    return RestoreResult(
        str(storage), database_of(target), manifest, plan, erased, warnings, seconds
    )


def _validate(
    settings: Settings, server: Server, target: Settings, storage: BackupStorage
) -> Manifest:
    text = storage.read(MANIFEST)
    if text is None:
        raise incomplete_backup(storage)
    manifest = from_json(text, str(storage))
    check_migrations(manifest, load().migrations)
    check_settings(manifest, settings)
    _check_empty(server, database_of(target))
    return manifest


def _check_empty(server: Server, database: str) -> None:
    for table in tables_to_back_up(server, database):
        if server.number(queries.ROWS, database=database, table=table):
            raise SetupError(
                f"{database} is not empty ({table} has rows), and a restore replaces nothing:"
                f" DROP DATABASE {database} if its data may be lost, or use --into-database NAME to"
                " restore into another database"
            )


def _plan_offsets(settings: Settings, manifest: Manifest) -> tuple[OffsetPlan, tuple[str, ...]]:
    """The plan, and warnings about what is lost. Raises SetupError while workers run."""
    with closing(KafkaState(settings)) as kafka:
        live = kafka.current()
    names = consumed_topics(settings)
    if all(name in live for name in names) and (workers := LogOffsets(settings).workers()):
        raise SetupError(
            f"{workers} workers of group {settings.worker.group} are running, and go on from their"
            " own offsets: stop them first. The edge may go on"
        )
    plan = plan_offsets(manifest, live, names, settings.topics.epoch)
    warnings = [
        f"{partition.topic}/{partition.partition}: {count:,} records after the backup are lost:"
        " Kafka has deleted them by age"
        for partition, count in plan.lost.items()
    ]
    if plan.topics_recreated:
        warnings.append(
            "the topics were deleted and created again: what came after"
            f" {manifest.taken_at} is lost; keep CLICKSTREAM_TOPICS__EPOCH={settings.topics.epoch}"
            " for every process"
        )
    if erasures_topic_recreated(manifest, live, Topics.from_settings(settings).erasures):
        warnings.append(
            f"the topic of erasures is not the one of the backup: users who were erased after"
            f" {manifest.taken_at} are in the restored tables; run `clickstream erase` for each of"
            " them again before anybody reads"
        )
    return plan, tuple(warnings)


def _restore_schemas(
    settings: Settings, manifest: Manifest, storage: BackupStorage, *, only_check: bool
) -> None:
    with schema_registry.open_registry(settings) as live:
        missing = schema_registry.missing_schemas(live, manifest.schemas, manifest.prefix)
        if missing and not only_check:
            export = _read_export(manifest, storage)
            schema_registry.restore_schemas(live, missing, export, manifest.prefix)


def _read_export(manifest: Manifest, storage: BackupStorage) -> bytes | None:
    if manifest.registry_checksum is None:
        return None
    text = storage.read(REGISTRY) or ""
    try:
        export = bytes.fromhex(text)
    except ValueError:
        export = b""
    if hashlib.sha256(export).hexdigest() != manifest.registry_checksum:
        raise SetupError(f"{storage}: {REGISTRY} is not what was saved: use another backup")
    return export


def _load(
    server: Server,
    manifest: Manifest,
    name: str,
    storage: BackupStorage,
    progress: ProgressReporter,
) -> None:
    tables = [table.name for table in manifest.tables]
    run_restore(server, manifest.database, name, tables, storage, progress)
    found = {table.name: table for table in table_checksums(server, name, tables)}
    for saved in manifest.tables:
        if found[saved.name] != saved:
            raise SetupError(
                f"{storage}: {saved.name} has {found[saved.name].rows:,} rows that are not the"
                f" {saved.rows:,} rows that were saved: the backup was changed or is damaged. Use"
                " another one"
            )
    progress.say("the tables are loaded: checksums match")
    for table in tables:
        server.command(queries.start_merges(name, table))


def _swap_tables(server: Server, target: Settings, name: str, tables: list[str]) -> None:
    migrate(target)
    live = database_of(target)
    existing = {str(table) for (table,) in server.rows(queries.EXISTING, database=live)}
    # Sessions last: a reader who sees a session then sees everything that belongs to it.
    ordered = sorted(snapshot_order(tables), key=lambda table: table == "sessions")
    for statement in queries.swap_statements(name, live, ordered, sorted(existing)):
        server.command(statement)
