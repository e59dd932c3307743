"""Rows that this log cannot have made."""

from __future__ import annotations

import pytest

from clickstream.operations.replay.checks import check_older, check_reach
from core.errors import SetupError
from core.kafka.partitions import Partition

A = Partition("clickstream.sessions", 0)


def test_rows_of_this_log_are_fine() -> None:
    check_reach({(A, 0): 9}, 0, {A: 10})


def test_a_row_from_beyond_the_end_of_the_log_is_from_another_log() -> None:
    with pytest.raises(SetupError, match=r"sessions/0@10.*ends at 10"):
        check_reach({(A, 0): 10}, 0, {A: 10})


def test_a_row_from_a_partition_that_is_not_there_is_from_another_log() -> None:
    with pytest.raises(SetupError, match="another Kafka"):
        check_reach({(Partition("clickstream.sessions", 8), 0): 0}, 0, {A: 10})


def test_rows_from_before_the_topics_were_made_anew_can_only_be_kept() -> None:
    reached = {(A, 0): 1_000_000, (A, 1): 3}
    check_reach(reached, 1, {A: 10})
    check_older(reached, 1, keeps_older=True)
    with pytest.raises(SetupError, match="--from offset:0 keeps them"):
        check_older(reached, 1, keeps_older=False)


def test_rows_of_a_later_epoch_tell_that_the_setting_is_wrong() -> None:
    with pytest.raises(SetupError, match="CLICKSTREAM_TOPICS__EPOCH"):
        check_reach({(A, 2): 3}, 1, {A: 10})
