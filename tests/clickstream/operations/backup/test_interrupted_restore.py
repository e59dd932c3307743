"""A restore that is cut short at any step loses nothing, and the next one completes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clickstream.operations.backup import restore, swap
from clickstream.operations.backup.kafka_state import KafkaState
from clickstream.operations.erasure.erase import erase
from core import clickhouse
from core.clickhouse.admin import Server
from core.clock import SystemClock
from core.errors import LeaseHeld, SetupError, SinkUnavailable
from tests.clickstream.operations.backup.world import folder_of, fresh_database, restored, saved
from tests.clickstream.operations.erasure.world import lose_lease
from tests.clickstream.operations.replay.stored import contents, databases, drop_kept
from tests.clickstream.operations.replay.traffic import Traffic, post_history
from tests.examples import PROFILE
from tests.stream_processors.fleet import Fleet

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]


class Killed(BaseException):
    """What a signal raises."""


@pytest.fixture(scope="module")
def taken(
    corner: Callable[..., object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[object]:
    """A pipeline that stands still, and a backup of it."""
    with corner() as settings:  # type: ignore[attr-defined]
        traffic, source = Traffic(settings), folder_of(settings)
        with Fleet(settings, tmp_path_factory.mktemp("fleet"), count=1) as fleet:
            post_history(traffic, "one", other="two")
            fleet.catch_up()
        saved(settings, source)
        yield settings, source


Taken = tuple["Settings", Path]


@pytest.fixture
def lost(taken: Taken) -> Iterator[Settings]:
    """The settings with an empty database, as after its loss."""
    with fresh_database(taken[0]) as fresh:
        yield fresh
        drop_kept(fresh)


def killed(*_: object, **__: object) -> None:
    raise Killed


def killed_after(real: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The same function, which ends all when it is called once more than `calls` times."""
    left = [calls]

    def run(*given: Any, **named: Any) -> Any:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return real(*given, **named)

    return run


Step = tuple[Any, str, int, bool]
"""What is called at the step, which of its calls is the last, and whether the tables are live."""

STEPS: list[Step] = [
    (restore, "run_restore", 0, False),
    (restore, "table_checksums", 0, False),
    (restore, "migrate", 0, False),
    (restore, "write_state", 0, False),
    (restore, "apply_erasures", 0, False),
    (KafkaState, "set_committed", 0, False),
    (restore, "migrate", 1, False),
    (restore, "swap_tables", 0, False),
    (swap, "exchange", 1, True),
    (swap, "exchange", 4, True),
    (restore, "_still_committed", 0, True),
    (restore, "drop_replaced", 0, True),
]


# One database is restored whole in the end, each of its restores having been cut short one step
# later than the one before; every night a database for each step, too.
# What is resumed is loaded already: of the two migrations, its first one is that of live tables.
IN_A_ROW = [(where, name, 0 if name == "migrate" else n, live) for where, name, n, live in STEPS]
LIVES = [IN_A_ROW, *([[step] for step in STEPS] if PROFILE == "nightly" else [])]


@pytest.mark.parametrize("steps", LIVES, ids=lambda steps: "-".join(step[1] for step in steps[-2:]))
def test_it_is_completed_by_the_next(
    taken: Taken, lost: Settings, monkeypatch: pytest.MonkeyPatch, steps: list[Step]
) -> None:
    settings, source = taken
    is_resumed = False
    for where, name, calls, in_place in steps:
        with monkeypatch.context() as cut:
            cut.setattr(where, name, killed_after(getattr(where, name), calls))
            with pytest.raises(Killed):
                restored(lost, source, resume=is_resumed)
        is_resumed = True
        if in_place:
            with pytest.raises(SetupError, match="--resume"):
                restored(lost, source)
    restored(lost, source, resume=True)
    assert contents(lost) == contents(settings)
    assert databases(lost) == {""}


def test_rows_that_come_while_it_loads_are_neither_replaced_nor_dropped(
    taken: Taken, lost: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, source = taken
    insert = "INSERT INTO session_marks (session_id, version) VALUES ('written meanwhile', 1)"

    def written(*given: Any, **named: Any) -> Any:
        with clickhouse.connect(lost) as client:
            client.command(insert)
        return real(*given, **named)

    def rows(settings: Settings) -> int:
        with clickhouse.connect(settings) as client:
            found = "SELECT count() FROM session_marks WHERE session_id = 'written meanwhile'"
            return int(client.query(found).result_rows[0][0])

    real = restore.check_no_workers
    with monkeypatch.context() as patched:
        patched.setattr(restore, "check_no_workers", written)
        with pytest.raises(SetupError, match="is not empty"):
            restored(lost, source)
    assert rows(lost) == 1

    with clickhouse.connect(lost) as client:
        client.command("TRUNCATE TABLE session_marks")
    real = restore.swap_tables
    monkeypatch.setattr(restore, "swap_tables", written)
    (warning,) = restored(lost, source, resume=True).warnings
    assert "session_marks has rows that were written meanwhile" in warning
    assert contents(lost) == contents(settings)
    (kept,) = databases(lost) - {""}
    live = clickhouse.database_of(lost)
    assert rows(clickhouse.on_database(lost, live + kept)) == 1


def test_no_erasure_and_no_backup_begins_before_it_has_ended(
    taken: Taken, lost: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, source = taken
    refused = []

    def try_others(*given: Any, **named: Any) -> Any:
        with pytest.raises(LeaseHeld, match="is running"):
            erase(lost, "u", requested_by=None, clock=SystemClock(), seconds=30, log=lambda _: None)
        with pytest.raises(LeaseHeld, match="is running"):
            saved(lost, source)
        refused.append(True)
        return real(*given, **named)

    real = restore.table_checksums
    monkeypatch.setattr(restore, "table_checksums", try_others)
    restored(lost, source)
    assert refused


def test_a_restore_that_loses_its_lease_puts_nothing_in_place(
    taken: Taken, lost: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, source = taken
    with monkeypatch.context() as cut:
        real = restore.apply_erasures

        def and_lose_lease(*given: Any, **named: Any) -> Any:
            lose_lease(lost)
            return real(*given, **named)

        cut.setattr(restore, "apply_erasures", and_lose_lease)
        with pytest.raises(SinkUnavailable, match="lease"):
            restored(lost, source)
    assert databases(lost) == {"_restore"}, "there is no live database yet"
    restored(lost, source, resume=True)
    assert contents(lost) == contents(settings)


def test_a_copy_that_is_cut_short_does_not_go_on_in_the_server(
    taken: Taken, lost: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickstream.operations.backup import clickhouse_backup

    ended: list[str] = []
    real = Server.command

    def command(self: Server, statement: str, **parameters: object) -> None:
        if statement.strip().startswith("KILL QUERY"):
            ended.append(str(parameters["id"]))
        real(self, statement, **parameters)

    monkeypatch.setattr(Server, "command", command)
    monkeypatch.setattr(clickhouse_backup, "_status", killed)
    with pytest.raises(Killed):
        restored(lost, taken[1])
    assert len(ended) == 1
    with clickhouse.connect(lost, database="system") as client:
        found = client.query(
            "SELECT count() FROM backups WHERE id = {id:String} AND status = 'RESTORING'",
            parameters={"id": ended[0]},
        ).result_rows
    assert found == [(0,)]
