"""The same records in many orders, in many cuts: the same tables."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from typing import Any

from tests.stream_processors.flushing import World
from tests.stream_processors.memory_sink import clean_up
from tests.stream_processors.records import NOW_MS, event, mark, session

MESSAGES = 10_000
# Fifty take over a minute: `make faults` asks for them, CI is content with the default.
ORDERS = int(os.environ.get("CLICKSTREAM_TEST_ORDERS", "2"))

# What says when and where a record came, not what it is; and of facts the session as it was stored.
PROVENANCE = {"kafka_offset", "kafka_partition", "version", "of"}


def messages(chance: random.Random) -> list[dict[str, Any]]:
    """Sessions, events and marks; one in ten contradicts an earlier one of its key."""
    records: list[dict[str, Any]] = []
    while len(records) < MESSAGES:
        id_ = f"s{chance.randrange(1_200)}"
        kind = chance.random()
        if kind < 0.2:
            shown = chance.sample("abcdefgh", chance.randrange(8))
            day = NOW_MS - chance.randrange(3) * 86_400_000
            records.append(session(id_, shown, created_at=day))
        elif kind < 0.95:
            event_id = f"e{chance.randrange(8)}"
            records.append(event(id_, event_id, chance.choice("abcdefgh")))
        else:
            records.append(mark(id_, chance.random() < 0.5))
    return records


def key_of(record: dict[str, Any]) -> tuple[str, ...]:
    """Records of one key contradict each other; their order is their meaning."""
    if "search_results" in record:
        return "session", record["session_id"]
    if "event_id" in record:
        return "event", record["session_id"], record["event_id"]
    return "mark", record["session_id"]


def shuffled(records: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    """Any order, except that records of one key keep theirs."""
    mixed = chance.sample(records, len(records))
    in_order: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for record in reversed(records):
        in_order[key_of(record)].append(record)
    return [in_order[key_of(record)].pop() for record in mixed]


def tables_after(records: list[dict[str, Any]], chance: random.Random) -> dict[str, Any]:
    """Post in cuts of random size, with a restart now and then; what is stored at the end."""
    world = World(index_bytes=chance.choice([0, 200_000, 10_000_000]))
    rest = records
    while rest:
        size = chance.randrange(100, 3_000)
        world.post_together(rest[:size])
        rest = rest[size:]
        if chance.random() < 0.2:
            world.restart()
    clean_up(world.sink)
    return {
        name: {
            key: tuple(str(value) for field, value in row.items() if field not in PROVENANCE)
            for key, row in table.items()
        }
        for name, table in world.sink.tables.items()
    }


def test_ten_thousand_messages_in_many_orders_give_the_same_tables() -> None:
    records = messages(random.Random(1))
    expected = tables_after(records, random.Random(2))
    assert all(expected.values())
    for seed in range(ORDERS):
        chance = random.Random(seed)
        assert tables_after(shuffled(records, chance), chance) == expected
