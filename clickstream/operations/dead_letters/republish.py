"""Letters back into their topics. Replaying one again changes nothing: first post wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from clickstream.operations.dead_letters.dead_letter import Letter
from clickstream.operations.dead_letters.store import Act, LetterStore
from core.errors import BrokerUnavailable, RecordRejected
from core.kafka.partitioner import partition_of_key
from core.settings import Settings
from schemas.codec import Decoder
from schemas.contracts import MARK
from schemas.dead_letters import Headers, without_replay_header
from schemas.registry import SchemaRegistry
from schemas.topics import Topics, max_dead_letter_bytes

# Longest wait for the acknowledgement of one block of letters, seconds.
_ACK_SECONDS: Final = 30.0

# How long to let the producer's queue run down when it is full, seconds.
_QUEUE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The record that repeats a letter."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that is not replayed, and why."""

    letter: Letter
    why: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a selection. Those `sent` are acknowledged by Kafka."""

    sent: Sequence[Letter]
    kept: Sequence[Kept]


def outgoing(letter: Letter, partitions: int) -> Outgoing:
    """As it was posted, on the partition where its key belongs; and which letter it repeats."""
    partition = letter.last_partition
    if letter.key is not None:
        partition = partition_of_key(letter.key, partitions)
    headers = [*without_replay_header(letter.headers), letter.next_attempt().header()]
    return Outgoing(letter.entry.place.topic, partition, letter.key, letter.value, headers)


class Superseded:
    """Whether a letter is a mark that a newer one has overtaken.

    Of sessions and events the first wins, so that a replay cannot take anything back. Of marks the
    last one wins: a replayed one must not undo what was said after it.
    """

    def __init__(self, settings: Settings, store: LetterStore, registry: SchemaRegistry) -> None:
        self._marks = Topics.from_settings(settings).marks
        self._store = store
        self._decoder = Decoder(MARK, registry)

    def __call__(self, letter: Letter) -> str | None:
        """Why it is; None when it is not, or cannot be read. Raises RegistryUnavailable."""
        if letter.entry.place.topic != self._marks or letter.value is None:
            return None
        try:
            mark = self._decoder.decode(letter.value)
        except RecordRejected:
            return None  # it cannot overtake anything: it fails again
        stored = self._store.newest_mark(mark["session_id"])
        posted = datetime.fromtimestamp(mark["received_at"] / 1000, UTC)
        if stored is not None and stored >= posted:
            return "this mark, or a newer one of the same session, is stored"
        return None


class Replayer:
    """Publishes letters and remembers that it did."""

    def __init__(
        self,
        settings: Settings,
        store: LetterStore,
        superseded: Callable[[Letter], str | None],
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

    def replay(self, letters: Iterable[Sequence[Letter]]) -> Replayed:
        """Blocks until Kafka has acknowledged all of them, block by block.

        Raises BrokerUnavailable: blocks before that are replayed, the rest is as it was; repeat it.
        """
        sent: list[Letter] = []
        kept: list[Kept] = []
        for block in letters:
            ready = []
            for letter in block:
                why = why_not(letter) or self._superseded(letter)
                if why is None:
                    ready.append(letter)
                else:
                    kept.append(Kept(letter, why))
            self._publish([outgoing(letter, self._partitions) for letter in ready])
            # Only now: a letter noted and not published would be out of sight, and lost.
            self._store.note(
                Act.REPLAYED,
                ((letter.entry.place, letter.next_attempt().number) for letter in ready),
            )
            sent += [letter.without_content() for letter in ready]
        return Replayed(sent, kept)

    def _publish(self, records: Sequence[Outgoing]) -> None:
        failed: list[str] = []

        def on_delivery(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(str(error))

        for record in records:
            self._produce(record, on_delivery)
        left = self._producer.flush(_ACK_SECONDS)
        if left or failed:
            said = failed[0] if failed else f"{left} not acknowledged in {_ACK_SECONDS:.0f} s"
            raise self._unavailable(said)

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

    def _unavailable(self, why: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"Kafka at {self._servers} did not take all letters ({why}): run the command again,"
            " it goes on where it stopped"
        )


def why_not(letter: Letter) -> str | None:
    """Why a letter cannot be replayed as it is; None when it can."""
    if letter.entry.cut_bytes:
        return (
            f"{letter.entry.cut_bytes:,} bytes of it are not kept: give the record with"
            " --value-file"
        )
    return None
