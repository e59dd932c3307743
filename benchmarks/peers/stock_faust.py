"""A sink of stock Faust, as its documentation has it: an agent, `take`, a batch insert.

Events of one topic, decoded one by one, inserted by clickhouse-connect's asynchronous client. Faust
commits what was taken. No join, no validation, no dead letters.
"""

from __future__ import annotations

import json
import os
from io import BytesIO
from typing import Any, Final

import clickhouse_connect
import faust
from fastavro import parse_schema, schemaless_reader

BATCH_ROWS: Final = 5_000
BATCH_SECONDS: Final = 1.0
# Before the Avro body: a zero byte and the schema's id.
WIRE_HEADER: Final = 5
# The lowest offset wins, as in our own tables.
HIGHEST_VERSION: Final = 2**64 - 1

FIELDS: Final = (
    *("session_id", "event_id", "object_id", "event_type"),
    *("created_at", "meta", "received_at"),
)
COLUMNS: Final = (*FIELDS, "kafka_partition", "version")

SCHEMA: Final = parse_schema(json.loads(os.environ["SINK_SCHEMA"]))

app = faust.App(
    os.environ["SINK_GROUP"],
    broker=f"kafka://{os.environ['SINK_BROKERS']}",
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
    web_enabled=False,
)
events = app.topic(
    os.environ["SINK_TOPIC"], key_type=bytes, value_type=bytes, value_serializer="raw"
)


@app.agent(events)
async def store(stream: Any) -> None:
    """Until it is killed."""
    client = await clickhouse_connect.get_async_client(dsn=os.environ["SINK_CLICKHOUSE_URL"])
    # Made once: otherwise every insert asks for the table's columns first.
    insert = await client.create_insert_context(
        os.environ["SINK_TABLE"], column_names=COLUMNS, column_oriented=True
    )
    async for batch in stream.take_events(BATCH_ROWS, within=BATCH_SECONDS):
        insert.data = columns_of(batch)
        await client.insert(context=insert)


def columns_of(batch: Any) -> list[Any]:
    """In the order of `COLUMNS`."""
    records: list[Any] = [
        schemaless_reader(BytesIO(event.value[WIRE_HEADER:]), SCHEMA, None) for event in batch
    ]
    return [
        *([record[name] for record in records] for name in FIELDS),
        [event.message.partition for event in batch],
        [HIGHEST_VERSION - event.message.offset for event in batch],
    ]
