"""A lease on a cluster: numbered rows of a table that all nodes have, of which Keeper admits each
number once.

A row is inserted with its number as the token of ClickHouse's deduplication. Replicas agree on it
in Keeper: of two rows with one number, on whatever nodes, the first is kept and the second is
not. So who reads back his own row is the only one who has the number. The holder goes on to the
next number every two seconds; a number that stays the same for long enough has lost its holder. No
clock is compared with another one's: each counts seconds of its own.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from core.clickhouse.client import connect, translate
from core.errors import LeaseHeld, SinkUnavailable
from core.settings import Settings

LEASES: Final = "_leases"

CREATE_LEASES: Final = f"""\
CREATE TABLE IF NOT EXISTS {LEASES}
(
    name String COMMENT 'Of the database that is leased',
    number UInt64 COMMENT 'The highest one is in force',
    holder String COMMENT 'Empty: nobody'
)
ENGINE = ReplacingMergeTree(number)
ORDER BY name
COMMENT 'Which operation has the lease of which database'\
"""

_BEAT_SECONDS: Final = 2.0
# The holder gives up before anybody else may take over, by more than one statement lasts.
_HOLDER_GIVES_UP_SECONDS: Final = 12.0
_EXPIRED_SECONDS: Final = 25.0
_ANSWER_SECONDS: Final = 10.0
_ASK_AGAIN_SECONDS: Final = 0.5

_SYNC: Final = f"SYSTEM SYNC REPLICA {LEASES} LIGHTWEIGHT"
_READ: Final = f"""
SELECT number, holder FROM {LEASES} WHERE name = {{name:String}} ORDER BY number DESC LIMIT 1
"""  # noqa: S608 - our own name
# Each client of ours turns it off.
_DEDUPLICATE: Final = {"insert_deduplicate": 1, "deduplicate_insert": "enable"}


@contextmanager
def cluster_lease(settings: Settings, name: str, held: LeaseHeld) -> Iterator[Callable[[], None]]:
    """As `core.clickhouse.lease.lease`. Raises `held` when another process has it."""
    with connect(settings, role="clickstream lease", answer_seconds=_ANSWER_SECONDS) as client:
        holder = _Holder(settings, client, name)
        holder.take(held)
        ended = threading.Event()
        beats = threading.Thread(target=holder.renew_until, args=(ended,), daemon=True)
        beats.start()
        try:
            yield holder.check
        finally:
            ended.set()
            beats.join()
            holder.release()


class _Holder:
    """One who wants the lease, or has it. `renew_until` runs in a thread of its own."""

    def __init__(self, settings: Settings, client: Client, name: str) -> None:
        self._settings = settings
        self._client = client
        self._name = name
        self._id = secrets.token_hex(8)
        self._number = 0
        self._renewed = 0.0
        self._is_lost = False

    def take(self, held: LeaseHeld) -> None:
        """Blocks for some seconds, and for longer where a holder has died."""
        first = self._newest()
        seen = time.monotonic()
        while (newest := self._newest())[1]:
            if newest != first:
                raise held
            if time.monotonic() - seen > _EXPIRED_SECONDS:
                break
            time.sleep(_ASK_AGAIN_SECONDS)
        self._number = newest[0]
        if not self._go_on(self._id):
            raise held

    def check(self) -> None:
        """Raises SinkUnavailable once the lease is lost, or may be."""
        if self._is_lost or time.monotonic() - self._renewed > _HOLDER_GIVES_UP_SECONDS:
            raise SinkUnavailable("the lease on ClickHouse is lost: start this again")

    def renew_until(self, ended: threading.Event) -> None:
        while not self._is_lost and not ended.wait(_BEAT_SECONDS):
            # Until it is too late, the next beat may succeed.
            with suppress(SinkUnavailable, ClickHouseError):
                self._is_lost = not self._go_on(self._id)

    def release(self) -> None:
        """What cannot be released expires."""
        if not self._is_lost:
            with suppress(SinkUnavailable, ClickHouseError):
                self._go_on("")

    def _go_on(self, holder: str) -> bool:
        """Whether the next number is this holder's. One whose outcome was unknown may be."""
        began = time.monotonic()
        if self._newest() == (self._number + 1, self._id):
            self._number += 1
        wanted = self._number + 1
        token = {**_DEDUPLICATE, "insert_deduplication_token": f"{self._name} {wanted}"}
        with translate(self._settings):
            self._client.insert(
                LEASES,
                [[self._name, wanted, holder]],
                column_names=["name", "number", "holder"],
                settings=token,
            )
        if self._newest() != (wanted, holder):
            return False
        self._number, self._renewed = wanted, began
        return True

    def _newest(self) -> tuple[int, str]:
        """As every node knows it that has answered an insert before this call."""
        parameters = {"name": self._name}
        with translate(self._settings):
            self._client.command(_SYNC, settings={"receive_timeout": _ANSWER_SECONDS})
            rows = self._client.query(_READ, parameters=parameters).result_rows
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")
