"""Which epoch the topics are in: it rises by itself when they are deleted and made anew.

Offsets then begin again at 0. Rows of the new topics must still count as later than those of the
old ones, so the version of a row has the epoch before the offset. Kafka gives each topic an id that
no other has; the table `_topic_epochs` has the epoch of each set of ids that a worker has met.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from clickhouse_connect.driver.client import Client

from core.clickhouse.client import connect, translate
from core.errors import BrokerUnavailable, SinkUnavailable
from core.settings import Settings
from schemas.topic_admin import identify_topics
from schemas.topics import Topics

TABLE: Final = "_topic_epochs"
_READ: Final = f"SELECT topic_ids, max(epoch) FROM {TABLE} GROUP BY topic_ids"  # noqa: S608 - our own name


def at_present_epoch(settings: Settings, *, record: bool = False) -> Settings:
    """The same settings with the epoch of the topics that Kafka has now; blocks.

    The setting is the lowest that it can be. With `record`, new topics are written down: only a
    worker does that, and only when all topics are there. Raises BrokerUnavailable, SinkUnavailable.
    """
    topic_ids = _topic_ids(settings)
    if topic_ids is None and record:
        raise BrokerUnavailable("Kafka lacks a topic: `clickstream topics create` makes it")
    floor = settings.topics.epoch
    with translate(settings, on_refusal=SinkUnavailable), connect(settings) as client:
        known = _read(client)
        epoch = epoch_of(topic_ids, known, floor)
        if topic_ids is not None and record and known.get(topic_ids) != epoch:
            insert = partial(client.insert, TABLE, column_names=("topic_ids", "epoch"))
            insert([(topic_ids, epoch)])
            # Another worker may have met other topics at the same moment.
            while (settled := settle_tie(topic_ids, _read(client))) != epoch:
                epoch = settled
                insert([(topic_ids, epoch)])
    topics = settings.topics.model_copy(update={"epoch": epoch})
    return settings.model_copy(update={"topics": topics})


def epoch_of(topic_ids: str | None, known: Mapping[str, int], floor: int) -> int:
    """The epoch of these topics; of topics that nobody has met, one above all others. Pure."""
    if topic_ids is None:
        return max([floor, *known.values()])
    if topic_ids in known:
        return max(known[topic_ids], floor)
    return max([floor, *(epoch + 1 for epoch in known.values())])


def settle_tie(topic_ids: str, known: Mapping[str, int]) -> int:
    """The same epoch, or the next one for all but the first of those that share it. Pure."""
    epoch = known[topic_ids]
    same = min(ids for ids, other in known.items() if other == epoch)
    return epoch if same == topic_ids else max(known.values()) + 1


def _read(client: Client) -> dict[str, int]:
    return {str(ids): int(epoch) for ids, epoch in client.query(_READ).result_rows}


def _topic_ids(settings: Settings) -> str | None:
    """None when one of them is missing."""
    topics = Topics.from_settings(settings)
    names = (topics.sessions, topics.events, topics.marks)
    found = identify_topics(settings, names)
    if len(found) < len(names):
        return None
    return " ".join(found[name].topic_id for name in names)
