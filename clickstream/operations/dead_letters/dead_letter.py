"""A dead letter as an operator meets it, and which of them are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from core.errors import SetupError
from schemas.dead_letters import Attempt, Headers, Reason

_PLACE: Final = re.compile(r"(?P<topic>[^/@]+)/(?P<partition>\d{1,9})@(?P<offset>\d{1,18})")
_AGE: Final = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Place(NamedTuple):
    """Where a letter's first attempt was read: its name, for ever."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


class State(StrEnum):
    """What has become of a letter."""

    OPEN = "open"
    """Nobody has replayed it, or it has failed again since."""

    REPLAYED = "replayed"
    """Put back into its topic, and has not failed again."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant: those that every given field allows. `limit` counts from the newest;
    0 is no limit."""

    places: tuple[Place, ...] = ()
    reasons: tuple[Reason, ...] = ()
    topics: tuple[str, ...] = ()
    since: datetime | None = None
    states: tuple[State, ...] = (State.OPEN,)
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A letter without its content: a line of the list. What failed is its last attempt."""

    place: Place
    state: State
    attempt: int
    reason: str
    error: str
    failed_at: datetime
    value_bytes: int
    cut_bytes: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter with the record of its last attempt, as it was: `last_partition` and `last_offset`
    say where."""

    entry: Entry
    key: bytes | None
    value: bytes | None
    headers: Headers
    last_partition: int
    last_offset: int

    def without_content(self) -> Letter:
        """What is left to report on."""
        return replace(self, key=None, value=None, headers=())

    def next_attempt(self) -> Attempt:
        """What a replay of it begins."""
        place = self.entry.place
        return Attempt(place.partition, place.offset, self.entry.attempt + 1)


def parse_place(text: str, prefix: str) -> Place:
    """`topic/partition@offset`; the topic may lack the settings' prefix. Raises SetupError."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise SetupError(
            f"{text!r} is no dead letter's name: they look like {prefix}events/3@1041, as"
            " `clickstream dlq list` shows them"
        )
    return Place(full_topic(match["topic"], prefix), int(match["partition"]), int(match["offset"]))


def full_topic(topic: str, prefix: str) -> str:
    """With the settings' prefix."""
    return topic if topic.startswith(prefix) else prefix + topic


def parse_since(text: str, now: datetime) -> datetime:
    """`15m`, `2h`, `7d` before `now`, or a moment in RFC 3339. Raises SetupError."""
    if match := _AGE.fullmatch(text):
        return now - timedelta(**{_UNITS[match["unit"]]: int(match["count"])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SetupError(f"--since {text}: say 15m, 2h, 7d, or 2030-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
