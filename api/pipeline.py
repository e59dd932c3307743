"""GET /analytics/pipeline: what has been accepted and is not in the numbers yet, and why."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Response
from msgspec import Meta

from api.metrics.responses import AsOf
from api.queries import AS_OF, DEAD_LETTER_REASONS, DeadLetterReasonRow
from api.responses import Count
from api.store import Store
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.kafka.offsets import KafkaOffsets
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topics import Topics


class Behind(msgspec.Struct, frozen=True):
    """One partition of a topic."""

    topic: str
    partition: int
    records: Annotated[Count, Meta(description="Accepted, and not yet in ClickHouse")]


class Pipeline(msgspec.Struct, frozen=True):
    """How far what was accepted has come."""

    as_of: AsOf
    records_behind: Annotated[Count, Meta(description="Of all partitions")]
    partitions: Annotated[list[Behind], Meta(description="Those that are behind")]
    workers: Annotated[Count, Meta(description="Members of the consumer group of the workers")]
    dead_letters: list[DeadLetterReasonRow]


_EXAMPLE = {
    "as_of": 1701043212345,
    "records_behind": 120,
    "partitions": [{"topic": "clickstream.events", "partition": 3, "records": 120}],
    "workers": 2,
    "dead_letters": [{"reason": "invalid_record", "records": 4, "latest_at": 1701043200000}],
}


def pipeline_router(store: Store, offsets: KafkaOffsets, settings: Settings) -> APIRouter:
    """The route. `offsets` are of the group of the workers."""
    router = APIRouter(
        prefix="/analytics", tags=["read"], dependencies=[Depends(known_parameters_only)]
    )
    topics = Topics.from_settings(settings)
    written = [
        Partition(topic, number)
        for topic in (topics.sessions, topics.events, topics.marks)
        for number in range(settings.topics.partitions)
    ]
    seconds = settings.reads.query_seconds

    @router.get(
        "/pipeline",
        summary="How far what was accepted has come",
        responses=response_docs(Pipeline, _EXAMPLE),
    )
    async def analytics_pipeline() -> Response:
        """503 when Kafka or ClickHouse do not answer."""
        # The ends last: the group cannot have read beyond them.
        committed, workers = await asyncio.gather(offsets.committed(written), offsets.members())
        ends = await offsets.ends(written)
        (noted,) = await store.rows(AS_OF, seconds)
        behind = [
            Behind(each.topic, each.partition, max(0, ends[each] - committed.get(each, 0)))
            for each in written
        ]
        told = Pipeline(
            noted.as_of,
            sum(each.records for each in behind),
            [each for each in behind if each.records],
            workers,
            await store.rows(DEAD_LETTER_REASONS, seconds),
        )
        return Response(msgspec.json.encode(told), media_type="application/json")

    return router
