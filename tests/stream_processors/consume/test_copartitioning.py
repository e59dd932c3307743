"""A session, its events and its marks always meet on one worker, whoever comes and goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stream_processors.fleet import Fleet, Shares

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


def same_partitions_of_every_topic(shares: Shares) -> None:
    for share in shares.values():
        numbers = list(share.values())
        assert not numbers or len(numbers) == 3
        assert all(numbers[0] == other for other in numbers)


@pytest.mark.timeout(600)
def test_partition_n_of_all_topics_has_one_owner_while_workers_come_and_go(
    settings: Settings, tmp_path: Path
) -> None:
    with Fleet(settings, tmp_path, count=2) as fleet:
        same_partitions_of_every_topic(fleet.shares())
        fleet.scale(3)
        same_partitions_of_every_topic(fleet.shares())
        fleet.kill(0)
        same_partitions_of_every_topic(fleet.shares())
        fleet.scale(1)
        same_partitions_of_every_topic(fleet.shares())
