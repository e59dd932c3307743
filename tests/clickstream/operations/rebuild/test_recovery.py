"""A replay that is killed in the middle of its swap: the next one finds the tables and goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from clickstream.operations.rebuild.databases import TABLES, Databases
from clickstream.operations.rebuild.start_point import Earliest
from clickstream.operations.rebuild.swap import Remedy
from core import clickhouse
from core.clock import SystemClock
from core.errors import SetupError, SinkUnavailable
from tests.clickstream.operations.rebuild.silent import Silent
from tests.clickstream.operations.rebuild.stored import contents, databases, drop_kept

if TYPE_CHECKING:
    from core.clickhouse.admin import Server
    from core.settings import Settings
    from tests.clickstream.operations.rebuild.conftest import Filled

pytestmark = pytest.mark.engines

AWAY = "the old tables are away"
CAUGHT_UP = "the rebuilt tables have caught up"
IN_PLACE = "the rebuilt tables are in place"


def kill_at(settings: Settings, line: str) -> None:
    """Run a replay in a process of its own until it dies at this line."""
    from tests.e2e.process_pair import environment_of

    done = subprocess.run(
        [sys.executable, "-m", "tests.clickstream.operations.rebuild.killed", line],
        env=environment_of(settings),
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def by_hand(settings: Settings, action: Callable[[Server, Databases], None]) -> None:
    from core.clickhouse.admin import open_server

    with open_server(settings) as server:
        action(server, Databases.from_settings(settings))


def recovered(settings: Settings) -> Remedy:
    from clickstream.operations.rebuild.run import recover

    return recover(settings, SystemClock(), Silent())


@pytest.mark.parametrize("line", [AWAY, CAUGHT_UP])
def test_killed_while_the_tables_are_away_the_old_ones_return(filled: Filled, line: str) -> None:
    kill_at(filled.settings, line)
    with pytest.raises(SinkUnavailable), clickhouse.translate(filled.settings):
        contents(filled.settings)
    assert recovered(filled.settings) is Remedy.PUT_BACK
    assert contents(filled.settings) == filled.contents
    assert databases(filled.settings) == {""}


def test_killed_after_the_swap_the_new_tables_stay_and_the_old_ones_are_kept(
    filled: Filled,
) -> None:
    kill_at(filled.settings, IN_PLACE)
    assert contents(filled.settings) == filled.contents
    assert recovered(filled.settings) is Remedy.GO_ON
    assert contents(filled.settings) == filled.contents
    assert len(databases(filled.settings)) == 2
    drop_kept(filled.settings)


@pytest.mark.parametrize("moved", range(1, len(TABLES)))
def test_cut_short_while_tables_are_taken_away_they_return(filled: Filled, moved: int) -> None:
    def cut_short(server: Server, names: Databases) -> None:
        server.create(names.retired)
        server.move(TABLES[:moved], names.live, names.retired)

    by_hand(filled.settings, cut_short)
    assert recovered(filled.settings) is Remedy.PUT_BACK
    assert contents(filled.settings) == filled.contents
    assert databases(filled.settings) == {""}


def test_cut_short_while_tables_are_put_in_place_the_others_follow(filled: Filled) -> None:
    kill_at(filled.settings, CAUGHT_UP)
    by_hand(
        filled.settings,
        lambda server, names: server.move(TABLES[:2], names.shadow, names.live),
    )
    assert recovered(filled.settings) is Remedy.GO_ON
    assert contents(filled.settings) == filled.contents
    drop_kept(filled.settings)


def test_the_next_replay_recovers_by_itself(filled: Filled) -> None:
    from clickstream.operations.rebuild.run import preview, replay

    kill_at(filled.settings, AWAY)
    with pytest.raises(SetupError, match="--recover"):
        preview(filled.settings, Earliest())
    assert replay(filled.settings, Earliest(), SystemClock(), Silent()).equal
    assert contents(filled.settings) == filled.contents
    assert databases(filled.settings) == {""}


def test_nothing_to_recover_is_no_error(filled: Filled) -> None:
    assert recovered(filled.settings) is Remedy.NOTHING


def test_a_database_of_somebody_else_is_never_dropped(filled: Filled) -> None:
    names = Databases.from_settings(filled.settings)
    with clickhouse.connect(filled.settings, database="system") as client:
        client.command(f"CREATE DATABASE {names.shadow}")
        with pytest.raises(SetupError, match="clickstream has not made"):
            recovered(filled.settings)
        client.command(f"DROP DATABASE {names.shadow} SYNC")
    assert contents(filled.settings) == filled.contents


def test_a_failure_in_the_swap_puts_the_old_tables_back(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickstream.operations.rebuild import exchange
    from clickstream.operations.rebuild.run import replay

    def refuse(server: Server, names: Databases) -> None:
        server.move(TABLES[:1], names.shadow, "no_such_database")

    monkeypatch.setattr(exchange, "put_in_place", refuse)
    with pytest.raises(SinkUnavailable):
        replay(filled.settings, Earliest(), SystemClock(), Silent())
    assert contents(filled.settings) == filled.contents
    assert databases(filled.settings) == {""}
