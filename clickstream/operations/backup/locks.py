"""Locks that keep a backup or a restore apart from the other operations on the same database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from core.clickhouse import on_database
from core.clickhouse.client import database_of
from core.clickhouse.lease import lease
from core.errors import SetupError
from core.settings import Settings


@contextmanager
def exclusive_lock(settings: Settings, operation: str, suffix: str) -> Iterator[str]:
    """Let one process at a time run this operation; gives the name of its staging database.

    Raises SetupError when another process runs it.
    """
    staging = database_of(settings) + suffix
    with ExitStack() as held:
        try:
            # Not the lease of the staging database: the erasure that runs on it takes that one.
            held.enter_context(lease(on_database(settings, f"{staging}_only_one")))
        except SetupError as error:
            raise SetupError(
                f"another {operation} of {database_of(settings)} is running: wait until it has"
                " ended"
            ) from error
        yield staging


@contextmanager
def exclude_replay_and_erasure(settings: Settings) -> Iterator[None]:
    """Let no replay and no erasure run meanwhile. Raises SetupError when one is running."""
    with ExitStack() as held:
        try:
            held.enter_context(lease(settings))
        except SetupError as error:
            raise SetupError(
                "a replay or an erasure is running: try again when it has ended"
            ) from error
        yield
