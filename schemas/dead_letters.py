"""Dead letters: the reasons, and the headers of their records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Headers = Sequence[tuple[str, bytes | None]]
"""A record's own, in order; Kafka allows a name twice, and a value of null."""


class Reason(StrEnum):
    """Why a record can never be processed. The words are stored and counted: add, never rename."""

    NULL_VALUE = "null_value"
    """No value at all (a tombstone): these topics are logs, there is nothing to delete."""

    BAD_MAGIC_BYTE = "bad_magic_byte"
    """Does not begin with the five bytes of the Confluent wire format."""

    UNKNOWN_SCHEMA_ID = "unknown_schema_id"
    """The registry answered twice, and never gave out this schema id."""

    SCHEMA_CLASH = "schema_clash"
    """The writer's schema is known and cannot be read as ours."""

    UNDECODABLE = "undecodable"
    """The bytes are not what the writer's schema announces."""

    TRAILING_BYTES = "trailing_bytes"
    """Bytes follow the record: it was framed or encoded wrongly, so its fields are in doubt."""

    INVALID_RECORD = "invalid_record"
    """Decodes, but breaks the contract: an empty id, a time that is not in milliseconds."""

    WRONG_KEY = "wrong_key"
    """The key is not the record's session_id, so the join could miss it."""

    WRONG_PARTITION = "wrong_partition"
    """Not on the murmur2 partition of its session_id, so another worker owns its session."""

    OVERSIZE = "oversize"
    """Larger than a record may be (`schemas.topics.max_record_bytes`)."""

    UNDECODABLE_BATCH = "undecodable_batch"
    """Not a record but a whole batch of Kafka's: its checksum is wrong, it does not uncompress, or
    into too much, or the records in it do not end where they say. The value is the batch."""

    TOO_MANY_WAITING = "too_many_waiting"
    """An event whose session has not come, and for which as many events wait as are allowed."""

    REFUSED_BY_SINK = "refused_by_sink"
    """ClickHouse refuses its row alone, and takes others of the same flush."""


def name_of(topic: str, partition: int, offset: int, epoch: int) -> str:
    """A dead letter's name, by where its first attempt was read. It has an epoch only if the topic
    was made anew before."""
    return f"{topic}/{partition}@{offset}" + (f"~{epoch}" if epoch else "")


REPUBLISH_HEADER: Final = "clickstream-replay"
"""On a record that was republished: its `Attempt` as `partition/offset/number/epoch`."""

_ATTEMPT: Final = re.compile(rb"(\d{1,9})/(\d{1,18})/(\d{1,5})/(\d{1,5})")
_MOST_ATTEMPTS: Final = 65_535  # what the table's column holds, as that of the epoch


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which try of a record this is: where it failed first, and the number of this try, from 1.

    `epoch` is that of the topic where it failed first: offsets begin again in one that is made
    anew.
    """

    partition: int
    offset: int
    number: int
    epoch: int = 0

    def header(self) -> tuple[str, bytes]:
        """The header of a republished record."""
        return (
            REPUBLISH_HEADER,
            f"{self.partition}/{self.offset}/{self.number}/{self.epoch}".encode(),
        )


def republish_header(headers: Headers) -> Headers:
    """The last republish header, or none; the others have no effect."""
    return [header for header in headers if header[0] == REPUBLISH_HEADER][-1:]


def without_republish_header(headers: Headers) -> Headers:
    """As the record was posted first."""
    return [header for header in headers if header[0] != REPUBLISH_HEADER]


def attempt_of(partition: int, offset: int, headers: Headers, epoch: int = 0) -> Attempt:
    """The attempt of the record here: from its last republish header; without one, the first.

    Anybody may write a header: one that we could not have written counts for nothing.
    """
    for _, value in republish_header(headers):
        if found := _ATTEMPT.fullmatch(value or b""):
            first, at, number, of = (int(part) for part in found.groups())
            if 2 <= number <= _MOST_ATTEMPTS and of <= epoch:
                return Attempt(first, at, number, of)
    return Attempt(partition, offset, 1, epoch)
