"""Fills the filter of stored session ids from ClickHouse, in the background, at each assignment."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from core.errors import Unavailable
from stream_processors.join.stored_ids_filter import StoredIdsFilter
from stream_processors.process.retry import UntilItWorks
from stream_processors.write.sink import Sink

log = logging.getLogger(__name__)


class FilterFiller:
    """One reading at a time; a newer assignment ends the one before."""

    def __init__(self, stored_ids: StoredIdsFilter, sink: Sink, partitions: int) -> None:
        """`partitions`: how many a topic has."""
        self._stored_ids = stored_ids
        self._sink = sink
        self._of = partitions
        self._until_it_works = UntilItWorks()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fill-filter")

    def assigned(self, partitions: Collection[int], generation: int, *, follows: bool) -> None:
        """Call it before the first fetch of the assignment; returns at once. `follows`: see
        `StoredIdsFilter.begin`."""
        if missing := self._stored_ids.begin(generation, partitions, follows=follows):
            self._thread.submit(self._run, missing, generation)

    def stop(self) -> None:
        """Give up what is under way."""
        self._until_it_works.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run(self, partitions: list[int], generation: int) -> None:
        try:
            self._until_it_works(lambda: self._fill(partitions, generation))
        except Unavailable as error:
            log.info("the filter of stored session ids stays incomplete: %s", error)
        except Exception:
            # Without the filter every new session is looked up: slower, and just as right.
            log.exception("the filter of stored session ids stays incomplete")

    def _fill(self, partitions: list[int], generation: int) -> None:
        started, count = perf_counter(), 0
        for kafka, plain in self._sink.stored_session_hashes(partitions, self._of):
            if not self._stored_ids.fill(generation, kafka, plain):
                return
            count += len(kafka)
        self._stored_ids.complete(generation)
        log.info(
            "the filter of stored session ids is complete: %d ids of %d partitions in %.1f s",
            count, len(partitions), perf_counter() - started,
        )  # fmt: skip
