"""What it costs to give records to librdkafka one by one, or gathered for each tick.

    python -m benchmarks.produce_batching

Method: one process with the edge's event loop (uvloop) and options, the local Kafka, acks=all. 64
senders send events of 200 bytes under random session ids and wait for the acknowledgement, in three
shapes: `paced` (each sender waits between two sends, 4,000 a second in all), `flat out` (the next
send follows the acknowledgement), `of ten` (the same with ten records a send). The contenders take
turns within each round, in an order that changes from round to round, so that what else the machine
does hits them alike. CPU time of this process with librdkafka's threads, and of the broker, per
record; latencies of single sends; medians over the rounds. The senders are a part of the first
figure, the same for all.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import uvloop

from benchmarks.cpu import cpu_seconds
from benchmarks.lab import Lab, local_lab
from benchmarks.peers.batched_producer import BatchedProducer
from core.settings import Settings
from producers.async_producer import AsyncProducer, Options
from producers.kafka_publisher import producer_options
from schemas.topics import Topics

ROUNDS: Final = 5
SECONDS: Final = 2.5
_WARM_UP_SECONDS: Final = 0.5
_SENDERS: Final = 64
_VALUE: Final = bytes(range(200))

Make = Callable[[Options, Callable[[], None]], AsyncProducer]


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to produce."""

    name: str
    make: Make
    linger_ms: float


@dataclass(frozen=True, slots=True)
class Shape:
    """How the senders send. `pause` is the mean time between a sender's sends, seconds."""

    name: str
    records: int
    pause: float


@dataclass(slots=True)
class Outcome:
    """Of one contender, one shape, one round."""

    records: int = 0
    seconds: float = 0.0
    ours: float = 0.0
    broker: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        return {
            "our_cpu_us_per_record": self.ours / self.records * 1e6,
            "broker_cpu_us_per_record": self.broker / self.records * 1e6,
            "p50_ms": ordered[len(ordered) // 2] * 1e3,
            "p99_ms": ordered[len(ordered) * 99 // 100] * 1e3,
            "records_per_second": self.records / self.seconds,
        }


CONTENDERS: Final = (
    Contender("gathered, linger 1", BatchedProducer, 1),
    Contender("one by one, linger 1", AsyncProducer, 1),
    Contender("one by one, linger 2", AsyncProducer, 2),
)
SHAPES: Final = (
    Shape("paced", 1, _SENDERS / 4_000),
    Shape("flat out", 1, 0.0),
    Shape("of ten", 10, 0.0),
)


def main() -> None:
    with local_lab() as lab, lab.isolated() as settings:
        for (shape, contender), figures in _measured(lab, settings):
            print(json.dumps({"shape": shape, "contender": contender, **figures}))


def _measured(lab: Lab, settings: Settings) -> Iterator[tuple[tuple[str, str], dict[str, float]]]:
    outcomes: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number in range(ROUNDS):
        turn = number % len(CONTENDERS)
        for shape in SHAPES:
            for contender in (*CONTENDERS[turn:], *CONTENDERS[:turn]):
                outcome = uvloop.run(_drive(contender, shape, settings, lab.kafka_pid))
                outcomes.setdefault((shape.name, contender.name), []).append(outcome.figures())
    for key, rounds in sorted(outcomes.items()):
        yield key, {name: round(median(each[name] for each in rounds), 1) for name in rounds[0]}


async def _drive(
    contender: Contender, shape: Shape, settings: Settings, broker: int | None
) -> Outcome:
    topic = Topics.from_settings(settings).events
    options = {**producer_options(settings), "linger.ms": contender.linger_ms}
    producer = contender.make(options, lambda: None)
    outcome = Outcome()
    await _send_for(_WARM_UP_SECONDS, producer, shape, topic, Outcome())
    ours, theirs = time.process_time(), cpu_seconds(broker) if broker else 0.0
    begun = time.perf_counter()
    await _send_for(SECONDS, producer, shape, topic, outcome)
    outcome.seconds = time.perf_counter() - begun
    outcome.ours = time.process_time() - ours
    outcome.broker = (cpu_seconds(broker) if broker else 0.0) - theirs
    await producer.close(5)
    return outcome


async def _send_for(
    seconds: float, producer: AsyncProducer, shape: Shape, topic: str, outcome: Outcome
) -> None:
    stop_at = time.perf_counter() + seconds
    values = [_VALUE] * shape.records

    async def send_again_and_again(chance: random.Random) -> None:
        while (begun := time.perf_counter()) < stop_at:
            await producer.send(topic, b"session-%d" % chance.randrange(10**6), values)
            outcome.latencies.append(time.perf_counter() - begun)
            outcome.records += shape.records
            if shape.pause:
                await asyncio.sleep(chance.expovariate(1 / shape.pause))

    async with asyncio.TaskGroup() as senders:
        for seed in range(_SENDERS):
            senders.create_task(send_again_and_again(random.Random(seed)))  # noqa: S311  (no secret)


if __name__ == "__main__":
    main()
