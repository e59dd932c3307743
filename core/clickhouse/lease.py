"""A lease on a database: a query that runs as long as its holder does.

Replays, erasures, backups and restores hold one, whoever makes or deletes releases another. On a
cluster, where a node knows of its own queries alone, it is one of another kind (`cluster_lease`).
ClickHouse refuses a second query of the same id, atomically, and ends a query whose client is gone
within a second or two. So the lease cannot be held twice, and cannot outlive its holder.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import urllib3
from clickhouse_connect.driver.exceptions import DatabaseError

from core.clickhouse.client import connect, database_of, translate
from core.clickhouse.cluster_lease import cluster_lease
from core.errors import LeaseHeld, SinkUnavailable
from core.retrying import retry
from core.settings import Settings

_ALREADY_RUNNING = 216

# The lease of a killed process is held until the server notices. Seconds.
_TAKEOVER_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 0.5

OPERATIONS: Final = "replay, erasure, backup or restore"
RELEASES: Final = "making of a release, or deletion of its files,"
_SUFFIX: Final = {OPERATIONS: "", RELEASES: "-releases"}

# Told to callers over HTTP. The shortest of these operations takes a few seconds.
_RETRY_AFTER_SECONDS = 5

# A row comes every tenth of a second: taking and releasing the lease each wait for one. A server
# that is silent for longer has lost us, or we have lost it.
_SILENCE_SECONDS = 30.0
_BEAT = b"0\n"

# The rows are sent at once: it is at the sending that the server notices a client that has died.
_HOLD = "SELECT sleepEachRow(0.1) FROM system.numbers /* {token} */"
_HOLD_SETTINGS = {"max_block_size": 1, "max_execution_time": 0, "http_response_buffer_size": 1}

_RELEASE = "KILL QUERY WHERE query_id = {id:String} AND position(query, {token:String}) > 0 SYNC"


def lease(
    settings: Settings, of: str = OPERATIONS, database: str = ""
) -> AbstractContextManager[Callable[[], None]]:
    """Hold the lease `of` these operations on a database, that of the settings or another one.
    Raises LeaseHeld when another process holds it, SinkUnavailable when ClickHouse does not
    respond.

    Gives a function that raises SinkUnavailable once the lease is lost. The holder calls it before
    each step that another operation must not see half done.
    """
    name = database or database_of(settings)
    held = LeaseHeld(
        f"another {of} of {name} is running: wait until it has ended",
        retry_after=_RETRY_AFTER_SECONDS,
    )
    if settings.clickhouse_cluster:
        return cluster_lease(settings, f"{name}{_SUFFIX[of]}", held)
    return _lease_of_server(settings, f"clickstream-lease-{name}{_SUFFIX[of]}", held)


@contextmanager
def _lease_of_server(
    settings: Settings, query_id: str, held: LeaseHeld
) -> Iterator[Callable[[], None]]:
    token = secrets.token_hex(8)
    with (
        connect(
            settings, role="clickstream lease", database="system", answer_seconds=_SILENCE_SECONDS
        ) as holder,
        connect(settings, role="clickstream lease", database="system") as client,
    ):
        stream = _take(settings, holder, query_id, token, held)
        lost = threading.Event()
        listener = threading.Thread(target=_listen, args=(stream, lost), daemon=True)
        listener.start()

        def check() -> None:
            if lost.is_set():
                raise SinkUnavailable("the lease on ClickHouse is lost: start this again")

        try:
            yield check
        finally:
            if not lost.is_set():
                with translate(settings):
                    client.command(_RELEASE, parameters={"id": query_id, "token": token})
            listener.join(_SILENCE_SECONDS)
            stream.close()


def _take(settings: Settings, client: Any, query_id: str, token: str, held: LeaseHeld) -> Any:
    def hold() -> Any:
        with translate(settings):
            return client.raw_stream(
                _HOLD.format(token=token),
                settings={**_HOLD_SETTINGS, "query_id": query_id},
                fmt="TSV",
            )

    try:
        return retry(
            hold,
            seconds=_TAKEOVER_SECONDS,
            when=_is_taken,
            first_pause=_ASK_AGAIN_SECONDS,
            longest_pause=_ASK_AGAIN_SECONDS,
        )
    except DatabaseError as error:
        if _is_taken(error):
            raise held from error
        raise


def _is_taken(error: BaseException) -> bool:
    return isinstance(error, DatabaseError) and error.code == _ALREADY_RUNNING


def _listen(stream: Any, lost: threading.Event) -> None:
    """Reads the rows as they come; anything else is the end of the lease."""
    with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
        while stream.read(len(_BEAT)) == _BEAT:
            continue
    lost.set()
