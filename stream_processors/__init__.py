"""The worker: reads records from Kafka, joins events to their sessions, writes rows to ClickHouse.

The way of a record:

1. `consume` fetches it with Faust, as columns (`faust_transport`, `fetch_columns`), and gathers
   fetches until they are worth a flush (`gather`).
2. `decode` turns the bytes into Arrow (`batch`), checks the contract (`contract_checks`), and sets
   aside records that can never be processed: `RejectedRecord`.
3. `join` decides all rows of the flush (`plan`): which session an event belongs to and at which
   position its object was shown (`join`), from memory (`recent_sessions`) or by look-ups.
4. `write` stores the rows (`write_plan`, `clickhouse`): rejected records as dead letters first,
   sessions last. `flush` has the order of the steps.
5. `consume.offset_ledger` then says which offsets may be committed.

`process` runs all of it: `worker` is the process, `assembly` puts the parts together from the
settings, `pipeline` decodes one flush while the one before is written.
"""
