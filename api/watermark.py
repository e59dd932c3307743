"""How far an export goes: a position in each partition, and the token that names them.

A token is opaque to clients. `docs/decisions/0028-incremental-exports.md` has the argument.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from api.queries import WATERMARK
from api.store import Store
from core.errors import FieldError, InvalidRequest
from core.settings import Settings
from schemas.topics import Topics

WATERMARK_HEADER: Final = "Clickstream-Watermark"

BEGINNING: Final = "0"
"""The token that is before everything."""

_FORM: Final = 1
"""Of a token; another form has another number."""
_OFFSET_BITS: Final = 48
_MOST_PARTITIONS: Final = 4_096


class Watermark(msgspec.Struct, frozen=True, array_like=True):
    """What workers have written of each partition, by number: all records below these positions.

    A position is an epoch of the topics, and below it 48 bits of offset. `at_ms` is the clock of
    ClickHouse when it was read: erasures have no position.
    """

    sessions: tuple[int, ...] = ()
    events: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()
    at_ms: int = 0

    def is_within(self, other: Watermark) -> bool:
        """Whether no position lies beyond that of the other one."""
        return all(
            position <= (theirs[number] if number < len(theirs) else 0)
            for mine, theirs in zip(self._topics(), other._topics(), strict=True)
            for number, position in enumerate(mine)
        )

    def _topics(self) -> tuple[tuple[int, ...], ...]:
        return self.sessions, self.events, self.marks


def write_token(watermark: Watermark) -> str:
    """Some five characters for each position: offsets alone, where all have one epoch."""
    topics = (watermark.sessions, watermark.events, watermark.marks)
    epoch = min((position >> _OFFSET_BITS for topic in topics for position in topic), default=0)
    low = epoch << _OFFSET_BITS
    packed = msgspec.msgpack.encode(
        (
            _FORM,
            epoch,
            *([position - low for position in topic] for topic in topics),
            watermark.at_ms,
        )
    )
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_token(parameter: str, token: str) -> Watermark:
    """Raises InvalidRequest for what no answer had in its header."""
    if token == BEGINNING:
        return Watermark()
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        form, epoch, *topics, at_ms = msgspec.msgpack.decode(packed, type=_Packed)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _refusal(parameter, _NO_TOKEN) from None
    if form != _FORM or not 0 <= epoch < 2**15 or max(map(len, topics)) > _MOST_PARTITIONS:
        raise _refusal(parameter, _NO_TOKEN)
    low = epoch << _OFFSET_BITS
    positions = [tuple(position + low for position in topic) for topic in topics]
    if not 0 <= at_ms < 2**48 or not all(
        0 <= each < 2**63 for topic in positions for each in topic
    ):
        raise _refusal(parameter, _NO_TOKEN)
    sessions, events, marks = positions
    return Watermark(sessions, events, marks, at_ms)


_Packed = tuple[int, int, list[int], list[int], list[int], int]
_NO_TOKEN: Final = f"is no watermark: send back the header {WATERMARK_HEADER} of an export, or 0"


class Cut(msgspec.Struct, frozen=True):
    """What an export has: what was received at or beyond `after`, and below `until`.

    None: it is not asked for.
    """

    after: Watermark | None
    until: Watermark

    @property
    def is_whole(self) -> bool:
        """Whether it begins with the first record."""
        return self.after is None or not any((*self.after.sessions, *self.after.events))


class Watermarks:
    """Reads how far workers have come. One per process."""

    def __init__(self, store: Store, settings: Settings) -> None:
        topics = Topics.from_settings(settings)
        self._topics = [topics.sessions, topics.events, topics.marks]
        self._store = store
        self._seconds = settings.reads.query_seconds

    async def now(self) -> Watermark:
        """Everything below it is stored, and can be read. Raises SinkUnavailable."""
        (row,) = await self._store.rows(WATERMARK, self._seconds, topics=self._topics)
        sessions, events, marks = map(_by_number, row.partitions, row.positions)
        return Watermark(sessions, events, marks, row.at_ms)

    async def cut(self, after: str, until: str) -> tuple[Cut | None, Watermark]:
        """What these two parameters of a request ask for, None when they are empty; and the
        watermark that its answer tells.

        Raises InvalidRequest for what is no token, or beyond what is stored.
        """
        now = await self.now()
        if not (after or until):
            return None, now
        begin = read_token(_AFTER, after) if after else None
        end = read_token(_UNTIL, until) if until else now
        for parameter, watermark in ((_UNTIL, end), (_AFTER, begin)):
            if watermark is not None and not watermark.is_within(now):
                raise _refusal(parameter, "is ahead of what is stored: of another installation?")
        if begin is not None and not begin.is_within(end):
            raise _refusal(_AFTER, "lies beyond received_until")
        return Cut(begin, end), end


_AFTER: Final = "received_after"
_UNTIL: Final = "received_until"


def _by_number(partitions: Sequence[int], positions: Sequence[int]) -> tuple[int, ...]:
    known: Mapping[int, int] = dict(zip(partitions, positions, strict=True))
    return tuple(known.get(number, 0) for number in range(max(known, default=-1) + 1))


def _refusal(parameter: str, message: str) -> InvalidRequest:
    return InvalidRequest([FieldError(f"query.{parameter}", message)])
