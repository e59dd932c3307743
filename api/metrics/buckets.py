"""The steps of a series: where each begins, in a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from api.metrics.catalogue import Granularity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def starts(from_ms: int, to_ms: int, granularity: Granularity, time_zone: str) -> Iterator[int]:
    """Milliseconds at which the steps begin that meet [from_ms, to_ms); the first may begin before.

    Days, weeks (from Monday) and months begin at midnight of the zone.
    """
    zone = ZoneInfo(time_zone)
    start = _floor((_EPOCH + from_ms * _MILLISECOND).astimezone(zone), granularity)
    while (start_ms := (start.astimezone(UTC) - _EPOCH) // _MILLISECOND) < to_ms:
        yield start_ms
        start = _next(start, granularity)


def _floor(moment: datetime, granularity: Granularity) -> datetime:
    if granularity is Granularity.HOUR:
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if granularity is Granularity.WEEK:
        return day - timedelta(days=day.weekday())
    if granularity is Granularity.MONTH:
        return day.replace(day=1)
    return day


def _next(start: datetime, granularity: Granularity) -> datetime:
    if granularity is Granularity.HOUR:
        # An hour of the clock on the wall may come twice or never: hours go by real time.
        return (start.astimezone(UTC) + timedelta(hours=1)).astimezone(start.tzinfo)
    if granularity is Granularity.MONTH:
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if granularity is Granularity.WEEK else 1)
