"""Topics that are made anew get a later epoch by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core import clickhouse
from schemas.topic_epochs import TABLE, at_present_epoch, epoch_of, settle_tie

if TYPE_CHECKING:
    from core.settings import Settings


@pytest.mark.parametrize(
    ("known", "floor", "epoch"),
    [
        ({}, 0, 0),
        ({}, 3, 3),  # rows of before there was the table carry the setting
        ({"ours": 2}, 0, 2),
        ({"ours": 2}, 3, 3),
        ({"other": 2}, 0, 3),
        ({"other": 2}, 7, 7),
        ({"other": 0, "ours": 1, "newer": 2}, 0, 1),
    ],
)
def test_known_topics_keep_their_epoch_and_new_ones_get_the_next(
    known: dict[str, int], floor: int, epoch: int
) -> None:
    assert epoch_of("ours", known, floor) == epoch


def test_two_that_were_met_at_once_do_not_share_an_epoch() -> None:
    known = {"a": 3, "b": 3, "c": 1}
    assert settle_tie("a", known) == 3
    assert settle_tie("b", known) == 4
    assert settle_tie("b", known | {"b": 4}) == 4


@pytest.mark.engines
def test_a_worker_writes_down_what_it_meets_and_later_ones_find_it(settings: Settings) -> None:
    assert at_present_epoch(settings).topics.epoch == 0
    with clickhouse.connect(settings) as client:
        assert client.query(f"SELECT count() FROM {TABLE}").result_rows == [(0,)]  # noqa: S608
        assert at_present_epoch(settings, record=True).topics.epoch == 0
        assert at_present_epoch(settings, record=True).topics.epoch == 0
        assert client.query(f"SELECT count() FROM {TABLE}").result_rows == [(1,)]  # noqa: S608
        # As if these topics had been made after others.
        client.command(f"TRUNCATE TABLE {TABLE}")
        client.insert(TABLE, [("others", 4)], column_names=("topic_ids", "epoch"))
    assert at_present_epoch(settings).topics.epoch == 5
    assert at_present_epoch(settings, record=True).topics.epoch == 5
    assert at_present_epoch(settings).topics.epoch == 5
