"""Letters on a terminal, and for machines."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream.operations.dead_letters.advice import advice_on
from clickstream.operations.dead_letters.dead_letter import Entry, Letter
from clickstream.operations.dead_letters.examine import Sight, dump, shown_bytes
from clickstream.operations.dead_letters.republish import Replayed

# What `show` prints of a value unless asked for more, bytes: a screen full.
DUMP_BYTES: Final = 512


def rfc3339(moment: datetime) -> str:
    """In UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def entry_as_dict(entry: Entry) -> dict[str, Any]:
    """For --json."""
    return {
        "name": str(entry.place),
        "topic": entry.place.topic,
        "partition": entry.place.partition,
        "offset": entry.place.offset,
        "state": entry.state.value,
        "attempt": entry.attempt,
        "reason": entry.reason,
        "error": entry.error,
        "failed_at": rfc3339(entry.failed_at),
        "value_bytes": entry.value_bytes,
        "cut_bytes": entry.cut_bytes,
    }


def letter_as_dict(letter: Letter, sight: Sight) -> dict[str, Any]:
    """The same with all its bytes, in base64."""
    return {
        **entry_as_dict(letter.entry),
        "last_partition": letter.last_partition,
        "last_offset": letter.last_offset,
        "key_base64": _base64(letter.key),
        "value_base64": _base64(letter.value),
        "headers": [
            {"name": name, "value_base64": _base64(value)} for name, value in letter.headers
        ],
        "record": sight.record,
        "fails_again": sight.verdict,
        "advice": advice_on(letter.entry.reason),
    }


def replayed_as_dict(replayed: Replayed, *, dry_run: bool) -> dict[str, Any]:
    """For --json."""
    done = "would_replay" if dry_run else "replayed"
    return {
        done: [str(letter.entry.place) for letter in replayed.sent],
        "kept": [{"name": str(kept.letter.entry.place), "why": kept.why} for kept in replayed.kept],
    }


def print_list(console: Console, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
    """A table, and how many there are of each reason."""
    if not counts:
        console.print("no dead letters")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("letter", "reason", "state", "attempt", "failed at", "bytes", "error"):
        table.add_column(column, justify="right" if column in ("attempt", "bytes") else "left")
    for entry in entries:
        table.add_row(
            Text(printable(str(entry.place)), no_wrap=True, overflow="fold"),
            Text(printable(entry.reason)),
            Text(entry.state.value),
            Text(str(entry.attempt)),
            Text(rfc3339(entry.failed_at), no_wrap=True),
            Text(f"{entry.value_bytes:,}"),
            Text(printable(entry.error)[:200]),
        )
    console.print(table)
    said = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    total = sum(counts.values())
    console.print(Text(f"{len(entries):,} of {total:,} shown: {said}"))


def lines_of(letter: Letter, sight: Sight, most_bytes: int) -> Iterator[str]:
    """What `show` prints."""
    entry = letter.entry
    yield f"letter     {entry.place}, {entry.state.value}, attempt {entry.attempt}"
    if (letter.last_partition, letter.last_offset) != entry.place[1:]:
        yield f"last try   {entry.place.topic}/{letter.last_partition}@{letter.last_offset}"
    yield f"failed at  {rfc3339(entry.failed_at)}"
    yield f"reason     {entry.reason}: {printable(entry.error)}"
    yield f"to do      {advice_on(entry.reason)}"
    yield f"today      {_verdict(sight)}"
    yield f"key        {shown_bytes(letter.key)}"
    for name, value in letter.headers:
        yield f"header     {printable(name)}: {shown_bytes(value)}"
    if sight.record is not None:
        yield f"record     {printable(sight.record)}"
    cut = f", and {entry.cut_bytes:,} that are not kept" if entry.cut_bytes else ""
    yield (
        "value      null"
        if letter.value is None
        else f"value      {len(letter.value):,} bytes{cut}"
    )
    yield from dump(letter.value or b"", most_bytes)


def lines_of_replay(replayed: Replayed, *, dry_run: bool) -> Iterator[str]:
    """What `replay` prints."""
    not_done = "would not be stored" if dry_run else "is not replayed"
    for kept in replayed.kept:
        yield f"{kept.letter.entry.place} {not_done}: {printable(kept.why)}"
    yield f"{len(replayed.sent):,} {'would be stored' if dry_run else 'replayed'}"


def printable(text: str) -> str:
    """What somebody else wrote must not move our cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _verdict(sight: Sight) -> str:
    if sight.verdict is None:
        return "would be stored: replay it"
    return f"would fail again: {printable(sight.verdict)}"


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
