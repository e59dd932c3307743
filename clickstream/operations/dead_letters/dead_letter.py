"""A dead letter, a selection of dead letters, and the advice for each reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from core.errors import SetupError
from schemas.dead_letters import Attempt, Headers, Reason, name_of

_ID: Final = re.compile(
    r"(?P<topic>[^/@]+)/(?P<partition>\d{1,9})@(?P<offset>\d{1,18})(?:~(?P<epoch>\d{1,5}))?"
)
_AGE: Final = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class DeadLetterId(NamedTuple):
    """Topic, partition and offset of the first attempt, and the epoch of the topic then.

    Its text is the dead letter's name. It has an epoch only if the topic was made anew before.
    """

    topic: str
    partition: int
    offset: int
    epoch: int = 0

    def __str__(self) -> str:
        return name_of(*self)


class State(StrEnum):
    """The state of a dead letter."""

    PENDING = "pending"
    """It was never republished, or it has failed again since."""

    REPUBLISHED = "republished"
    """It is back in its topic, and has not failed again."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The dead letters that match every given field. `limit` takes the newest; 0 is no limit."""

    ids: tuple[DeadLetterId, ...] = ()
    reasons: tuple[Reason, ...] = ()
    topics: tuple[str, ...] = ()
    since: datetime | None = None
    states: tuple[State, ...] = (State.PENDING,)
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """A dead letter without its content. Reason, error and time are those of the last attempt.

    `cut_bytes` is how much of an oversize value was not stored.
    """

    id: DeadLetterId
    state: State
    attempt: int
    reason: str
    error: str
    failed_at: datetime
    value_bytes: int
    cut_bytes: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter with the record of its last attempt, and where that record was read."""

    summary: Summary
    key: bytes | None
    value: bytes | None
    headers: Headers
    last: DeadLetterId

    def without_content(self) -> DeadLetter:
        """The same without key, value and headers, to save memory."""
        return replace(self, key=None, value=None, headers=())

    def next_attempt(self) -> Attempt:
        """The attempt that begins when it is republished."""
        id_ = self.summary.id
        return Attempt(id_.partition, id_.offset, self.summary.attempt + 1, id_.epoch)


def select(
    prefix: str,
    names: Sequence[str],
    reasons: Sequence[str],
    topics: Sequence[str],
    since: str | None,
    state: str | None,
    limit: int,
) -> Selection:
    """The selection that the words of a command line mean; `prefix` is that of the topics.

    Without a state, named dead letters are selected in any state, others only while they are
    pending. Raises SetupError for a word that is not a name, reason, time or state.
    """
    word = state or ("all" if names else "pending")
    return Selection(
        ids=tuple(parse_id(name, prefix) for name in names),
        reasons=tuple(_reason(reason) for reason in reasons),
        topics=tuple(full_topic(topic, prefix) for topic in topics),
        since=None if since is None else parse_since(since, datetime.now(UTC)),
        states=_states(word),
        limit=limit,
    )


def parse_id(text: str, prefix: str) -> DeadLetterId:
    """Read `topic/partition@offset`, or the same with `~epoch`; the topic may lack the prefix.

    Raises SetupError.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise SetupError(
            f"{text!r} is no dead letter's name: they look like {prefix}events/3@1041, as"
            " `clickstream dlq list` shows them"
        )
    topic = full_topic(match["topic"], prefix)
    partition, offset, epoch = (int(match[part] or 0) for part in ("partition", "offset", "epoch"))
    return DeadLetterId(topic, partition, offset, epoch)


def full_topic(topic: str, prefix: str) -> str:
    """The topic with the prefix."""
    return topic if topic.startswith(prefix) else prefix + topic


def parse_since(text: str, now: datetime) -> datetime:
    """Read `15m`, `2h` or `7d` before `now`, or a time in RFC 3339. Raises SetupError."""
    if match := _AGE.fullmatch(text):
        return now - timedelta(**{_UNITS[match["unit"]]: int(match["count"])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SetupError(
            f"--since {text}: use an age (15m, 2h, 7d) or a time (2030-01-31T12:00:00Z)"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reason(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        raise SetupError(f"--reason {word}: use one of {', '.join(Reason)}") from None


def _states(word: str) -> tuple[State, ...]:
    if word == "all":
        return tuple(State)
    try:
        return (State(word),)
    except ValueError:
        raise SetupError(f"--state {word}: use pending, republished or all") from None


_GIVE_A_VALUE: Final = "`dlq republish NAME --value-file FILE` replaces the value"

ADVICE: Final[Mapping[Reason, str]] = {
    Reason.NULL_VALUE: (
        "Stop the producer that writes tombstones: these topics are logs. Nothing is lost: purge"
        " it."
    ),
    Reason.BAD_MAGIC_BYTE: (
        "The producer does not use the Confluent wire format (a plain string, JSON, bare Avro?):"
        f" give it a schema-registry serializer. {_GIVE_A_VALUE}."
    ),
    Reason.UNKNOWN_SCHEMA_ID: (
        "The producer wrote to another registry, or this one lost its schemas: restore it, or"
        " register the schema under this id, then republish."
    ),
    Reason.SCHEMA_CLASH: (
        "The producer's schema cannot be read as ours: `clickstream schemas check` names the field."
        f" Fix the producer; {_GIVE_A_VALUE}."
    ),
    Reason.UNDECODABLE: (
        "The bytes end early or do not match their schema: look at the producer. If its schema"
        f" id was wrong, {_GIVE_A_VALUE}."
    ),
    Reason.TRAILING_BYTES: (
        "The producer wrote with another schema than it announces, or padded the value: fix it;"
        f" {_GIVE_A_VALUE}."
    ),
    Reason.INVALID_RECORD: (
        "The error names the field. Fix the producer; the HTTP API would have refused the record."
        f" {_GIVE_A_VALUE}."
    ),
    Reason.WRONG_KEY: (
        "The producer must use the session_id as the record's key: fix it, then republish this with"
        " --key SESSION_ID."
    ),
    Reason.WRONG_PARTITION: (
        "The producer must use the murmur2 partitioner (librdkafka: partitioner=murmur2_random):"
        " fix it, then republish, which takes the right partition."
    ),
    Reason.OVERSIZE: (
        "Raise CLICKSTREAM_LIMITS__BODY_BYTES for edge and workers and republish, or fix the"
        " producer."
    ),
    Reason.UNDECODABLE_BATCH: (
        "The error names the offsets: all records between them are missing. A wrong checksum is a"
        " broken disk of the broker or a bad network: look there, and post the records again if"
        " their sender still has them. Anything else is a broken producer. Then purge it."
    ),
    Reason.TOO_MANY_WAITING: (
        "Look at the session id: one such as 'undefined' is a mistake of the caller, then purge"
        " these. If the session has come meanwhile, or"
        " CLICKSTREAM_WORKER__MAX_WAITING_PER_SESSION was raised, republish them."
    ),
    Reason.REFUSED_BY_SINK: (
        "The error is ClickHouse's: mostly a constraint, or a materialized view that was added to"
        " the table. Change that, then republish. Events of a refused session wait for it."
    ),
}


def advice_on(reason: str) -> str:
    """What an operator can do about the reason; also for a reason of a newer version."""
    if reason in ADVICE:
        return ADVICE[Reason(reason)]
    return "This version does not know the reason: see docs/dead-letters.md of the newer one."
