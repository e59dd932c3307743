from __future__ import annotations

import json
from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from typer.testing import CliRunner

from core.clickhouse.client import connect
from core.errors import MigrationError
from core.settings import Settings
from schemas.migrate import RECORD, independent, migrate, pending, plan
from schemas.sql_files import SqlFile, load
from tests.schemas.conftest import TABLE, VIEW, Folder

TABLE_NOW = "CREATE TABLE IF NOT EXISTS t (b Int8, c String) ENGINE = MergeTree ORDER BY b"
ADD_C = "ALTER TABLE t ADD COLUMN IF NOT EXISTS c String"
FIRST = {"tables/t.sql": TABLE, "views/v.sql": VIEW}
SECOND = {"tables/t.sql": TABLE_NOW, "views/v.sql": VIEW, "migrations/0001_c.sql": ADD_C}
ALL_OF_FIRST = ["tables/t.sql", "views/v.sql"]


def columns(settings: Settings, table: str) -> list[str]:
    with connect(settings) as client:
        return [row[0] for row in client.query(f"DESCRIBE {table}").result_rows]


def test_views_of_what_is_made_again_are_made_again(folder: Folder) -> None:
    files = load(
        folder(
            {
                **FIRST,
                "views/w.sql": "CREATE OR REPLACE VIEW w AS SELECT b FROM v",
                "views/x.sql": "CREATE OR REPLACE VIEW x AS SELECT b FROM t",
            }
        )
    )
    recorded = {view.path: view.checksum for view in files.views}

    def to_run(existing: set[str], recorded: dict[str, str]) -> list[str]:
        return [file.name for file in plan(files, existing, recorded).to_run]

    everything = {"t", "v", "w", "x"}
    assert to_run(everything, recorded) == []
    assert to_run(everything, recorded | {"views/v.sql": "other"}) == ["v", "w"]
    assert to_run(everything - {"w"}, recorded) == ["w"]
    assert to_run(everything - {"t"}, recorded) == ["t", "v", "x", "w"]


@pytest.mark.engines
def test_what_is_made_at_once_does_not_need_each_other() -> None:
    def file(path: str, reads: str = "") -> SqlFile:
        return SqlFile(path, (f"SELECT 1 FROM {reads or 'one'}",))  # noqa: S608 - of this test

    files = [
        *(file("tables/a.sql"), file("tables/b.sql")),
        *(file("migrations/0001_m.sql"), file("migrations/0002_n.sql")),
        *(file("views/v.sql", "a"), file("views/w.sql", "b"), file("views/x.sql", "v")),
    ]
    groups = [[each.name for each in group] for group in independent(files)]
    assert groups == [["a", "b"], ["0001_m"], ["0002_n"], ["v", "w"], ["x"]]
    assert list(independent([])) == []


def test_migrate_makes_the_database_and_what_it_lacks(fresh: Settings, folder: Folder) -> None:
    one = folder(FIRST)
    assert pending(fresh, one) == ALL_OF_FIRST
    assert migrate(fresh, one) == ALL_OF_FIRST
    assert (pending(fresh, one), migrate(fresh, one)) == ([], [])
    two = folder({**FIRST, "tables/u.sql": TABLE.replace(" t ", " u ")})
    assert pending(fresh, two) == ["tables/u.sql"]
    assert migrate(fresh, two) == ["tables/u.sql"]


@pytest.mark.engines
def test_a_view_is_made_again_when_its_text_changed(fresh: Settings, folder: Folder) -> None:
    migrate(fresh, folder(FIRST))
    changed = folder({**FIRST, "views/v.sql": "CREATE OR REPLACE VIEW v AS SELECT b AS d FROM t"})
    assert migrate(fresh, changed) == ["views/v.sql"]
    assert columns(fresh, "v") == ["d"]
    with connect(fresh) as client:
        client.command("DROP VIEW v")
    assert migrate(fresh, changed) == ["views/v.sql"]


@pytest.mark.engines
def test_a_migration_runs_once_in_an_older_database_and_views_see_it(
    fresh: Settings, folder: Folder
) -> None:
    migrate(fresh, folder(FIRST))
    assert columns(fresh, "v") == ["b"]
    two = folder(SECOND)
    assert pending(fresh, two) == ["migrations/0001_c.sql", "views/v.sql"]
    assert migrate(fresh, two) == ["migrations/0001_c.sql", "views/v.sql"]
    assert columns(fresh, "t") == columns(fresh, "v") == ["b", "c"]
    assert migrate(fresh, two) == []


@pytest.mark.engines
def test_a_new_database_has_the_migrations_in_its_tables_already(
    fresh: Settings, folder: Folder
) -> None:
    once = {"migrations/0001_c.sql": "ALTER TABLE t ADD COLUMN c String"}
    assert migrate(fresh, folder({**SECOND, **once})) == ALL_OF_FIRST
    assert columns(fresh, "t") == ["b", "c"]
    assert pending(fresh, folder({**SECOND, **once})) == []


@pytest.mark.engines
def test_tables_without_a_record_are_older_ones(fresh: Settings, folder: Folder) -> None:
    """As a restore puts them there: from a backup of whichever release."""
    migrate(fresh, folder(FIRST))
    with connect(fresh) as client:
        client.command(f"DROP TABLE {RECORD} SYNC")
    assert "migrations/0001_c.sql" in migrate(fresh, folder(SECOND))
    assert columns(fresh, "t") == ["b", "c"]


@pytest.mark.engines
def test_a_migration_changed_after_it_was_applied_is_refused(
    fresh: Settings, folder: Folder
) -> None:
    migrate(fresh, folder(SECOND))
    changed = folder({**SECOND, "migrations/0001_c.sql": ADD_C.replace("String", "Int8")})
    for look in (migrate, pending):
        with pytest.raises(MigrationError, match=r"0001_c\.sql was changed after it was applied"):
            look(fresh, changed)


@pytest.mark.engines
def test_a_database_of_a_newer_version_is_refused(fresh: Settings, folder: Folder) -> None:
    migrate(fresh, folder(SECOND))
    with pytest.raises(MigrationError, match=r"0001_c\.sql, which this version does not know"):
        migrate(fresh, folder(FIRST))


@pytest.mark.engines
@pytest.mark.parametrize(
    "table",
    [
        "schema_migrations (number UInt16) ENGINE = MergeTree ORDER BY number",
        "events (session_id String, event_id String, version UInt64)"
        " ENGINE = ReplacingMergeTree(version) ORDER BY (session_id, event_id)",
    ],
)
def test_a_database_from_before_the_first_release_is_refused(fresh: Settings, table: str) -> None:
    with connect(fresh, database="system") as client:
        client.command("CREATE DATABASE {name:Identifier}", parameters={"name": name_of(fresh)})
    with connect(fresh) as client:
        client.command(f"CREATE TABLE {table}")
    for look in (migrate, pending):
        with pytest.raises(MigrationError, match=f"drop it .DROP DATABASE {name_of(fresh)}"):
            look(fresh)


def name_of(settings: Settings) -> str:
    return settings.clickhouse_url.get_secret_value().rpartition("/")[2]


@pytest.mark.engines
def test_a_run_that_failed_half_way_is_completed_by_the_next(
    fresh: Settings, folder: Folder
) -> None:
    migrate(fresh, folder(FIRST))
    two = f"{ADD_C}\n-- next\nALTER TABLE {{table}} MODIFY COMMENT 'x'"
    broken = {**SECOND, "migrations/0001_c.sql": two.format(table="nothing")}
    with pytest.raises(MigrationError, match=r"0001_c\.sql, statement 2 of 2: .*UNKNOWN_TABLE"):
        migrate(fresh, folder(broken))
    repaired = {**SECOND, "migrations/0001_c.sql": two.format(table="t")}
    assert migrate(fresh, folder(repaired)) == ["migrations/0001_c.sql", "views/v.sql"]


@pytest.mark.engines
def test_several_processes_may_migrate_at_once(fresh: Settings) -> None:
    """Threads stand in for processes: nothing but the server is shared between the calls."""
    barrier = Barrier(4)
    failures: list[BaseException] = []

    def run() -> None:
        barrier.wait(30)
        try:
            migrate(fresh)
        except Exception as error:  # whatever it is, the test names it
            failures.append(error)

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert pending(fresh) == []


@pytest.mark.engines
def test_the_command_says_what_is_pending_applies_it_and_is_then_content(
    fresh: Settings, environment: Callable[..., None]
) -> None:
    from clickstream.commands.main import app

    environment(fresh)

    def run(*options: str) -> tuple[int, dict[str, list[str]]]:
        result = CliRunner().invoke(app, ["migrate", *options, "--json"])
        return result.exit_code, json.loads(result.output)

    files = load()
    ours = [file.path for file in (*files.tables, *files.views)]
    status, checked = run("--check")
    assert (status, checked["pending"]) == (1, ours)
    assert "table sessions is declared and missing" in checked["differences"]
    assert run("--dry-run") == (0, {"pending": ours})
    assert run() == (0, {"applied": ours})
    assert run() == (0, {"applied": []})
    assert run("--check") == (0, {"pending": [], "differences": []})
