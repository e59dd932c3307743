from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest
from typer.testing import CliRunner

from core.clickhouse.client import connect
from core.errors import MigrationError
from core.settings import Settings
from schemas.migrate import MIGRATIONS, Nodes, load, migrate, pending

FIRST = "CREATE TABLE IF NOT EXISTS a (b Int8) ENGINE = MergeTree ORDER BY b"
SECOND = "ALTER TABLE a ADD COLUMN IF NOT EXISTS c String"


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A migrations folder: name=SQL, where the header is added."""

    def write(**files: str) -> Path:
        shutil.rmtree(tmp_path / "sql", ignore_errors=True)
        (tmp_path / "sql").mkdir()
        for name, sql in files.items():
            (tmp_path / "sql" / f"{name.removeprefix('m')}.sql").write_text(
                sql if sql.startswith("--") else f"-- nodes: LOCAL\n{sql}", encoding="utf-8"
            )
        return tmp_path / "sql"

    return write


Folder = Callable[..., Path]


def test_our_own_migrations_load_and_say_where_they_run() -> None:
    migrations = load(MIGRATIONS)
    assert [migration.number for migration in migrations] == list(range(1, len(migrations) + 1))
    assert {migration.nodes for migration in migrations} <= set(Nodes)


@pytest.mark.parametrize("header", ["-- nodes: BOTH", "-- the tables", "--nodes: LOCAL"])
def test_a_file_that_does_not_name_its_nodes_is_refused(folder: Folder, header: str) -> None:
    with pytest.raises(MigrationError, match="must begin with `-- nodes: LOCAL`"):
        load(folder(m0001_a=f"{header}\n{FIRST}"))


@pytest.mark.parametrize("name", ["m1_a", "m0001", "m0001_A", "m0001-a"])
def test_a_file_that_is_not_numbered_is_refused(folder: Folder, name: str) -> None:
    with pytest.raises(MigrationError, match=r"not named NNNN_name\.sql"):
        load(folder(**{name: FIRST}))


@pytest.mark.parametrize("names", [("m0002_a",), ("m0001_a", "m0003_b"), ("m0001_a", "m0001_b")])
def test_numbers_have_no_gap_and_no_double(folder: Folder, names: tuple[str, ...]) -> None:
    with pytest.raises(MigrationError, match="without gaps"):
        load(folder(**dict.fromkeys(names, FIRST)))


def test_a_statement_that_cannot_be_run_again_is_refused(folder: Folder) -> None:
    with pytest.raises(MigrationError, match=r"0001_a\.sql, statement 2 cannot be run again"):
        load(folder(m0001_a=f"{FIRST};\nCREATE TABLE x (y Int8) ENGINE = Memory;"))


def test_a_quote_left_open_is_refused_with_its_line(folder: Folder) -> None:
    with pytest.raises(MigrationError, match=r"0001_a\.sql, line 2: ' is opened"):
        load(folder(m0001_a=f"{FIRST} COMMENT 'its;"))


def test_the_checksum_sees_statements_and_not_comments(folder: Folder) -> None:
    def checksum(sql: str) -> str:
        return load(folder(m0001_a=sql))[0].checksum

    assert checksum(f"{FIRST};") == checksum(f"\n-- why; so\n{FIRST}\n;\n-- the end\n")
    assert checksum(FIRST) != checksum(FIRST.replace("Int8", "Int16"))
    assert checksum(FIRST) != checksum(f"-- nodes: DISTRIBUTED\n{FIRST}")


def names(settings: Settings, folder: Path) -> list[str]:
    return [str(migration) for migration in migrate(settings, folder)]


@pytest.mark.engines
def test_migrate_makes_the_database_and_applies_each_file_once(
    fresh: Settings, folder: Folder
) -> None:
    one = folder(m0001_a=FIRST)
    assert [str(m) for m in pending(fresh, one)] == ["0001_a"]
    assert names(fresh, one) == ["0001_a"]
    assert names(fresh, one) == []

    two = folder(m0001_a=FIRST, m0002_b=SECOND)
    assert [str(m) for m in pending(fresh, two)] == ["0002_b"]
    assert names(fresh, two) == ["0002_b"]
    with connect(fresh) as client:
        assert [row[0] for row in client.query("DESCRIBE a").result_rows] == ["b", "c"]
        rows = client.query("SELECT number, name FROM schema_migrations ORDER BY number")
        assert rows.result_rows == [(1, "a"), (2, "b")]


@pytest.mark.engines
def test_a_file_changed_after_it_was_applied_is_refused(fresh: Settings, folder: Folder) -> None:
    migrate(fresh, folder(m0001_a=FIRST))
    changed = folder(m0001_a=FIRST.replace("Int8", "Int16"))
    for look in (migrate, pending):
        with pytest.raises(MigrationError, match="0001_a was changed after it was applied"):
            look(fresh, changed)


@pytest.mark.engines
def test_a_database_of_a_newer_version_is_refused(fresh: Settings, folder: Folder) -> None:
    migrate(fresh, folder(m0001_a=FIRST, m0002_b=SECOND))
    with pytest.raises(MigrationError, match="0002_b, which this version does not know"):
        migrate(fresh, folder(m0001_a=FIRST))


@pytest.mark.engines
def test_a_run_that_failed_half_way_is_completed_once_mended(
    fresh: Settings, folder: Folder
) -> None:
    with pytest.raises(MigrationError, match=r"0001_a, statement 2 of 2: .*UNKNOWN_TABLE"):
        migrate(fresh, folder(m0001_a=f"{FIRST}; ALTER TABLE nothing MODIFY COMMENT 'x'"))
    mended = folder(m0001_a=f"{FIRST}; ALTER TABLE a MODIFY COMMENT 'x'")
    assert names(fresh, mended) == ["0001_a"]


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

    ours = [str(migration) for migration in load(MIGRATIONS)]
    status, checked = run("--check")
    assert (status, checked["pending"]) == (1, ours)
    assert "table sessions is declared and missing" in checked["differences"]
    assert run("--dry-run") == (0, {"pending": ours})
    assert run() == (0, {"applied": ours})
    assert run() == (0, {"applied": []})
    assert run("--check") == (0, {"pending": [], "differences": []})
