"""Wait until nobody can still write what he decided to write before he knew of the erasure."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from clickstream.operations.erasure.deadline import Deadline
from clickstream.operations.rebuild.databases import Databases
from clickstream.operations.rebuild.in_progress import running_inserts
from core.clickhouse.admin import Server
from core.consistency.sink_progress import SinkProgress
from core.kafka.offsets import KafkaOffsets
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topics import Topics

# Each question to Kafka, seconds; and between two looks at ClickHouse.
_REQUEST_SECONDS: Final = 5.0
_LOOK_AGAIN_SECONDS: Final = 0.1

_SINK: Final = "waiting for the workers to write what they had in hand (are they running?)"
_INSERTS: Final = "waiting for inserts that were under way"


def until_heeded(settings: Settings, server: Server, deadline: Deadline) -> None:
    """Return once every flush is over that began before this call, and every insert, those of
    settled days included. Raises SinkBehind, BrokerUnavailable, SinkUnavailable.

    A worker looks for erasures after each flush and before its commit. So once everything is
    committed that is in the log now, what was written without heeding an erasure announced before
    this call is there to be found, or was taken back.
    """
    databases = Databases.from_settings(settings)
    # After the commits, so that nothing more of those flushes can arrive.
    asyncio.run(_until_committed(settings, deadline))
    inserts = running_inserts(server, databases)
    while inserts & running_inserts(server, databases):
        deadline.left(_INSERTS)
        time.sleep(_LOOK_AGAIN_SECONDS)


async def _until_committed(settings: Settings, deadline: Deadline) -> None:
    topics = Topics.from_settings(settings)
    offsets = KafkaOffsets(
        settings.kafka_options(), group=settings.worker.group, request_seconds=_REQUEST_SECONDS
    )
    progress = SinkProgress(offsets)
    try:
        async with asyncio.timeout(deadline.left(_SINK)):
            ends = await progress.ends(
                [
                    Partition(topic, number)
                    for topic in (topics.sessions, topics.events, topics.marks)
                    for number in range(settings.topics.partitions)
                ]
            )
            await progress.reached(ends)
    except TimeoutError:
        raise deadline.passed(_SINK) from None
    finally:
        await progress.close()
