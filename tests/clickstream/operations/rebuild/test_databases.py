"""The names that a replay uses."""

from __future__ import annotations

from clickstream.operations.rebuild.bounds import Bounds
from clickstream.operations.rebuild.databases import Databases, on_database
from clickstream.operations.rebuild.shadow import KEEPING_ORDER
from core.clickhouse.client import address_of
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topics import Topics

SETTINGS = Settings(_env_file=None, clickhouse_url="https://me:p%2Fw@db.example:8443/shop")


def test_the_same_server_and_user_on_another_database() -> None:
    before, after = address_of(SETTINGS), address_of(on_database(SETTINGS, "shop_replay"))
    assert after.database == "shop_replay"
    assert (after.place, after.user, after.password) == (before.place, "me", "p/w")


def test_kept_tables_get_a_name_that_no_other_replay_uses() -> None:
    names = Databases.from_settings(SETTINGS)
    assert names.kept(1_782_864_000_123) == "shop_before_20260701_000000"
    assert names.kept(1_782_864_001_123) not in {names.shadow, names.retired}


def test_bounds_are_one_offset_a_partition_in_their_order() -> None:
    topics = Topics.from_settings(SETTINGS)
    offsets = {Partition(topics.events, 2): 7, Partition(topics.events, 0): 5}
    parameters = Bounds(topics, 3, offsets).parameters()
    assert parameters["events_before"] == [5, 0, 7]
    assert parameters["sessions_before"] == []
    assert parameters["epoch"] == 3


def test_waiting_events_are_copied_before_joined_ones() -> None:
    """One that is adopted in between would be in neither copy the other way round."""
    assert KEEPING_ORDER.index("unjoined_events") < KEEPING_ORDER.index("events")
