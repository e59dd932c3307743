"""What was said on the command line → which letters are meant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from clickstream.operations.dead_letters.dead_letter import (
    Selection,
    State,
    full_topic,
    parse_place,
    parse_since,
)
from core.errors import SetupError
from schemas.dead_letters import Reason


def select(
    prefix: str,
    names: Sequence[str],
    reasons: Sequence[str],
    topics: Sequence[str],
    since: str | None,
    state: str | None,
    limit: int,
) -> Selection:
    """`prefix` is that of the topics. Without a word on the state, letters that are named are meant
    in any, and of others those that are open.

    Raises SetupError for what is no name, reason, moment or state.
    """
    word = state or ("all" if names else "open")
    return Selection(
        places=tuple(parse_place(name, prefix) for name in names),
        reasons=tuple(_reason(reason) for reason in reasons),
        topics=tuple(full_topic(topic, prefix) for topic in topics),
        since=None if since is None else parse_since(since, datetime.now(UTC)),
        states=_states(word),
        limit=limit,
    )


def _reason(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        raise SetupError(f"--reason {word}: say one of {', '.join(Reason)}") from None


def _states(word: str) -> tuple[State, ...]:
    if word == "all":
        return tuple(State)
    try:
        return (State(word),)
    except ValueError:
        raise SetupError(f"--state {word}: say open, replayed or all") from None
