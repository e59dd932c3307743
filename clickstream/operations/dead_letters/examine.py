"""What is in a letter: its bytes for people, and what the workers would say of it today."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clickstream.operations.dead_letters.dead_letter import Letter
from clickstream.operations.dead_letters.republish import outgoing
from core.errors import RecordRejected, SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.codec import Decoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.registry import SchemaRegistry
from schemas.topics import Topics, max_record_bytes
from stream_processors.consume.batches import FetchedBatch, Record, Records
from stream_processors.decode.batch import BatchDecoder

# Bytes in a line of a dump, as hexdump -C has them.
_WIDTH: Final = 16


@dataclass(frozen=True, slots=True)
class Sight:
    """`record` is what can be read of it, as JSON; `verdict` why it would fail again today, or
    None when a replay would be stored."""

    record: str | None
    verdict: str | None


class Looker:
    """Judges letters by the decoder of the workers, with this process's settings."""

    def __init__(self, settings: Settings, registry: SchemaRegistry) -> None:
        self._settings = settings
        self._registry = registry
        self._topics = Topics.from_settings(settings)
        self._decoders: dict[str, BatchDecoder] = {}

    def look(self, letter: Letter) -> Sight:
        """Blocks for the registry. Raises RegistryUnavailable; SetupError for a foreign topic."""
        return Sight(self._record(letter), self.verdict(letter))

    def verdict(self, letter: Letter) -> str | None:
        """Why a replay would fail again; None when it would be stored. Raises the same."""
        record = outgoing(letter, self._settings.topics.partitions)
        one = Records.of([Record(0, record.key, record.value, record.headers)])
        source = Partition(record.topic, record.partition)
        decoded = self._decoder(record.topic).decode([FetchedBatch(source, 0, 0, 1, [one])])
        return (
            f"{decoded.rejected[0].reason}: {decoded.rejected[0].error}"
            if decoded.rejected
            else None
        )

    def _record(self, letter: Letter) -> str | None:
        contract = self._contract(letter.entry.place.topic)
        try:
            record = Decoder(contract, self._registry).decode(letter.value or b"")
        except RecordRejected:
            return None
        return json.dumps(record, ensure_ascii=False)

    def _decoder(self, topic: str) -> BatchDecoder:
        if topic not in self._decoders:
            contract = self._contract(topic)
            self._decoders[topic] = BatchDecoder(
                contract,
                self._registry.register(topic + "-value", contract.text),
                self._registry,
                self._settings.topics.partitions,
                most_bytes=max_record_bytes(self._settings),
            )
        return self._decoders[topic]

    def _contract(self, topic: str) -> Contract:
        for contract in (SESSION, EVENT, MARK):
            if self._topics.topic_of(contract) == topic:
                return contract
        raise SetupError(f"{topic} is not one of our topics: see CLICKSTREAM_TOPICS__PREFIX")


def dump(value: bytes, most_bytes: int) -> Iterator[str]:
    """Lines as hexdump -C writes them; what lies beyond `most_bytes` is only counted."""
    shown = value[:most_bytes]
    for start in range(0, len(shown), _WIDTH):
        part = shown[start : start + _WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{3 * _WIDTH - 1}}  |{text}|"
    if len(value) > most_bytes:
        yield f"… {len(value) - most_bytes:,} more bytes"


def shown_bytes(value: bytes | None) -> str | None:
    """As text where it is printable UTF-8, else as hexadecimal digits; None for null."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "0x" + value.hex()
    return text if text.isprintable() else "0x" + value.hex()
