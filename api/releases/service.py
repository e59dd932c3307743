"""What can be done with releases, for the routes and for the command. Every method blocks."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from api.facts_progress import FactsProgress
from api.releases.make import Log, ReleaseMaker
from api.releases.manifest import Manifest, Order, ReleaseFile, Watermark
from api.releases.storage import RETIRED, ReleaseStorage, Superseded, open_storage
from api.releases.supersede import (
    Hashes,
    hashes_of,
    sources_of,
    supersede_touched,
    take_away,
    touched,
)
from api.store import ClickHouseStore
from core.clickhouse.client import connect, translate
from core.clickhouse.lease import RELEASES, lease
from core.clock import Clock
from core.errors import FileSuperseded, ReleaseNotFound, ReleaseRetired
from core.kafka.offsets import KafkaOffsets
from core.kafka.partitions import Partition
from core.settings import Settings
from core.telemetry import RELEASES_RETIRED
from schemas.topic_epochs import at_present_epoch
from schemas.topics import Topics

MOST_HASHES_HELD: Final = 64
"""Of files: some 10 MB."""


class State(StrEnum):
    """Of a release."""

    WHOLE = "whole"
    PARTLY_SUPERSEDED = "partly_superseded"
    SUPERSEDED = "superseded"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Release:
    """A manifest, and what has become of its files since."""

    manifest: Manifest
    state: State
    superseded: dict[str, Superseded]
    retired_at_ms: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The manifest, with the state; each file that is gone says why."""
        content: dict[str, Any] = msgspec.to_builtins(self.manifest)
        content["state"] = self.state.value
        content["retired_at_ms"] = self.retired_at_ms
        for file in content["files"]:
            why = self.superseded.get(file["name"])
            file["superseded"] = None if why is None else msgspec.to_builtins(why)
        return content


class ReleaseService:
    """One per process. Threads may share it. Raises ReleaseNotFound where nothing is stored."""

    def __init__(self, settings: Settings, clock: Clock, code_version: str) -> None:
        self.settings = settings
        self._clock = clock
        self._code_version = code_version
        self._storage: ReleaseStorage | None = None
        self._connected: Client | None = None
        self._connecting = threading.Lock()
        self._hashes: OrderedDict[tuple[str, str], Hashes] = OrderedDict()
        self._looked_for: dict[str, tuple[int, int]] = {}
        self._stop = threading.Event()

    @property
    def storage(self) -> ReleaseStorage:
        if self._storage is None:
            self._storage = open_storage(self.settings)
        return self._storage

    def create(
        self,
        name: str,
        order: Order,
        made_by: str | None = None,
        *,
        watermark: Callable[[], Watermark] | None = None,
        log: Log = lambda _: None,
    ) -> Release:
        """Make it, of all that the workers have stored by now; `watermark` gives another moment.

        Raises LeaseHeld while another one is made, and as `ReleaseMaker.make` does.
        """
        storage = self.storage
        with lease(self.settings, RELEASES) as check_lease:
            maker = ReleaseMaker(
                self.settings,
                storage,
                self._clock,
                code_version=self._code_version,
                stop=self._stop,
                check_lease=check_lease,
                log=log,
            )
            where = (watermark or self.watermark)()
            if order.has_filters and watermark is None:
                wait_for_facts(self.settings, where)
            maker.make(name, order, where, made_by)
        return self.release(name)

    def watermark(self) -> Watermark:
        """How far the workers have stored everything."""
        return committed_watermark(self.settings)

    def names(self) -> list[str]:
        """Of all releases that are whole, or were."""
        storage = self.storage
        return [name for name in storage.names() if storage.manifest(name) is not None]

    def is_being_made(self, name: str) -> bool:
        """Whether a making has begun, in whatever process, and neither ended nor been cleared away
        after a crash."""
        return self.storage.is_being_made(name)

    def release(self, name: str) -> Release:
        """What is known of it. Raises ReleaseNotFound."""
        storage = self.storage
        manifest = storage.manifest(name)
        if manifest is None:
            raise ReleaseNotFound(f"there is no release {name!r}, or it is not whole yet")
        sizes = storage.sizes(name)
        superseded = storage.superseded(name, sizes)
        if RETIRED in sizes:
            retired = msgspec.json.decode(storage.read(f"{name}/{RETIRED}") or b"{}")
            return Release(manifest, State.RETIRED, superseded, retired.get("at_ms"))
        return Release(manifest, _state(manifest, superseded), superseded)

    def file(self, name: str, file: str) -> ReleaseFile:
        """A file that may be read now: nothing in it was erased or marked before this call.

        Raises ReleaseNotFound, ReleaseRetired, FileSuperseded, SinkUnavailable.
        """
        release = self.release(name)
        found = release.manifest.file(file)
        if found is None:
            raise ReleaseNotFound(f"the release {name} has no file {file!r}")
        if release.state is State.RETIRED:
            raise ReleaseRetired(f"the release {name} is retired: its files are deleted")
        why = release.superseded.get(file) or self._check_untouched(release.manifest, found)
        if why is not None:
            raise FileSuperseded(
                f"{file} is deleted: since it was made, a session in it was "
                + ("erased" if why.reason == "erasure" else "marked irrelevant")
                + "; the release's other files are as they were"
            )
        return found

    def retire(self, name: str) -> Release:
        """Delete its files. The manifest stays, and the name stays taken."""
        with lease(self.settings, RELEASES):
            manifest = self.release(name).manifest
            note = f"{name}/{RETIRED}"
            if not self.storage.is_retired(name):
                content = msgspec.json.encode({"at_ms": self._clock.now_ms()})
                self.storage.write(note, content)
                RELEASES_RETIRED.inc()
            for file in manifest.files:
                self.storage.delete(f"{name}/{file.name}")
        return self.release(name)

    def supersede_all(self) -> int:
        """Take away every file that an erasure or a mark has touched; returns how many this call
        has deleted."""
        gone = 0
        for name in self.names():
            if not self.storage.is_retired(name):
                gone += self._supersede(name)
        return gone

    def delete_touched(self, log: Log = lambda _: None) -> int:
        """The same, and what makings have left that were cut short: when this returns, no file is
        left that holds what was erased before. Raises LeaseHeld while a release is made."""
        with lease(self.settings, RELEASES):
            for name in self.storage.sweep():
                log(f"the release {name} was not whole: it is deleted")
            self._looked_for.clear()
            return self.supersede_all()

    def close(self) -> None:
        """A making that is under way ends with an error, and leaves nothing."""
        self._stop.set()
        if self._connected is not None:
            self._connected.close()

    def _supersede(self, name: str) -> int:
        manifest = self.release(name).manifest
        with self._client() as client:
            found = touched(client, manifest)
        # What was looked for in vain is not in it: releases do not change.
        asked = hash(found.erased.tobytes()), hash(found.marked.tobytes())
        if not len(found) or self._looked_for.get(name) == asked:
            return 0
        gone = supersede_touched(self.storage, manifest, found, self._clock)
        self._looked_for[name] = asked
        return len(gone)

    def _check_untouched(self, manifest: Manifest, file: ReleaseFile) -> Superseded | None:
        """Whether the file is touched by now; then it is taken away."""
        with self._client() as client:
            found = touched(client, manifest)
        for sessions in sources_of(manifest, file):
            near = found.in_time_of(sessions)
            if not len(near):
                continue
            reason = near.reason_among(self._hashes_of(manifest.name, sessions.name))
            if reason is not None:
                why = Superseded(reason, self._clock.now_ms())
                take_away(self.storage, manifest, sessions, why)
                return why
        return None

    def _hashes_of(self, release: str, file: str) -> Hashes:
        key = release, file
        held = self._hashes.pop(key, None)
        if held is None:
            held = hashes_of(self.storage, release, file)
        self._hashes[key] = held
        while len(self._hashes) > MOST_HASHES_HELD:
            self._hashes.popitem(last=False)
        return held

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with self._connecting:
            if self._connected is None:
                self._connected = connect(self.settings, role="clickstream releases")
        with translate(self.settings):
            yield self._connected


def committed_watermark(settings: Settings) -> Watermark:
    """What the workers' group has committed: all below it is in ClickHouse. Blocks."""
    topics = Topics.from_settings(settings)
    names = (topics.sessions, topics.events, topics.marks)
    count = settings.topics.partitions

    async def ask() -> list[tuple[int, ...]]:
        offsets = KafkaOffsets(
            settings.kafka_options(),
            group=settings.worker.group,
            request_seconds=settings.reads.wait_seconds,
        )
        try:
            found = await offsets.committed([Partition(n, p) for n in names for p in range(count)])
        finally:
            await offsets.close()
        return [tuple(max(0, found[Partition(n, p)]) for p in range(count)) for n in names]

    sessions, events, marks = asyncio.run(ask())
    epoch = at_present_epoch(settings).topics.epoch
    return Watermark(epoch, sessions, events, marks)


def wait_for_facts(settings: Settings, watermark: Watermark) -> None:
    """Blocks until the facts, which filters ask, have what is below it. Raises SinkBehind."""
    topics = Topics.from_settings(settings)
    targets = {
        Partition(topic, number): offset
        for topic, offsets in (
            (topics.sessions, watermark.sessions),
            (topics.events, watermark.events),
        )
        for number, offset in enumerate(offsets)
    }

    async def wait() -> None:
        store = ClickHouseStore(settings)
        facts = FactsProgress(store, at_present_epoch(settings))
        try:
            await facts.reached(targets)
        finally:
            await facts.close()
            await store.close()

    asyncio.run(wait())


def _state(manifest: Manifest, superseded: dict[str, Superseded]) -> State:
    if not superseded:
        return State.WHOLE
    left = [file for file in manifest.files if file.name not in superseded]
    return State.PARTLY_SUPERSEDED if left else State.SUPERSEDED
