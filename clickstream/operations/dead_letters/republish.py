"""Put dead letters back into their topics. Doing it twice changes nothing: the first post wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from clickstream.operations.dead_letters.dead_letter import DeadLetter, Selection
from clickstream.operations.dead_letters.store import Act, DeadLetterStore
from core.clock import Clock
from core.errors import BrokerUnavailable, RecordRejected
from core.kafka.partitioner import partition_of_key
from core.settings import Settings
from schemas.codec import Decoder
from schemas.contracts import MARK
from schemas.dead_letters import Headers, Reason, without_republish_header
from schemas.registry import ConfluentRegistry, SchemaRegistry
from schemas.topics import Topics, max_dead_letter_bytes

# Seconds to wait for Kafka's acknowledgement of one block.
_ACK_SECONDS: Final = 30.0

# Seconds between two attempts while the producer's queue is full.
_QUEUE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Skipped:
    """A dead letter that is not republished, and why."""

    dead_letter: DeadLetter
    reason: str


@dataclass(frozen=True, slots=True)
class Republished:
    """What became of a selection. Kafka has acknowledged those in `sent`."""

    sent: Sequence[DeadLetter]
    skipped: Sequence[Skipped]


def republish(
    settings: Settings,
    clock: Clock,
    selection: Selection,
    *,
    key: str | None = None,
    value: bytes | None = None,
) -> Republished:
    """Put the selected dead letters back; `key` and `value` replace theirs where given. Blocks.

    Raises Unavailable for a server that does not answer. What was republished until then is noted,
    and a second run continues.
    """
    with (
        DeadLetterStore(settings, clock) as store,
        ConfluentRegistry.from_settings(settings) as registry,
    ):
        republisher = Republisher(settings, store, Superseded(settings, store, registry))
        return republisher.republish(_amended(store.dead_letters(selection), key, value))


def without_obstacle(
    block: Sequence[DeadLetter],
    skipped: list[Skipped],
    *obstacles: Callable[[DeadLetter], str | None],
) -> list[DeadLetter]:
    """The dead letters without an obstacle. The others are added to `skipped`, each with its first
    obstacle."""
    ready = []
    for each in block:
        reason = next(filter(None, (obstacle(each) for obstacle in obstacles)), None)
        if reason is None:
            ready.append(each)
        else:
            skipped.append(Skipped(each.without_content(), reason))
    return ready


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The record that repeats a dead letter."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def outgoing(dead_letter: DeadLetter, partitions: int) -> Outgoing:
    """The record as it was posted, on the partition of its key, with a header that names the dead
    letter and the attempt."""
    partition = dead_letter.last.partition
    if dead_letter.key is not None:
        partition = partition_of_key(dead_letter.key, partitions)
    headers = [
        *without_republish_header(dead_letter.headers),
        dead_letter.next_attempt().header(),
    ]
    topic = dead_letter.summary.id.topic
    return Outgoing(topic, partition, dead_letter.key, dead_letter.value, headers)


def not_whole(dead_letter: DeadLetter) -> str | None:
    """Why a dead letter cannot be republished that was cut, or is no record; None for others."""
    if dead_letter.summary.reason == Reason.UNDECODABLE_BATCH and dead_letter.key is None:
        return (
            "it is a batch of Kafka's that nobody can read: give each of its records with --key and"
            " --value-file"
        )
    if dead_letter.summary.cut_bytes:
        return (
            f"{dead_letter.summary.cut_bytes:,} bytes of it are not kept: give the record with"
            " --value-file"
        )
    return None


class Superseded:
    """Tells whether a dead letter is a mark with a newer one of the same session.

    Of sessions and events the first post wins, so republishing cannot change them. Of marks the
    last one wins: a republished mark must not undo a newer one.
    """

    def __init__(
        self, settings: Settings, store: DeadLetterStore, registry: SchemaRegistry
    ) -> None:
        self._marks = Topics.from_settings(settings).marks
        self._store = store
        self._decoder = Decoder(MARK, registry)

    def __call__(self, dead_letter: DeadLetter) -> str | None:
        """Why the mark is superseded; None when it is not, or cannot be read.

        Raises RegistryUnavailable, SinkUnavailable.
        """
        if dead_letter.summary.id.topic != self._marks or dead_letter.value is None:
            return None
        try:
            mark = self._decoder.decode(dead_letter.value)
        except RecordRejected:
            return None  # it supersedes nothing: it fails again
        stored = self._store.newest_mark(mark["session_id"])
        posted = datetime.fromtimestamp(mark["received_at"] / 1000, UTC)
        if stored is not None and stored >= posted:
            return "this mark, or a newer one of the same session, is stored"
        return None


class Republisher:
    """Publishes dead letters, and notes what was published."""

    def __init__(
        self,
        settings: Settings,
        store: DeadLetterStore,
        superseded: Callable[[DeadLetter], str | None],
    ) -> None:
        self._partitions = settings.topics.partitions
        self._servers = settings.kafka_bootstrap_servers
        self._store = store
        self._superseded = superseded
        self._producer = Producer(
            {
                **settings.kafka_options(),
                "acks": "all",
                "enable.idempotence": True,
                "message.max.bytes": max_dead_letter_bytes(settings),
                "log_level": 0,
            }
        )

    def republish(self, blocks: Iterable[Sequence[DeadLetter]]) -> Republished:
        """Publish one block after another. Blocks until Kafka has acknowledged all of them.

        Raises BrokerUnavailable: the blocks before that are done, the others are unchanged.
        """
        sent: list[DeadLetter] = []
        skipped: list[Skipped] = []
        for block in blocks:
            ready = without_obstacle(block, skipped, not_whole, self._superseded)
            self._publish([outgoing(each, self._partitions) for each in ready])
            # After the acknowledgement: one that is noted and not published would be lost.
            self._store.note(
                Act.REPUBLISHED, ((each.summary.id, each.next_attempt().number) for each in ready)
            )
            sent += [each.without_content() for each in ready]
        return Republished(sent, skipped)

    def _publish(self, records: Sequence[Outgoing]) -> None:
        failed: list[str] = []

        def on_delivery(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(str(error))

        for record in records:
            self._produce(record, on_delivery)
        left = self._producer.flush(_ACK_SECONDS)
        if left or failed:
            reason = failed[0] if failed else f"{left} not acknowledged in {_ACK_SECONDS:.0f} s"
            raise self._unavailable(reason)

    def _produce(self, record: Outgoing, on_delivery: Any) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    partition=record.partition,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    on_delivery=on_delivery,
                )
            except BufferError:
                self._producer.poll(_QUEUE_SECONDS)
            except KafkaException as error:
                raise self._unavailable(str(error)) from error
            else:
                return

    def _unavailable(self, reason: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"Kafka at {self._servers} did not take all dead letters ({reason}): run the command"
            " again to continue"
        )


def _amended(
    blocks: Iterator[Sequence[DeadLetter]], key: str | None, value: bytes | None
) -> Iterator[Sequence[DeadLetter]]:
    for block in blocks:
        yield [_with(each, key, value) for each in block]


def _with(dead_letter: DeadLetter, key: str | None, value: bytes | None) -> DeadLetter:
    if key is not None:
        dead_letter = replace(dead_letter, key=key.encode())
    if value is not None:
        summary = replace(dead_letter.summary, cut_bytes=0)
        dead_letter = replace(dead_letter, value=value, summary=summary)
    return dead_letter
