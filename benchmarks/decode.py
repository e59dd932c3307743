"""What it costs to decode a fetch of events: record by record, and whole.

    python -m benchmarks.decode

Method: the same 50,000 encoded events (a full flush) are decoded by fastavro one at a time, and by
pyruhvro at once into Arrow. CPU time of this process, best of 5, since what disturbs a run can only
make it longer. Nothing else of the worker is in it: no Kafka, no join, no insert.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

import fastavro
import pyruhvro

from schemas.contracts import EVENT

RECORDS = 50_000
RUNS = 5


def main() -> None:
    encoded = [_encode(number) for number in range(RECORDS)]
    by_record = _best(
        lambda: [fastavro.schemaless_reader(io.BytesIO(e), EVENT.parsed, None) for e in encoded]
    )
    whole = _best(lambda: pyruhvro.deserialize_array(encoded, EVENT.text).validate(full=True))
    for name, seconds in (("fastavro, one by one", by_record), ("pyruhvro, whole", whole)):
        print(
            json.dumps(
                {
                    "benchmark": "decode",
                    "contender": name,
                    "records": RECORDS,
                    "cpu_us_per_record": round(seconds / RECORDS * 1e6, 3),
                }
            )
        )
    print(f"ratio: {by_record / whole:.1f}")


def _encode(number: int) -> bytes:
    record: dict[str, Any] = {
        "session_id": f"session-{number // 8:08d}",
        "event_id": f"event-{number}",
        "object_id": f"object-{number % 977}",
        "event_type": "click",
        "created_at": 1_700_000_000_000 + number,
        "meta": json.dumps({"rank_position": number % 20}),
        "received_at": 1_700_000_000_500 + number,
    }
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, EVENT.parsed, record)
    return buffer.getvalue()


def _decode(record: bytes) -> object:
    return fastavro.schemaless_reader(io.BytesIO(record), EVENT.parsed, None)


def _best(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest run."""
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


if __name__ == "__main__":
    main()
