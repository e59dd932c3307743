"""The position token: how far into Kafka a write went, so that a read can wait for it.

Header `Clickstream-Position: <topic>/<partition>@<offset>`; several are joined by commas.
"""

from __future__ import annotations

import re

from msgspec import Struct

from core.errors import FieldError, InvalidRequest

POSITION_HEADER = "Clickstream-Position"

# Kafka's own limits: 249 characters of [a-zA-Z0-9._-] in a topic, int32 partitions, int64 offsets.
_TOKEN = re.compile(r"([A-Za-z0-9._-]{1,249})/(\d{1,10})@(\d{1,19})")
_MOST_TOKENS = 64


class Position(Struct, frozen=True, order=True):
    """Where one record is: at `offset` in `partition` of `topic`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


def parse_positions(header: str) -> tuple[Position, ...]:
    """The positions in the header of a request. Raises InvalidRequest for a malformed token."""
    tokens = [token.strip() for token in header.split(",") if token.strip()]
    if len(tokens) > _MOST_TOKENS:
        raise InvalidRequest(
            [FieldError(POSITION_HEADER, f"at most {_MOST_TOKENS} positions, got {len(tokens)}")]
        )
    return tuple(_parse(token) for token in tokens)


def _parse(token: str) -> Position:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidRequest(
            [FieldError(POSITION_HEADER, f"{token[:80]!r} is not <topic>/<partition>@<offset>")]
        )
    topic, partition, offset = match.groups()
    return Position(topic, int(partition), int(offset))
