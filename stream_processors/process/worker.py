"""One worker process: runs the parts, watches them, and ends in a way that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, cast

import faust

from core import telemetry
from core.clock import Clock, SystemClock
from core.errors import SetupError, Unavailable
from core.health_probe import listens
from core.kafka.partitions import Partition
from core.logging import configure_logging
from core.settings import Settings
from core.tracing import configure_tracing, stop_tracing
from schemas.topic_epochs import at_present_epoch
from schemas.topics import Topics
from stream_processors.consume.batches import FetchedBatch
from stream_processors.consume.check_libraries import check_names
from stream_processors.consume.faust_app import build_app
from stream_processors.consume.faust_transport import BatchConsumer
from stream_processors.consume.gather import FlushTriggers
from stream_processors.join.recent_sessions import RecentSessions
from stream_processors.process.assembly import FlushParts, assemble
from stream_processors.process.check_topics import TopicCheck
from stream_processors.process.fill_filter import FilterFiller
from stream_processors.process.health_server import serve_probe
from stream_processors.process.heartbeat import end_when_loop_hangs
from stream_processors.process.lag_metrics import LagMetrics
from stream_processors.process.malloc import trim_malloc_periodically
from stream_processors.process.pacing import Pacing
from stream_processors.process.pipeline import FlushPipeline
from stream_processors.process.retry import UntilItWorks
from stream_processors.process.table_metrics import TableMetrics
from stream_processors.process.watchdog import PartitionProgress, Watchdog
from stream_processors.write.facts_refresh import FactsRefresh
from stream_processors.write.flush import FlushReport

log = logging.getLogger(__name__)

# How long a stopping worker may take to write what it holds, and to leave the group. Together below
# the 25 s after which orchestrators kill. Seconds.
_DRAIN_SECONDS = 12.0
_LEAVE_SECONDS = 8.0
# While a server is down that is likely to stay so: long enough for one that is only restarting.
_DRAIN_PAUSED_SECONDS = 3.0

_WATCH_SECONDS = 2.0
# For the question whether Kafka is there at all.
_ASK_SECONDS = 1.0

# New objects after which the garbage collector looks for cycles among the youngest.
_GARBAGE_OBJECTS = 20_000

# For Kafka's answer, while partitions are being assigned.
_CHECK_SECONDS = 5.0

# As of every command that an operator has to set up otherwise.
_EX_SETUP = 1
# Exit statuses, from sysexits.h: a supervisor restarts the worker after either.
_EX_SOFTWARE = 70
_EX_TEMPFAIL = 75


def run_worker(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then end the process: 0, or not when something broke.

    Never returns, and does not wait for Faust's tasks and threads, which may never end: a worker
    that has been told to stop must stop. What is not committed then is read again by the successor.
    Raises SetupError when a library has not the private names that we use; ends with 1 when the
    topics are not those of the settings.
    """
    configure_logging(settings.log_level, settings.log_format)
    configure_tracing(settings, "worker")
    check_names()
    trim_malloc_periodically()
    try:
        status = asyncio.new_event_loop().run_until_complete(_Worker(settings, SystemClock()).run())
    except SetupError as error:
        log.critical("the worker refuses to run: %s", error)
        status = _EX_SETUP
    stop_tracing()
    logging.shutdown()
    os._exit(status)


class _Worker:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._until_it_works = UntilItWorks()
        self._check_topics = TopicCheck(settings)
        self._stop = asyncio.Event()
        self._unready: Callable[[], str | None] = lambda: "starting"
        self._stuck: str | None = None
        self._held: Mapping[Partition, int] = {}

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        beating = loop.create_task(end_when_loop_hangs(self._settings.worker.stall_seconds))
        try:
            return await self._run(loop)
        finally:
            beating.cancel()

    async def _run(self, loop: asyncio.AbstractEventLoop) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        topics = Topics.from_settings(self._settings)
        if port := self._settings.worker.metrics_port:
            serve_probe(
                self._settings.worker.metrics_host,
                port,
                alive=lambda: self._stuck,
                ready=self._why_not_ready,
                notes=self._notes,
                topics=[topics.sessions, topics.events, topics.marks],
            )

        async def feed(batches: Sequence[FetchedBatch]) -> None:
            await pipeline.feed(batches)  # made below, before anything is fetched

        assembling = loop.run_in_executor(None, self._assemble)
        # Meanwhile: the partitions of a worker that is restarted stand still for so long.
        app = build_app(self._settings, feed)
        if not await self._before_stop(assembling):
            return 0
        parts = await assembling
        _freeze_gc()
        worker = self._settings.worker
        pipeline = FlushPipeline(
            parts.flush,
            FlushTriggers(
                worker.flush_rows, worker.flush_bytes, worker.flush_seconds, worker.buffer_bytes
            ),
            self._clock,
            on_report=lambda report: _count(report, parts.index),
            is_paused=lambda: self._until_it_works.outage is not None,
        )
        filler = FilterFiller(parts.stored_ids, parts.sink, self._settings.topics.partitions)
        try:
            return await self._consume(app, pipeline, parts.flush.facts, filler)
        finally:
            filler.stop()

    def _assemble(self) -> FlushParts:
        self._until_it_works(self._check_topics)
        settings = self._until_it_works(partial(at_present_epoch, self._settings, record=True))
        return assemble(settings, self._clock, self._until_it_works)

    async def _check_assignment(self, refused: asyncio.Future[None]) -> None:
        """Before the first fetch of an assignment. Does not return when it is refused."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await asyncio.to_thread(self._check_topics)
        except SetupError as error:
            refused.set_exception(error)
            await asyncio.Event().wait()
        except (Unavailable, TimeoutError) as error:
            log.warning("the topics could not be checked: %s", error or "no answer in time")

    async def _consume(
        self, app: faust.App, pipeline: FlushPipeline, facts: FactsRefresh, filler: FilterFiller
    ) -> int:
        consumer = cast(BatchConsumer, app.consumer)
        consumer.finish_pending = pipeline.drain
        tables = TableMetrics(self._settings)

        def assigned(partitions: Collection[int], generation: int, follows: bool) -> None:
            filler.assigned(partitions, generation, follows=follows)
            facts.assigned(partitions)
            # One of all workers: who has the first partition.
            pipeline.owns_clean_up(0 in partitions)
            tables.owns = 0 in partitions
            telemetry.WORKER_ASSIGNMENTS.inc()

        consumer.on_assignment = assigned
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        consumer.before_assignment = lambda: self._check_assignment(refused)
        showing = asyncio.create_task(tables.run())
        pacing = asyncio.create_task(Pacing(self._settings, pipeline.wait_between).run())
        starting = asyncio.create_task(app.start())
        flushing = asyncio.create_task(pipeline.run(consumer.ledger, consumer.commit))
        watching = asyncio.create_task(self._watch(consumer))
        ended = asyncio.create_task(self._ended(starting, app))
        await self._before_stop(flushing, watching, ended, refused)
        if refused.done():
            refused.result()
        for task in (flushing, watching, ended):
            if task.done():
                # Nothing is committed past what is written, so a hard end loses nothing.
                log.critical("the worker cannot go on", exc_info=task.exception())
                return _EX_TEMPFAIL if task is watching else _EX_SOFTWARE
        for task in (watching, ended, showing, pacing):
            task.cancel()
        await self._leave(app, pipeline, consumer)
        if flushing.done() and not flushing.cancelled():
            log.warning("what is not written yet will be read again: %s", flushing.exception())
        return 0

    async def _before_stop(self, *tasks: asyncio.Future[Any]) -> bool:
        """Wait for the first of the tasks, or for the order to stop. True: a task was first."""
        stopping: asyncio.Future[Any] = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return not self._stop.is_set()

    async def _ended(self, starting: asyncio.Task[None], app: faust.App) -> None:
        """Raises when Faust has ended by itself, which it should not."""
        await starting
        ready = asyncio.create_task(self._become_ready(cast(BatchConsumer, app.consumer)))
        await app.wait_until_stopped()
        ready.cancel()
        raise RuntimeError("Faust has stopped") from app.crash_reason

    async def _become_ready(self, consumer: BatchConsumer) -> None:
        """Ready: a member of the group. With more workers than partitions it may hold none."""
        self._unready = lambda: "waiting for the group to assign partitions"
        await consumer.in_group.wait()
        self._unready = consumer.unready_reason

    def _why_not_ready(self) -> str | None:
        """On the probe's thread."""
        paused = self._until_it_works.outage
        return f"paused: {paused}" if paused else self._unready()

    def _notes(self) -> list[str]:
        """What is worth knowing of a worker that is ready. On the probe's thread."""
        return [
            f"{partition.topic}/{partition.partition}: {count} records wait for the end of a"
            " transaction"
            for partition, count in self._held.items()
        ]

    async def _leave(
        self, app: faust.App, pipeline: FlushPipeline, consumer: BatchConsumer
    ) -> None:
        self._unready = lambda: "stopping"
        consumer.stop_flow()
        grace = _DRAIN_PAUSED_SECONDS if self._until_it_works.outage else _DRAIN_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(pipeline.drain(), grace)
        self._until_it_works.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), _LEAVE_SECONDS)

    async def _watch(self, consumer: BatchConsumer) -> None:
        """Ends the process when a partition has records and does not move."""
        watchdog = Watchdog(self._settings.worker.stall_seconds, self._kafka_listens)
        lag = LagMetrics()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            committed = consumer.ledger.last_committed()
            ends = {partition: consumer.end_of(partition) for partition in committed}
            lag.show(
                {p: max(0, ends[p].high - offset) for p, offset in committed.items()},
                consumer.ledger.oldest_unwritten(),
                self._clock.now_ms(),
            )
            self._held = {
                p: end.high - end.stable for p, end in ends.items() if end.high > end.stable
            }
            # What an open transaction holds back cannot be read: nobody is stuck because of it.
            progress = {p: PartitionProgress(committed[p], end.stable) for p, end in ends.items()}
            now = self._clock.monotonic()
            if self._until_it_works.outage:
                watchdog.restart_clocks(now)
            elif stuck := await asyncio.to_thread(watchdog.stalled, progress, now):
                self._stuck = f"no progress on {stuck}"
                raise RuntimeError(self._stuck)

    def _kafka_listens(self) -> bool:
        """Whether it is us who are stuck, and not Kafka that is down. Blocks for seconds."""
        servers = self._settings.kafka_bootstrap_servers.split(",")
        return any(listens(server.strip(), _ASK_SECONDS) for server in servers)


def _freeze_gc() -> None:
    """The modules and parts of a worker live as long as it does, and what it makes by the record
    are bytes and columns, which hold no cycles. Walking them all every 700 objects, as is usual,
    had 41 % of its time (docs/design.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS, 10, 10)


def _count(report: FlushReport, index: RecentSessions) -> None:
    telemetry.WORKER_JOINED.inc(report.joined)
    telemetry.WORKER_UNJOINED.inc(report.unjoined)
    telemetry.WORKER_ADOPTED.inc(report.adopted)
    telemetry.WORKER_DUPLICATES.inc(report.duplicates)
    telemetry.WORKER_ERASED.inc(report.erased)
    for rejected in report.rejected:
        telemetry.WORKER_DEAD_LETTERS.labels(rejected.reason.value).inc()
    telemetry.WORKER_INDEX_BYTES.set(index.nbytes)
