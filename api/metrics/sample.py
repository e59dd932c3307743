"""Which part of a range is read where all of it would take too long."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from api.metrics.catalogue import Source
from api.queries import SizeRow

AUTOMATIC: Final = 0
"""`Question.one_of` of a caller who leaves it to us."""

# With what it takes to read a month of ten million searches, less than a second on two cores.
_MOST_IMPRESSIONS: Final = 2_500_000
_MOST_SESSIONS: Final = 250_000
# The checks of instrumentation read the ids of their events, too.
_MOST_CHECKED_SESSIONS: Final = 50_000
_PARTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


class Sample(msgspec.Struct, frozen=True):
    """What part of the searches the numbers are of."""

    one_of: Annotated[int, Meta(description="The numbers are of one in so many")]
    of: Annotated[str, Meta(description="searches or users: which are in is decided by their ids")]
    note: str


def part_of(source: Source, size: SizeRow) -> int:
    """One in how many is read of this source."""
    over = (
        size.sessions / _MOST_SESSIONS
        if source is Source.INTENTS
        else size.impressions / _MOST_IMPRESSIONS
    )
    return _part(over)


def part_of_health(size: SizeRow) -> int:
    """One in how many searches is checked."""
    return _part(size.sessions / _MOST_CHECKED_SESSIONS)


def _part(over: float) -> int:
    return next((part for part in _PARTS if part >= over), _PARTS[-1])


def sample_of(source: Source, one_of: int) -> Sample | None:
    """None when it is everything."""
    if one_of == 1:
        return None
    of = "users" if source is Source.INTENTS else "searches"
    return Sample(
        one_of,
        of,
        f"All numbers are of one in {one_of} {of}, and not scaled up; intervals hold. "
        "one_of=1 reads all, which may take longer than is allowed",
    )


def sample_of_health(one_of: int) -> Sample | None:
    """None when it is everything."""
    if one_of == 1:
        return None
    return Sample(
        one_of,
        "searches",
        f"Checks that say one_of {one_of} are of one in {one_of} searches, and not scaled up: what "
        "is rare may not be among them. one_of=1 reads all, which may take longer than is allowed",
    )
