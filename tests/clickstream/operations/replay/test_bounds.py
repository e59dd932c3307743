"""Offsets, as the queries of a replay take them."""

from __future__ import annotations

from clickstream.operations.replay.bounds import Bounds
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topics import Topics


def test_bounds_are_one_offset_a_partition_in_their_order() -> None:
    topics = Topics.from_settings(Settings(_env_file=None))
    offsets = {Partition(topics.events, 2): 7, Partition(topics.events, 0): 5}
    parameters = Bounds(topics, 3, offsets).parameters()
    assert parameters["events_before"] == [5, 0, 7]
    assert parameters["sessions_before"] == []
    assert parameters["epoch"] == 3
