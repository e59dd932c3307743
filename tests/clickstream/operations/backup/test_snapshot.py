"""The order in which the tables are cloned makes the snapshot consistent."""

from __future__ import annotations

import random

from clickstream.operations.backup.snapshot import snapshot_order

TABLES = ["dead_letters", "erased_sessions", "erasures", "events", "mine", "session_marks"]
ALL = sorted([*TABLES, "sessions", "unjoined_events"])


def test_no_row_can_move_from_a_table_not_yet_cloned_into_one_that_is() -> None:
    for _ in range(20):
        order = snapshot_order(random.sample(ALL, len(ALL)))
        assert sorted(order) == ALL
        assert order.index("unjoined_events") < order.index("events")
        assert order.index("sessions") < min(order.index("events"), order.index("session_marks"))
        assert {"erased_sessions", "erasures"} == set(order[-2:])


def test_tables_that_are_not_there_are_not_asked_for() -> None:
    assert snapshot_order(["events", "mine"]) == ["events", "mine"]
