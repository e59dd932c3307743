"""Opaque names of places between two pages: by what the last row of a page was sorted.

So rows that come, go or move between two pages push no other row over the edge of a page: whatever
is sorted behind the place follows, each once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from api.store import Value
from core.errors import FieldError, InvalidRequest

_WHOLE_BYTES: Final = 400
"""Of a text. Of a longer one a place has the beginning and a hash, so that it fits into a URL."""
_BEGINNING: Final = 100  # characters

_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Of a row in the order of its question."""

    time: _Int64 | None
    rank: float | None
    """The number that rows are sorted by; those without one are last."""
    text: str
    """Sorts rows of one number: `sorted_text` of what they are grouped by."""
    offset: Annotated[int, Meta(ge=0, le=10**9)] = 0
    """Rows before it, where all rows have fixed places; then it is all that counts."""


def write_cursor(question: object, place: Place) -> str:
    """What leads from a page to the next one of the same question."""
    packed = msgspec.msgpack.encode((_digest(question), place))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(cursor: str, question: object) -> Place | None:
    """None for an empty one. Refuses what no answer to this question gave."""
    if not cursor:
        return None
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        digest, place = msgspec.msgpack.decode(packed, type=tuple[bytes, Place])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _refusal("is no cursor: send back `next` of an answer") from None
    if digest != _digest(question):
        raise _refusal("belongs to another question: ask without it")
    return place


def sorted_text(columns: Sequence[str]) -> str:
    """SQL: a text of these columns, which may be null: different ones have different texts."""
    if not columns:
        return "''"
    return f"concat({', char(0), '.join(map(_sorted_text, columns))}, '')"


def _sorted_text(column: str) -> str:
    """What is null is last."""
    return (
        f"ifNull(concat('1', if(length({column}) <= {_WHOLE_BYTES}, {column},"
        f" concat(substringUTF8({column}, 1, {_BEGINNING}), hex(sipHash64({column}))))), '2')"
    )


def beyond(place: Place, values: dict[str, Value], *, descending: bool | None) -> str:
    """SQL: whether a row with `time`, `rank` and `place` is sorted behind this one. None: there is
    no rank. The values are added to these."""
    # In digits, so that any character may be in it.
    values["after_text"] = place.text.encode().hex()
    condition = "place > unhex({after_text:String})"
    if descending is not None:
        if place.rank is None:
            condition = f"rank IS NULL AND {condition}"
        else:
            values["after_rank"] = repr(place.rank)
            rank = "{after_rank:Float64}"
            sign = "<" if descending else ">"
            condition = f"rank IS NULL OR rank {sign} {rank} OR (rank = {rank} AND {condition})"
    if place.time is None:
        return f"({condition})"
    values["after_time"] = place.time
    time = "{after_time:Int64}"
    return f"(time > {time} OR (time = {time} AND ({condition})))"


def _digest(question: object) -> bytes:
    return hashlib.sha256(repr(question).encode()).digest()[:12]


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest([FieldError("query.cursor", message)])
