"""Restore one backup. Readers see nothing of it before all of it is right.

The tables are loaded into a staging database, compared with the checksums of the manifest, migrated
to the schema of this version, and cleared of users who were erased since. Then the workers' offsets
are set. Only then are the tables exchanged with the empty ones. The lease of the live database is
held all the time, so no erasure, replay or backup comes in between.

A restore that is cut short while it loads begins anew. Later ones can be resumed: the staging
database remembers that it is complete, and every step from there on may be repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from clickstream.operations.backup import schema_registry
from clickstream.operations.backup.clickhouse import connect_for_backup
from clickstream.operations.backup.clickhouse_backup import run_restore
from clickstream.operations.backup.kafka_state import KafkaState, consumed_topics
from clickstream.operations.backup.manifest import (
    Manifest,
    check_migrations,
    check_settings,
    check_shards,
    from_json,
)
from clickstream.operations.backup.offsets import OffsetPlan
from clickstream.operations.backup.queries import start_merges
from clickstream.operations.backup.restore_checks import (
    Losses,
    check_no_workers,
    find_losses,
    planned,
)
from clickstream.operations.backup.restore_state import RestoreState, read_state, write_state
from clickstream.operations.backup.snapshot import (
    number_of_shards,
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
from clickstream.operations.backup.swap import check_empty, drop_replaced, swap_tables
from clickstream.operations.erasure.erase import open_server as open_eraser
from clickstream.operations.erasure.reapply import apply_erasures
from clickstream.operations.log_offsets import LogOffsets
from clickstream.progress import ProgressReporter
from core.clickhouse import on_database
from core.clickhouse.admin import Owner, Purpose, Server
from core.clickhouse.client import database_of
from core.clickhouse.lease import lease
from core.clock import Clock
from core.errors import ClickstreamError, SetupError
from core.settings import Settings
from schemas.migrate import migrate
from schemas.sql_files import load
from schemas.topic_admin import create_topics

_SUFFIX = "_restore"

# Seconds. Erasing again reads every session id of every table.
_ERASING_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What the operator has said.

    With `into_database`, only the tables are restored, into that database; Kafka and the registry
    are left alone. `resume` goes on with a restore that was cut short. The others allow a restore
    that is known to miss erasures or records that came after the backup.
    """

    into_database: str | None = None
    resume: bool = False
    accept_missing_erasures: bool = False
    accept_data_loss: bool = False


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


def preview(
    settings: Settings, source: str, options: RestoreOptions = RestoreOptions()
) -> RestoreResult:
    """What `restore` would do. Changes nothing, and raises the same errors, but for losses that
    need a flag: those are its warnings."""
    target = _target(settings, options)
    with connect_for_backup(settings) as server:
        storage = open_storage(source, settings, server)
        manifest = _read_manifest(settings, storage)
        check_shards(manifest, number_of_shards(server))
        _has_target(server, settings, target)
        if _resumable(server, settings, target, manifest, options) is None:
            check_empty(server, database_of(target))
        plan, losses = _plan(settings, manifest, options)
        if plan is not None:
            _restore_schemas(settings, manifest, storage, only_check=True)
    return RestoreResult(
        str(storage), database_of(target), manifest, plan, {}, losses.sentences, 0.0
    )


def restore(
    settings: Settings,
    source: str,
    clock: Clock,
    progress: ProgressReporter,
    options: RestoreOptions = RestoreOptions(),
) -> RestoreResult:
    """Restore everything from `source` into the empty database of the settings. Blocks.

    Raises SetupError when the restore is refused or the backup is damaged, Unavailable when a
    server is away or another operation is running. Run it again after any error; when tables were
    in place already it asks for `resume`.
    """
    started = clock.monotonic()
    target = _target(settings, options)
    with _leases(settings, target) as check_lease, connect_for_backup(settings) as server:
        storage = open_storage(source, settings, server)
        manifest = _read_manifest(settings, storage)
        check_shards(manifest, number_of_shards(server))
        _has_target(server, settings, target)
        state = _resumable(server, settings, target, manifest, options)
        resumed = state is not None
        plan, losses = _plan(settings, manifest, options)
        losses.check_accepted(
            erasures=options.accept_missing_erasures, records=options.accept_data_loss
        )
        for sentence in losses.sentences:
            progress.say(f"warning: {sentence}")
        if plan is not None:
            _restore_schemas(settings, manifest, storage, only_check=False)
            create_topics(settings)
        if state is None:
            check_empty(server, database_of(target))
            state = _load(server, settings, target, manifest, storage, progress, check_lease)
        staging = on_database(settings, _staging(target))
        erase_again = _Erasures(clock, progress, not losses.without_kafka, check_lease)
        erased = dict(erase_again(staging))
        check_lease()
        if plan is not None:
            with closing(KafkaState(settings)) as kafka:
                kafka.set_committed(plan.offsets)
        kept = _put_in_place(server, settings, target, state, plan, clock, check_lease)
        if resumed:
            # Some tables were in place before, and a cut may have been long ago.
            for table, rows in erase_again(target).items():
                erased[table] = erased.get(table, 0) + rows
    return RestoreResult(
        str(storage),
        database_of(target),
        manifest,
        plan,
        erased,
        losses.sentences + kept,
        clock.monotonic() - started,
    )


@dataclass(frozen=True, slots=True)
class _Erasures:
    """Deletes the rows of erased users from the tables of some settings."""

    clock: Clock
    progress: ProgressReporter
    from_kafka: bool
    check_lease: Callable[[], None]

    def __call__(self, settings: Settings) -> Mapping[str, int]:
        with open_eraser(settings, _ERASING_SECONDS) as server:
            return apply_erasures(
                settings,
                server,
                self.clock,
                self.progress.say,
                self.check_lease,
                from_kafka=self.from_kafka,
            )


def _target(settings: Settings, options: RestoreOptions) -> Settings:
    if options.into_database is None:
        return settings
    if options.into_database == database_of(settings):
        raise SetupError(
            f"--into-database {options.into_database} is the live database: leave the option out"
        )
    return on_database(settings, options.into_database)


def _has_target(server: Server, settings: Settings, target: Settings) -> bool:
    """Whether the database is there. Raises SetupError when somebody else made it."""
    live, name = database_of(settings), database_of(target)
    return name == live or server.has(name, Owner(live, Purpose.COPY))


def _staging(target: Settings) -> str:
    return database_of(target) + _SUFFIX


@contextmanager
def _leases(settings: Settings, target: Settings) -> Iterator[Callable[[], None]]:
    """The lease of the live database, whose erasures must not be missed, and of the target."""
    with lease(settings) as check_live:
        if database_of(settings) == database_of(target):
            yield check_live
            return
        with lease(settings, database=database_of(target)) as check_target:

            def check() -> None:
                check_live()
                check_target()

            yield check


def _read_manifest(settings: Settings, storage: BackupStorage) -> Manifest:
    text = storage.read(MANIFEST)
    if text is None:
        raise incomplete_backup(storage)
    manifest = from_json(text, str(storage))
    check_migrations(manifest, load().migrations)
    check_settings(manifest, settings)
    return manifest


def _resumable(
    server: Server,
    settings: Settings,
    target: Settings,
    manifest: Manifest,
    options: RestoreOptions,
) -> RestoreState | None:
    """The state of a restore that is to be resumed; None to begin anew."""
    staging = _staging(target)
    owner = Owner(database_of(settings), Purpose.RESTORE)
    if not server.has(staging, owner) or (state := read_state(server, staging)) is None:
        return None
    if not options.resume:
        if state.swapped(server):
            raise SetupError(
                f"a restore of {state.target} was cut short while its tables were put in place: run"
                " it again with --resume, which loses nothing"
            )
        return None
    if state.taken_at != manifest.taken_at:
        raise SetupError(
            f"the restore that was cut short is that of the backup of {state.taken_at}, and this"
            f" one is of {manifest.taken_at}: name the other one"
        )
    return state


def _plan(
    settings: Settings, manifest: Manifest, options: RestoreOptions
) -> tuple[OffsetPlan | None, Losses]:
    """The plan, and what is lost. Raises SetupError while workers run.

    A restore into another database has no plan, and needs no Kafka if it may miss erasures.
    """
    if options.into_database is not None and options.accept_missing_erasures:
        return None, Losses.unknown_erasures(manifest)
    with closing(KafkaState(settings)) as kafka:
        live = kafka.current()
    plan = None if options.into_database is not None else planned(settings, manifest, live)
    return plan, find_losses(settings, manifest, live, plan)


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
    settings: Settings,
    target: Settings,
    manifest: Manifest,
    storage: BackupStorage,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> RestoreState:
    """The tables of the backup, whole and migrated, in the staging database."""
    staging, owner = _staging(target), Owner(database_of(settings), Purpose.RESTORE)
    server.drop(staging, owner)
    server.create(staging, owner)
    try:
        _load_tables(server, manifest, staging, storage, progress, check_lease)
        migrate(on_database(settings, staging))
        check_lease()
        tables = tables_to_back_up(server, staging)
        return write_state(server, staging, manifest.taken_at, database_of(target), tables)
    except BaseException:
        # When ClickHouse is away, the next run drops it; the first error is the one to report.
        with contextlib.suppress(ClickstreamError):
            server.drop(staging, owner)
        raise


def _load_tables(
    server: Server,
    manifest: Manifest,
    name: str,
    storage: BackupStorage,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> None:
    tables = [table.name for table in manifest.tables]
    run_restore(server, manifest.database, name, tables, storage, progress, check_lease)
    found = {each.name: each for each in table_checksums(server, name, tables, check_lease)}
    for saved in manifest.tables:
        if found[saved.name] != saved:
            raise SetupError(
                f"{storage}: {saved.name} has {found[saved.name].rows:,} rows that are not the"
                f" {saved.rows:,} rows that were saved: the backup was changed or is damaged. Use"
                " another one"
            )
    progress.say("the tables are loaded: checksums match")
    for table in tables:
        server.command(start_merges(table, server.layout_of(name)))


def _put_in_place(
    server: Server,
    settings: Settings,
    target: Settings,
    state: RestoreState,
    plan: OffsetPlan | None,
    clock: Clock,
    check_lease: Callable[[], None],
) -> tuple[str, ...]:
    """Exchange the tables; returns a warning when rows of the replaced ones are kept."""
    live, staging = database_of(settings), _staging(target)
    if state.target != live and not _has_target(server, settings, target):
        server.create(state.target, Owner(live, Purpose.COPY))
    migrate(target)
    # Again, and directly before: hours may have passed since the first look.
    if plan is not None:
        check_no_workers(settings)
    if not state.swapped(server):
        check_empty(server, state.target)
    swap_tables(server, staging, state, check_lease)
    if plan is not None and (
        LogOffsets(settings).workers() or not _still_committed(settings, plan)
    ):
        raise SetupError(
            "a worker was started while the tables were put in place, and may have written into"
            " the old ones: stop it, and run this again with --resume"
        )
    kept_name = f"{staging}_{clock.now_ms()}"
    kept = drop_replaced(server, staging, Owner(live, Purpose.RESTORE), kept_name)
    if kept is None:
        return ()
    return (f"{kept} has rows that were written meanwhile, and is kept: look at them, and drop it",)


def _still_committed(settings: Settings, plan: OffsetPlan) -> bool:
    with closing(KafkaState(settings)) as kafka:
        return dict(kafka.committed(consumed_topics(settings))) == dict(plan.offsets)
