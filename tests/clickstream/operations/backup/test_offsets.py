"""The offsets from which the workers go on after a restore."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.operations.backup.manifest import SavedTopic
from clickstream.operations.backup.offsets import LiveTopic, erasures_topic_recreated, plan_offsets
from clickstream.operations.backup.restore import RestoreOptions, _plan
from clickstream.operations.backup.restore_checks import Losses, find_losses
from core.errors import SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topics import Topics
from tests.clickstream.operations.backup.test_manifest import MANIFEST

NAMES = ("s", "e", "m")


def saved(name: str, *committed: int | None) -> SavedTopic:
    return SavedTopic(name, f"id of {name}", {}, committed, [100] * len(committed))


def live(
    name: str, low_watermarks: tuple[int, ...] = (0, 0), ends: tuple[int, ...] = (120, 120)
) -> LiveTopic:
    return LiveTopic(f"id of {name}", low_watermarks, ends)


AT_REST = replace(MANIFEST, epoch=3, topics=tuple(saved(name, 50, None) for name in NAMES))
SAME = {name: live(name) for name in NAMES}


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), min_size=1))
def test_nothing_that_is_not_in_the_backup_is_passed_over_without_a_word(
    partitions: list[tuple[int, int, int]],
) -> None:
    committed = [each[0] for each in partitions]
    low_watermarks = tuple(each[1] for each in partitions)
    ends = tuple(max(each[0], each[1]) + each[2] for each in partitions)
    manifest = replace(AT_REST, topics=(saved("s", *committed),))
    found = plan_offsets(manifest, {"s": live("s", low_watermarks, ends)}, ("s",), 3)
    for number, (wanted, low, end) in enumerate(zip(committed, low_watermarks, ends, strict=True)):
        begins, lost = found.offsets[Partition("s", number)], found.lost.get(Partition("s", number))
        assert low <= begins <= end
        assert begins - (lost or 0) == wanted


def test_the_same_topics_are_read_from_the_offsets_of_the_backup() -> None:
    found = plan_offsets(AT_REST, SAME, NAMES, 3)
    assert set(found.offsets.values()) == {50, 0}
    assert (found.records_to_reprocess, found.lost, found.topics_recreated) == (
        3 * (70 + 120),
        {},
        False,
    )


@pytest.mark.parametrize("now", [{}, SAME | {"s": replace(live("s"), topic_id="another")}])
def test_new_topics_need_a_higher_epoch(now: dict[str, LiveTopic]) -> None:
    with pytest.raises(SetupError, match="CLICKSTREAM_TOPICS__EPOCH=4"):
        plan_offsets(AT_REST, now, NAMES, 3)
    found = plan_offsets(AT_REST, now, NAMES, 4)
    assert found.topics_recreated
    assert found.offsets[Partition("s", 0)] == 0


def test_a_log_that_ends_before_the_offsets_of_the_backup_needs_a_higher_epoch() -> None:
    """Else the records that are yet to get those offsets would be passed over."""
    shorter = SAME | {"s": live("s", low_watermarks=(7, 0), ends=(49, 120))}
    with pytest.raises(SetupError, match="CLICKSTREAM_TOPICS__EPOCH=4"):
        plan_offsets(AT_REST, shorter, NAMES, 3)
    found = plan_offsets(AT_REST, shorter, NAMES, 4)
    assert found.topics_recreated
    assert found.offsets[Partition("s", 0)] == 7


def test_losses_are_refused_without_the_flag_that_accepts_them() -> None:
    Losses().check_accepted(erasures=False, records=False)
    both = Losses(("records are gone",), ("erasures are gone",))
    with pytest.raises(SetupError, match=r"erasures are gone.*--accept-missing-erasures"):
        both.check_accepted(erasures=False, records=True)
    with pytest.raises(SetupError, match=r"records are gone.*--accept-data-loss"):
        both.check_accepted(erasures=True, records=False)
    both.check_accepted(erasures=True, records=True)


def test_a_lost_topic_of_erasures_is_noticed() -> None:
    manifest = replace(AT_REST, topics=(saved("x", None),))
    assert erasures_topic_recreated(manifest, {"x": live("x", ends=(99, 120))}, "x")
    assert not erasures_topic_recreated(manifest, {"x": live("x")}, "x")
    assert erasures_topic_recreated(manifest, {}, "x")
    assert erasures_topic_recreated(manifest, {"x": replace(live("x"), topic_id="new")}, "x")


def test_a_copy_beside_the_live_tables_needs_no_kafka_when_erasures_may_be_missing() -> None:
    nowhere = Settings(_env_file=None, kafka_bootstrap_servers="127.0.0.1:1")
    options = RestoreOptions(into_database="copy", accept_missing_erasures=True)
    plan, losses = _plan(nowhere, AT_REST, options)
    assert plan is None
    assert losses.without_kafka
    losses.check_accepted(erasures=True, records=False)


def test_each_kind_of_loss_is_told_in_a_sentence() -> None:
    settings = Settings(_env_file=None)
    topic = Topics.from_settings(settings).erasures
    manifest = replace(AT_REST, topics=(*AT_REST.topics, saved(topic, None)))
    aged = SAME | {"s": live("s", (80, 0)), topic: live(topic)}
    plan = plan_offsets(manifest, aged, NAMES, 3)
    assert find_losses(settings, manifest, SAME | {topic: live(topic)}, None) == Losses()
    (lost,) = find_losses(settings, manifest, aged, plan).records
    assert "s/0: 30 records" in lost
    assert "clickstream erase" in find_losses(settings, manifest, SAME, None).erasures[0]
