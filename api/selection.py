"""Which sessions a read of many covers: a range of created_at, and their relevance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Query

from core.errors import FieldError, InvalidRequest
from core.times import why_not_millis

_INTEGER = re.compile(r"-?[0-9]{1,30}")
_BASIC_DATE = re.compile(r"(?:19|20|21|22)[0-9]{6}")  # ISO 8601 without hyphens
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# What ClickHouse's DateTime64(3) and Date can hold; an open end reaches as far.
_FIRST_MS = -2_208_988_800_000  # 1900-01-01
_LAST_MS = 10_413_791_999_999  # 2299-12-31T23:59:59.999
_FIRST_DAY = date(1970, 1, 1)
_LAST_DAY = date(2149, 6, 6)


class Relevance(StrEnum):
    """What to do with sessions that were marked irrelevant."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Selection:
    """Sessions with created_at in [from_ms, to_ms), milliseconds since the epoch; None is open."""

    from_ms: int | None
    to_ms: int | None
    relevance: Relevance

    def times(self) -> dict[str, str | int]:
        """The parameters of questions about facts."""
        return {
            "from_ms": _FIRST_MS if self.from_ms is None else self.from_ms,
            "to_ms": _LAST_MS if self.to_ms is None else self.to_ms,
            "relevance": self.relevance.value,
        }

    def parameters(self) -> dict[str, str | int]:
        """The same, and the days: they make ClickHouse skip partitions."""
        times = self.times()
        return {**times, **days_of(int(times["from_ms"]), int(times["to_ms"]))}


def days_of(from_ms: int, to_ms: int) -> dict[str, str]:
    """Parameters: the days that a range can touch, besides 1970-01-01, which has the overflow."""
    return {"from_day": _day(from_ms), "to_day": _day(to_ms)}


FROM_DESCRIPTION = (
    "Sessions created at this time or later: milliseconds since the epoch, or ISO 8601 (UTC when "
    "it has no offset)"
)
TO_DESCRIPTION = "Sessions created before this time, as `from`"


def parse_selection(
    start: str = Query("", alias="from", description=FROM_DESCRIPTION),
    end: str = Query("", alias="to", description=TO_DESCRIPTION),
    relevance: Annotated[
        Relevance, Query(description="What to do with sessions marked irrelevant")
    ] = Relevance.EXCLUDE,
) -> Selection:
    """The query parameters of every read of many sessions, as a FastAPI dependency.

    Raises InvalidRequest for a time that is malformed, and for `from` later than `to`.
    """
    from_ms, to_ms = parse_times(start, end)
    return Selection(from_ms, to_ms, relevance)


def parse_times(start: str, end: str) -> tuple[int | None, int | None]:
    """`from` and `to` in milliseconds; None is open. Raises InvalidRequest as `parse_selection`."""
    from_ms, to_ms = _parse("query.from", start), _parse("query.to", end)
    if from_ms is not None and to_ms is not None and from_ms > to_ms:
        raise InvalidRequest(
            [FieldError("query.from", f"{start} is later than `to`, which is {end}")]
        )
    return from_ms, to_ms


SelectionParam = Annotated[Selection, Depends(parse_selection)]
"""Annotation of a route's argument."""


def _parse(name: str, text: str) -> int | None:
    if not text:
        return None
    if _INTEGER.fullmatch(text) and not _BASIC_DATE.fullmatch(text):
        if (why := why_not_millis(int(text))) is not None:
            raise InvalidRequest([FieldError(name, why)])
        return int(text)
    try:
        moment_ms = _to_epoch_ms(datetime.fromisoformat(text))
    except ValueError:
        raise _invalid_time(name, text) from None
    if not _FIRST_MS <= moment_ms <= _LAST_MS:
        raise _invalid_time(name, text)
    return moment_ms


def _invalid_time(name: str, text: str) -> InvalidRequest:
    return InvalidRequest(
        [
            FieldError(
                name,
                f"{text[:40]!r} is neither milliseconds since the epoch nor an ISO 8601 time of "
                "the years 1900 to 2299 (in a URL, write + as %2B)",
            )
        ]
    )


def _to_epoch_ms(moment: datetime) -> int:
    """Milliseconds, rounded up: `created_at` has no microseconds, so the first time at or after
    this one is meant. A time without an offset is UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return -((_EPOCH - aware) // _MILLISECOND)


def _day(moment_ms: int) -> str:
    day = (_EPOCH + moment_ms * _MILLISECOND).date()
    return min(max(day, _FIRST_DAY), _LAST_DAY).isoformat()
