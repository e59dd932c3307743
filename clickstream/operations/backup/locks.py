"""One at a time: backups among themselves, and none while a replay moves the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clickstream.operations.rebuild.databases import on_database
from core.clickhouse.client import database_of
from core.clickhouse.lease import lease
from core.errors import SetupError
from core.settings import Settings


@contextmanager
def alone(settings: Settings, what: str, suffix: str) -> Iterator[str]:
    """Hold the scratch database's name, which is given. SetupError when another process does."""
    scratch = database_of(settings) + suffix
    with ExitStack() as held:
        try:
            # Not of the scratch database itself: erasing from it takes that one.
            held.enter_context(lease(on_database(settings, f"{scratch}_only_one")))
        except SetupError as error:
            raise SetupError(
                f"another {what} of {database_of(settings)} is running: wait until it has ended"
            ) from error
        yield scratch


@contextmanager
def undisturbed(settings: Settings) -> Iterator[None]:
    """No replay and no erasure meanwhile. SetupError when there is one."""
    with ExitStack() as held:
        try:
            held.enter_context(lease(settings))
        except SetupError as error:
            raise SetupError(
                "a replay or an erasure is under way: try again when it has ended"
            ) from error
        yield
