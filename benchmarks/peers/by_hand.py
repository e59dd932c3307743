"""A sink by hand: confluent-kafka, fastavro, clickhouse-connect, and nothing else.

Batches of one topic's events, decoded one by one, inserted as columns, committed once ClickHouse
has them. No join, no validation, no dead letters.
"""

from __future__ import annotations

import json
import os
from io import BytesIO
from operator import itemgetter
from typing import Any, Final

import clickhouse_connect
from confluent_kafka import Consumer, KafkaException, Message
from fastavro import parse_schema, schemaless_reader

BATCH_ROWS: Final = 50_000
BATCH_SECONDS: Final = 0.3
# Before the Avro body: a zero byte and the schema's id.
WIRE_HEADER: Final = 5
# The lowest offset wins, as in our own tables.
HIGHEST_VERSION: Final = 2**64 - 1

FIELDS: Final = (
    *("session_id", "event_id", "object_id", "event_type"),
    *("created_at", "meta", "received_at"),
)
COLUMNS: Final = (*FIELDS, "kafka_partition", "version")


def main() -> None:
    """Until it is killed."""
    schema = parse_schema(json.loads(os.environ["SINK_SCHEMA"]))
    client = clickhouse_connect.get_client(dsn=os.environ["SINK_CLICKHOUSE_URL"])
    # Made once: otherwise every insert asks for the table's columns first.
    insert = client.create_insert_context(
        os.environ["SINK_TABLE"], column_names=COLUMNS, column_oriented=True
    )
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["SINK_BROKERS"],
            "group.id": os.environ["SINK_GROUP"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([os.environ["SINK_TOPIC"]])
    while True:
        messages = consumer.consume(BATCH_ROWS, timeout=BATCH_SECONDS)
        if messages:
            insert.data = columns_of(messages, schema)
            client.insert(context=insert)
            consumer.commit(asynchronous=False)


def columns_of(messages: list[Message], schema: Any) -> list[Any]:
    """In the order of `COLUMNS`."""
    records: list[Any] = []
    for message in messages:
        value = message.value()
        if value is None:
            raise KafkaException(message.error())
        records.append(schemaless_reader(BytesIO(value[WIRE_HEADER:]), schema, None))
    return [
        *zip(*map(itemgetter(*FIELDS), records), strict=True),
        [message.partition() for message in messages],
        [HIGHEST_VERSION - (message.offset() or 0) for message in messages],
    ]


if __name__ == "__main__":
    main()
