"""What the workers would do with a dead letter now; dead letters as text, and as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream.operations.dead_letters.dead_letter import (
    DeadLetter,
    Selection,
    Summary,
    advice_on,
)
from clickstream.operations.dead_letters.republish import (
    Republished,
    Skipped,
    Superseded,
    not_whole,
    outgoing,
    without_obstacle,
)
from clickstream.operations.dead_letters.store import DeadLetterStore
from core.clock import Clock
from core.errors import RecordRejected, SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.codec import Decoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.registry import ConfluentRegistry, SchemaRegistry
from schemas.topics import Topics, max_record_bytes
from stream_processors.consume.batches import FetchedBatch, Record, Records
from stream_processors.decode.batch import BatchDecoder

# Bytes of a value that `show` prints by default: one screen.
DUMP_BYTES: Final = 512

# Bytes in a line of a dump, as in `hexdump -C`.
_WIDTH: Final = 16


@dataclass(frozen=True, slots=True)
class Inspection:
    """`record` is the record as JSON, None when it cannot be read. `error` is why it would fail
    again now, None when it would be stored."""

    record: str | None
    error: str | None


class Inspector:
    """Decodes dead letters with the decoder of the workers and the settings of this process."""

    def __init__(self, settings: Settings, registry: SchemaRegistry) -> None:
        self._settings = settings
        self._registry = registry
        self._topics = Topics.from_settings(settings)
        self._decoders: dict[str, BatchDecoder] = {}

    def inspect(self, dead_letter: DeadLetter) -> Inspection:
        """Blocks. Raises RegistryUnavailable; SetupError for a topic that is not ours."""
        return Inspection(self._record(dead_letter), self.error(dead_letter))

    def error(self, dead_letter: DeadLetter) -> str | None:
        """Why it would fail again; None when it would be stored. Raises as `inspect`."""
        record = outgoing(dead_letter, self._settings.topics.partitions)
        one = Records.of([Record(0, record.key, record.value, record.headers)])
        source = Partition(record.topic, record.partition)
        decoded = self._decoder(record.topic).decode([FetchedBatch(source, 0, 0, 1, [one])])
        return (
            f"{decoded.rejected[0].reason}: {decoded.rejected[0].error}"
            if decoded.rejected
            else None
        )

    def _record(self, dead_letter: DeadLetter) -> str | None:
        contract = self._contract(dead_letter.summary.id.topic)
        try:
            record = Decoder(contract, self._registry).decode(dead_letter.value or b"")
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


def preview(settings: Settings, clock: Clock, selection: Selection) -> Republished:
    """What the workers would do with the selected dead letters now. Changes nothing.

    Those in `sent` would be stored, those in `skipped` would not.
    """
    sent: list[DeadLetter] = []
    skipped: list[Skipped] = []
    with (
        DeadLetterStore(settings, clock) as store,
        ConfluentRegistry.from_settings(settings) as registry,
    ):
        superseded = Superseded(settings, store, registry)
        inspector = Inspector(settings, registry)
        for block in store.dead_letters(selection):
            ready = without_obstacle(block, skipped, not_whole, superseded, inspector.error)
            sent += [each.without_content() for each in ready]
    return Republished(sent, skipped)


def summary_as_dict(summary: Summary) -> dict[str, Any]:
    """An element of `list --json`."""
    return {
        "name": str(summary.id),
        "topic": summary.id.topic,
        "partition": summary.id.partition,
        "offset": summary.id.offset,
        "epoch": summary.id.epoch,
        "state": summary.state.value,
        "attempt": summary.attempt,
        "reason": summary.reason,
        "error": summary.error,
        "failed_at": rfc3339(summary.failed_at),
        "value_bytes": summary.value_bytes,
        "cut_bytes": summary.cut_bytes,
    }


def dead_letter_as_dict(dead_letter: DeadLetter, inspection: Inspection) -> dict[str, Any]:
    """What `show --json` prints: the summary, and all bytes in base64."""
    return {
        **summary_as_dict(dead_letter.summary),
        "last_partition": dead_letter.last.partition,
        "last_offset": dead_letter.last.offset,
        "last_epoch": dead_letter.last.epoch,
        "key_base64": _base64(dead_letter.key),
        "value_base64": _base64(dead_letter.value),
        "headers": [
            {"name": name, "value_base64": _base64(value)} for name, value in dead_letter.headers
        ],
        "record": inspection.record,
        "fails_again": inspection.error,
        "advice": advice_on(dead_letter.summary.reason),
    }


def republished_as_dict(result: Republished, *, dry_run: bool) -> dict[str, Any]:
    """What `republish --json` prints."""
    done = "would_republish" if dry_run else "republished"
    return {
        done: [str(each.summary.id) for each in result.sent],
        "skipped": [
            {"name": str(each.dead_letter.summary.id), "reason": each.reason}
            for each in result.skipped
        ],
    }


def print_list(console: Console, summaries: Sequence[Summary], counts: Mapping[str, int]) -> None:
    """A table of dead letters, and the number of dead letters for each reason."""
    if not counts:
        console.print("no dead letters")
        return
    table = Table(box=None, pad_edge=False)
    # A name is typed again, so it is never cut or folded; the others give way.
    widest = max((len(printable(str(summary.id))) for summary in summaries), default=0)
    table.add_column("name", no_wrap=True, min_width=widest)
    for column in ("reason", "state", "attempt", "failed at", "bytes", "error"):
        table.add_column(
            column, overflow="fold", justify="right" if column in ("attempt", "bytes") else "left"
        )
    for summary in summaries:
        table.add_row(
            Text(printable(str(summary.id))),
            Text(printable(summary.reason)),
            Text(summary.state.value),
            Text(str(summary.attempt)),
            Text(rfc3339(summary.failed_at)),
            Text(f"{summary.value_bytes:,}"),
            Text(printable(summary.error)[:200]),
        )
    console.print(table)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    console.print(Text(f"{len(summaries):,} of {sum(counts.values()):,} shown: {reasons}"))


def dead_letter_lines(
    dead_letter: DeadLetter, inspection: Inspection, most_bytes: int
) -> Iterator[str]:
    """What `show` prints, with at most `most_bytes` of the value."""
    summary, value = dead_letter.summary, dead_letter.value
    yield f"name       {summary.id}, {summary.state.value}, attempt {summary.attempt}"
    if dead_letter.last != summary.id:
        yield f"last try   {dead_letter.last}"
    yield f"failed at  {rfc3339(summary.failed_at)}"
    yield f"reason     {summary.reason}: {printable(summary.error)}"
    yield f"to do      {advice_on(summary.reason)}"
    yield f"now        {_outcome(inspection)}"
    yield f"key        {shown_bytes(dead_letter.key)}"
    for name, header in dead_letter.headers:
        yield f"header     {printable(name)}: {shown_bytes(header)}"
    if inspection.record is not None:
        yield f"record     {printable(inspection.record)}"
    cut = f", and {summary.cut_bytes:,} that are not kept" if summary.cut_bytes else ""
    yield "value      null" if value is None else f"value      {len(value):,} bytes{cut}"
    yield from dump(value or b"", most_bytes)


def republished_lines(result: Republished, *, dry_run: bool) -> Iterator[str]:
    """What `republish` prints."""
    not_done = "would not be stored" if dry_run else "is not republished"
    for each in result.skipped:
        yield f"{each.dead_letter.summary.id} {not_done}: {printable(each.reason)}"
    yield f"{len(result.sent):,} {'would be stored' if dry_run else 'republished'}"


def dump(value: bytes, most_bytes: int) -> Iterator[str]:
    """Lines as `hexdump -C` prints them. The bytes after `most_bytes` are only counted."""
    shown = value[:most_bytes]
    for start in range(0, len(shown), _WIDTH):
        part = shown[start : start + _WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{3 * _WIDTH - 1}}  |{text}|"
    if len(value) > most_bytes:
        yield f"… {len(value) - most_bytes:,} more bytes"


def shown_bytes(value: bytes | None) -> str | None:
    """Printable UTF-8 as text, other bytes as hexadecimal digits, null as None."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "0x" + value.hex()
    return text if text.isprintable() else "0x" + value.hex()


def printable(text: str) -> str:
    """The text with control characters escaped: foreign text must not control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def rfc3339(moment: datetime) -> str:
    """In UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _outcome(inspection: Inspection) -> str:
    if inspection.error is None:
        return "would be stored: republish it"
    return f"would fail again: {printable(inspection.error)}"


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
