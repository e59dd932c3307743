"""`clickstream tail`: what comes, and what becomes of it, as lines."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.events.tail_records import TailRecord, Wanted
    from core.settings import Settings


def tail(
    session_id: Annotated[str | None, typer.Option(help="Only of this session.")] = None,
    user_id: Annotated[
        str | None,
        typer.Option(help="Only of this user's sessions that are posted from now on."),
    ] = None,
    event_type: Annotated[
        str | None,
        typer.Option("--type", help="Only events of these types, e.g. click,purchase."),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only accepted, joined, waiting or refused; repeatable."),
    ] = None,
    per_second: Annotated[
        int, typer.Option(help="Most records that are shown in a second, 1 to 200.")
    ] = 20,
    lines: Annotated[int | None, typer.Option(min=1, help="End after so many lines.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each line as a JSON object, as /events/tail does.")
    ] = False,
) -> None:
    """Watch what comes: sessions, events and marks that were accepted, events that were joined with
    their session or wait for it, records that became dead letters.

    It reads Kafka as GET /events/tail does, and the workers do not notice it. Ctrl-C ends it. When
    more comes than is shown, a line says how much was left out."""
    from api.events.tail_records import parse_wanted
    from clickstream.local.target_settings import operator_settings
    from core.user_ids import UserIds

    settings = operator_settings()
    users = () if user_id is None else UserIds.from_settings(settings).known_forms(user_id)
    wanted = parse_wanted(state or (), session_id, users, event_type, per_second, _option)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_tail(settings, wanted, _printer(as_json), lines))
    except BrokenPipeError:
        # Whoever read our lines has seen enough. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _option(field: str) -> str:
    return "--type" if field == "event_type" else f"--{field.replace('_', '-')}"


async def _tail(
    settings: Settings, wanted: Wanted, show: Callable[[TailRecord], None], most: int | None
) -> None:
    from api.events.log_follower import Followers
    from api.events.outcomes import LOOK_SECONDS, Outcomes
    from api.events.reader import EventReader
    from api.events.tail import tail
    from api.store import ClickHouseStore
    from core.clock import SystemClock
    from schemas.topics import Topics

    clock, store = SystemClock(), ClickHouseStore(settings)
    followers = Followers(settings, clock)
    follower = followers.new(wanted)
    topic = Topics.from_settings(settings).events
    outcomes = Outcomes(EventReader(store, topic, LOOK_SECONDS), clock)
    shown = 0
    try:
        await follower.start()
        print("watching; Ctrl-C ends it", file=sys.stderr)
        async with aclosing(tail(follower, outcomes, wanted, clock)) as batches:
            async for batch in batches:
                for record in batch:
                    show(record)
                    shown += 1
                    if shown == most:
                        return
    finally:
        follower.close()
        await followers.close()
        await store.close()


def _printer(as_json: bool) -> Callable[[TailRecord], None]:
    """Prints one line, at once."""
    import msgspec
    from rich.console import Console

    from clickstream.operations.tail_report import line_of

    if as_json:
        encode = msgspec.json.Encoder().encode
        return lambda record: print(encode(record).decode(), flush=True)
    console = Console(highlight=False, soft_wrap=True)
    return lambda record: console.print(line_of(record))
