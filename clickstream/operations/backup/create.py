"""One backup, from the first check to the manifest: the order of its steps is what makes it right.

1. How far the workers have committed. 2. The tables of one moment after that. So every row of a
record below those offsets is in the backup, and every record above them is still to be read from
Kafka: whoever goes on from there misses nothing, and what he reads twice lands on the same keys
with the same versions. The other way round, a record that is written and committed between the two
would be in neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from clickstream import __version__
from clickstream.operations.backup import queries
from clickstream.operations.backup.clickhouse import open_server
from clickstream.operations.backup.clickhouse_backup import copy_out
from clickstream.operations.backup.kafka_state import Kafka
from clickstream.operations.backup.locks import alone, undisturbed
from clickstream.operations.backup.manifest import (
    Manifest,
    SavedMigration,
    SavedSchema,
    SavedTable,
    SavedTopic,
    write,
)
from clickstream.operations.backup.schema_registry import open_registry
from clickstream.operations.backup.snapshot import fingerprints, freeze, scratch
from clickstream.operations.backup.storage import MANIFEST, REGISTRY, place_of
from clickstream.operations.progress import Progress
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clock import Clock
from core.errors import SetupError
from core.settings import Settings
from schemas.migrate import pending

_SUFFIX = "_backup"


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup holds, and where."""

    place: str
    manifest: Manifest
    seconds: float


@dataclass(frozen=True, slots=True)
class _Frozen:
    """All that belongs to one moment."""

    topics: tuple[SavedTopic, ...]
    schemas: tuple[SavedSchema, ...]
    export: bytes | None
    tables: list[str]


def save(settings: Settings, target: str, clock: Clock, progress: Progress) -> Saved:
    """Everything into `target`, while everybody goes on. Blocks.

    Raises SetupError when it cannot be, Unavailable when a server is away; what is in the place
    then has no manifest, and `restore` refuses it.
    """
    started = clock.monotonic()
    live = database_of(settings)
    with alone(settings, "backup", _SUFFIX) as name, open_server(settings) as server:
        if waiting := pending(settings):
            raise SetupError(f"{waiting[0]} is not applied: run `clickstream migrate` first")
        place = place_of(target, settings, server)
        place.prepare()
        taken_at = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        with scratch(server, name):
            frozen = _freeze(settings, server, live, name)
            progress.say(f"the tables of {taken_at:%Y-%m-%d %H:%M:%S} UTC are held: copying them")
            tables = fingerprints(server, name, frozen.tables)
            copy_out(server, name, frozen.tables, place, progress)
            manifest = _manifest(settings, server, frozen, name, tables, taken_at.isoformat())
        if frozen.export is not None:
            place.write(REGISTRY, frozen.export.hex())
        place.write(MANIFEST, write(manifest))
    return Saved(str(place), manifest, clock.monotonic() - started)


def _freeze(settings: Settings, server: Server, live: str, name: str) -> _Frozen:
    with undisturbed(settings), closing(Kafka(settings)) as kafka:
        topics, tables = _offsets_then_tables(kafka.saved, lambda: freeze(server, live, name))
    # Last: the ids of all records that are in the tables.
    with open_registry(settings) as registry:
        prefix = settings.topics.prefix
        return _Frozen(topics, registry.schemas(prefix), registry.export(prefix), tables)


def _offsets_then_tables(
    offsets: Callable[[], tuple[SavedTopic, ...]], tables: Callable[[], list[str]]
) -> tuple[tuple[SavedTopic, ...], list[str]]:
    """In this order, which is the whole argument."""
    topics = offsets()
    return topics, tables()


def _manifest(
    settings: Settings,
    server: Server,
    frozen: _Frozen,
    name: str,
    tables: tuple[SavedTable, ...],
    taken_at: str,
) -> Manifest:
    migrations = server.rows(queries.MIGRATIONS, database=database_of(settings))
    return Manifest(
        clickstream=__version__,
        taken_at=taken_at,
        database=name,
        prefix=settings.topics.prefix,
        partitions=settings.topics.partitions,
        epoch=settings.topics.epoch,
        group=settings.worker.group,
        tables=tables,
        topics=frozen.topics,
        schemas=frozen.schemas,
        migrations=tuple(SavedMigration(int(n), str(of), str(sum_)) for n, of, sum_ in migrations),
        registry_checksum=None
        if frozen.export is None
        else hashlib.sha256(frozen.export).hexdigest(),
    )
