"""Take one backup.

The order of the steps makes it consistent: first read the offsets that the workers have committed,
then take the snapshot of the tables. Every row of a record below those offsets is then in the
backup, and every record above them is read from Kafka after a restore. Records that are read twice
change nothing, because they have the same key and the same version. In the other order, a record
that is written and committed between the two steps would be in neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime

from clickstream import __version__
from clickstream.operations.backup import queries
from clickstream.operations.backup.clickhouse import connect_for_backup
from clickstream.operations.backup.clickhouse_backup import run_backup
from clickstream.operations.backup.kafka_state import KafkaState
from clickstream.operations.backup.manifest import (
    Manifest,
    SavedMigration,
    SavedSchema,
    SavedTable,
    SavedTopic,
    to_json,
)
from clickstream.operations.backup.schema_registry import open_registry
from clickstream.operations.backup.snapshot import (
    number_of_shards,
    snapshot_tables,
    staging_database,
    table_checksums,
)
from clickstream.operations.backup.storage import MANIFEST, REGISTRY, open_storage
from clickstream.progress import ProgressReporter
from core.clickhouse.admin import Owner, Purpose, Server
from core.clickhouse.client import database_of
from core.clickhouse.lease import lease
from core.clock import Clock
from core.errors import SetupError
from core.settings import Settings
from schemas.migrate import pending
from schemas.topic_epochs import at_present_epoch

_SUFFIX = "_backup"


@dataclass(frozen=True, slots=True)
class BackupResult:
    """Where a backup is, what it holds, and how long it took."""

    location: str
    manifest: Manifest
    seconds: float


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What was read before the copying."""

    topics: tuple[SavedTopic, ...]
    schemas: tuple[SavedSchema, ...]
    export: bytes | None
    tables: list[str]


def create_backup(
    settings: Settings, target: str, clock: Clock, progress: ProgressReporter
) -> BackupResult:
    """Back up everything to `target`, a folder or an S3 URL. Blocks; the processes go on.

    No replay and no erasure can run until the end: an erasure that did not delete from the snapshot
    would leave the user in it, and one that did would change what is being copied.

    Raises SetupError when the backup is refused, Unavailable when a server is away or another
    operation is running. The target then has no manifest, and `restore` refuses it.
    """
    started = clock.monotonic()
    live = database_of(settings)
    staging = live + _SUFFIX
    with (
        lease(settings) as check_lease,
        connect_for_backup(settings) as server,
        ExitStack() as at_end,
    ):
        settings = at_present_epoch(settings)
        if waiting := pending(settings):
            raise SetupError(f"{waiting[0]} is not applied: run `clickstream migrate` first")
        storage = open_storage(target, settings, server)
        storage.ensure_empty()
        at_end.callback(storage.remove_if_unused)
        taken_at = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        with staging_database(server, staging, Owner(live, Purpose.BACKUP)):
            snapshot = _take_snapshot(settings, server, live, staging, check_lease)
            progress.say(f"snapshot taken at {taken_at:%Y-%m-%d %H:%M:%S} UTC; copying")
            tables = table_checksums(server, staging, snapshot.tables, check_lease)
            run_backup(server, staging, snapshot.tables, storage, progress, check_lease)
            manifest = _manifest(settings, server, snapshot, staging, tables, taken_at.isoformat())
        check_lease()
        if snapshot.export is not None:
            storage.write(REGISTRY, snapshot.export.hex())
        storage.write(MANIFEST, to_json(manifest))
    return BackupResult(str(storage), manifest, clock.monotonic() - started)


def _take_snapshot(
    settings: Settings,
    server: Server,
    live: str,
    staging: str,
    check_lease: Callable[[], None],
) -> _Snapshot:
    with closing(KafkaState(settings)) as kafka:
        topics, tables = _offsets_then_tables(
            kafka.snapshot, lambda: snapshot_tables(server, live, staging, check_lease)
        )
    # Last, so that the schema of every record in the tables is among them.
    with open_registry(settings) as registry:
        prefix = settings.topics.prefix
        return _Snapshot(topics, registry.schemas(prefix), registry.export(prefix), tables)


def _offsets_then_tables(
    offsets: Callable[[], tuple[SavedTopic, ...]], tables: Callable[[], list[str]]
) -> tuple[tuple[SavedTopic, ...], list[str]]:
    """In this order; the docstring of the module says why."""
    topics = offsets()
    return topics, tables()


def _manifest(
    settings: Settings,
    server: Server,
    snapshot: _Snapshot,
    staging: str,
    tables: tuple[SavedTable, ...],
    taken_at: str,
) -> Manifest:
    migrations = server.rows(queries.MIGRATIONS, database=database_of(settings))
    return Manifest(
        clickstream=__version__,
        taken_at=taken_at,
        database=staging,
        prefix=settings.topics.prefix,
        partitions=settings.topics.partitions,
        epoch=settings.topics.epoch,
        group=settings.worker.group,
        tables=tables,
        topics=snapshot.topics,
        schemas=snapshot.schemas,
        migrations=tuple(SavedMigration(str(path), str(sum_)) for path, sum_ in migrations),
        shards=number_of_shards(server),
        registry_checksum=None
        if snapshot.export is None
        else hashlib.sha256(snapshot.export).hexdigest(),
    )
