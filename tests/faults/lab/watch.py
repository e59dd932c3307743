"""Looks at the running system four times a second: lag and progress in Kafka, memory."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition

from core.settings import Settings
from schemas.topics import Topics

_LOOK_SECONDS = 0.25
_ASK_SECONDS = 5.0

Place = tuple[str, int]
Pids = Callable[[], Mapping[str, int]]


@dataclass(frozen=True)
class Look:
    """One moment: committed offset and end of each partition, resident bytes of each process."""

    at: float
    standing: Mapping[Place, tuple[int, int]] | None  # None: Kafka did not say
    rss: Mapping[str, int]

    @property
    def lag(self) -> float:
        """Records of all topics that are not committed; infinite when Kafka did not say."""
        if self.standing is None:
            return math.inf
        return sum(end - committed for committed, end in self.standing.values())


class Watch:
    """Runs inside a `with` block. Times are those of `time.monotonic`."""

    def __init__(self, settings: Settings, pids: Pids) -> None:
        topics = Topics.from_settings(settings)
        self._places = [
            TopicPartition(topic, number)
            for topic in (topics.sessions, topics.events, topics.marks)
            for number in range(settings.topics.partitions)
        ]
        # Never subscribes. `log_level`: refused connections are what we are here for.
        self._consumer = Consumer(
            {
                **settings.kafka_options(),
                "group.id": settings.worker.group,
                "enable.auto.commit": False,
                "log_level": 0,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self._pids = pids
        self._looks: list[Look] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def recovery(self, since: float, lag_below: int, within_seconds: float) -> float:
        """Seconds from `since` until the lag is below and stays there for two looks.

        Blocks until then; AssertionError when it takes too long.
        """
        while True:
            looks = [look for look in self._looks if look.at > since]
            for before, after in itertools.pairwise(looks):
                if before.lag < lag_below and after.lag < lag_below:
                    return before.at - since
            waited = time.monotonic() - since
            assert waited < within_seconds, f"after {waited:.0f} s {_behind(looks)}"
            time.sleep(_LOOK_SECONDS)

    def longest_stall(self, since: float) -> float:
        """Longest time, seconds, for which one partition had records waiting and did not move."""
        longest = 0.0
        moved: dict[Place, tuple[int, float]] = {}
        for look in self._looks:
            if look.at < since or look.standing is None:
                continue
            for place, (committed, end) in look.standing.items():
                before, at = moved.get(place, (-1, look.at))
                if committed != before or committed >= end:
                    moved[place] = committed, look.at
                else:
                    longest = max(longest, look.at - at)
        return longest

    def rss_growth(self, name: str, since: float, until: float) -> float:
        """Peak in between over the value at `since`, as a share: 0.1 is a tenth more."""
        sizes = [
            look.rss[name] for look in self._looks if since <= look.at <= until and name in look.rss
        ]
        return max(sizes) / sizes[0] - 1 if sizes else 0.0

    def rss(self, name: str) -> int:
        """Resident bytes at the last look that saw it."""
        return next(look.rss[name] for look in reversed(self._looks) if name in look.rss)

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                standing = self._standing()
            except KafkaException:
                standing = None  # the processes are looked at all the same
            self._looks.append(Look(time.monotonic(), standing, self._sizes()))

    def _standing(self) -> dict[Place, tuple[int, int]]:
        committed = self._consumer.committed(self._places, timeout=_ASK_SECONDS)
        return {
            (place.topic, place.partition): (max(0, place.offset), self._end(place))
            for place in committed
        }

    def _end(self, place: TopicPartition) -> int:
        _, end = self._consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)
        return end

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        for name, pid in self._pids().items():
            try:
                sizes[name] = psutil.Process(pid).memory_info().rss
            except psutil.NoSuchProcess:
                continue  # it was killed between the question and the answer
        return sizes


def _behind(looks: Sequence[Look]) -> str:
    """What the last look saw, for a failed assertion."""
    if not looks or looks[-1].standing is None:
        return "Kafka does not say how large the lag is"
    lags = {place: end - committed for place, (committed, end) in looks[-1].standing.items()}
    worst = sorted(lags.items(), key=lambda lag: -lag[1])[:4]
    lately = [look.lag for look in looks[::20]]
    return f"the lag is {sum(lags.values())}: {worst}; every 5 s it was {lately}"
