"""What the log no longer holds cannot be rebuilt, and is not pretended to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from clickstream.operations.replay.start_point import Earliest, FromOffset, FromTime, parse_origin
from core.clock import SystemClock
from core.errors import SetupError
from schemas.topics import Topics
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import contents, databases

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


def delete_before(settings: Settings, topic: str, offset: int) -> None:
    """As retention would, in every partition that reaches so far."""
    from clickstream.operations.log_offsets import LogOffsets

    ends = LogOffsets(settings).ends()
    admin = AdminClient(dict(settings.kafka_options()))
    futures = admin.delete_records(
        [
            TopicPartition(*place, min(offset, end))
            for place, end in ends.items()
            if place.topic == topic
        ]
    )
    for future in futures.values():
        future.result(timeout=30)


@pytest.mark.timeout(600)
def test_a_range_that_was_deleted_is_refused_and_what_is_left_is_offered(
    settings: Settings, tmp_path: Path
) -> None:
    from clickstream.operations.replay.run import preview, replay
    from tests.clickstream.operations.replay.traffic import Traffic, post_history
    from tests.stream_processors.fleet import Fleet

    traffic = Traffic(settings)
    post_history(traffic, "one", other="two")
    with Fleet(settings, tmp_path, count=1) as fleet:
        fleet.catch_up()
        post_history(traffic, "two", other="one")
        fleet.catch_up()
    before = contents(settings)
    delete_before(settings, Topics.from_settings(settings).events, 3)
    for origin in (Earliest(), FromOffset(2), FromTime(1_000_000_000_000)):
        with pytest.raises(SetupError, match="no longer covers") as refusal:
            replay(settings, origin, SystemClock(), Silent())
        with pytest.raises(SetupError, match="no longer covers"):
            preview(settings, origin)
    offered = re.findall(r"(?:offset|timestamp):\S*[\dZ]", str(refusal.value).split("Possible")[1])
    assert len(offered) == 2
    for text in offered:
        replay(settings, parse_origin(text), SystemClock(), Silent())
        assert contents(settings) == before
    assert databases(settings) == {""}


def test_what_no_worker_has_written_and_the_log_has_lost_is_told(settings: Settings) -> None:
    from clickstream.operations.replay.run import replay
    from tests.clickstream.operations.replay.traffic import Traffic, post_history

    post_history(Traffic(settings), "one", other="two")
    delete_before(settings, Topics.from_settings(settings).events, 3)
    with pytest.raises(SetupError, match="let them catch up first"):
        replay(settings, FromOffset(10), SystemClock(), Silent())


def test_without_any_worker_the_whole_log_is_read(settings: Settings) -> None:
    from clickstream.operations.replay.run import replay
    from tests.clickstream.operations.replay.traffic import Traffic, post_history

    post_history(Traffic(settings), "one", other="two")
    outcome = replay(settings, FromOffset(10), SystemClock(), Silent())
    assert outcome.records > 0
    assert len(contents(settings)["sessions"]) > 0


def test_a_transaction_that_is_open_ends_the_log(settings: Settings) -> None:
    from clickstream.operations.log_offsets import LogOffsets
    from clickstream.operations.replay.run import replay
    from tests.clickstream.operations.replay.traffic import Traffic, post_history

    traffic = Traffic(settings)
    post_history(traffic, "one", other="two")
    ends = LogOffsets(settings).ends()
    producer = Producer({**settings.kafka_options(), "transactional.id": settings.worker.group})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(settings.topics.partitions):
        producer.produce(traffic.topics.events, b"not yet", partition=number)
    assert producer.flush(30) == 0
    assert LogOffsets(settings).ends() == ends
    assert replay(settings, Earliest(), SystemClock(), Silent()).records == sum(ends.values())
    producer.abort_transaction(30)
