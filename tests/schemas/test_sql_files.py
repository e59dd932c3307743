"""The rules of the folders tables/, views/ and migrations/."""

from __future__ import annotations

import pytest

from core.errors import MigrationError
from schemas.sql_files import SqlFile, load
from tests.schemas.conftest import TABLE, VIEW, Folder


def test_our_own_files_load() -> None:
    files = load()
    assert {"sessions", "events"} <= {table.name for table in files.tables}
    assert "relevant_sessions" in {view.name for view in files.views}


def test_a_view_comes_after_the_views_that_it_reads(folder: Folder) -> None:
    root = folder(
        {
            "views/a.sql": "CREATE OR REPLACE VIEW a AS SELECT * FROM b",
            "views/b.sql": "CREATE OR REPLACE VIEW b AS SELECT 1 FROM t INNER JOIN c",
            "views/c.sql": "CREATE OR REPLACE VIEW c AS SELECT 1 AS a",
        }
    )
    assert [view.name for view in load(root).views] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("path", "sql"),
    [
        ("tables/t.sql", "CREATE TABLE t (b Int8) ENGINE = Memory"),
        ("tables/t.sql", "CREATE TABLE IF NOT EXISTS other (b Int8) ENGINE = Memory"),
        ("tables/t.sql", f"{TABLE}\n-- next\n{TABLE}"),
        ("tables/t.sql", "-- nothing"),
        ("views/v.sql", "CREATE VIEW v AS SELECT 1"),
        ("views/v.sql", "CREATE OR REPLACE VIEW other AS SELECT 1"),
    ],
)
def test_a_file_makes_the_object_that_it_is_named_after_and_no_other(
    folder: Folder, path: str, sql: str
) -> None:
    with pytest.raises(MigrationError, match=f"{path} must be one statement that begins with"):
        load(folder({path: sql}))


@pytest.mark.parametrize("name", ["1_a", "0001", "0001_A", "0001-a"])
def test_a_migration_that_is_not_numbered_is_refused(folder: Folder, name: str) -> None:
    with pytest.raises(MigrationError, match=r"not named NNNN_name\.sql"):
        load(folder({f"migrations/{name}.sql": TABLE}))


@pytest.mark.parametrize("names", [("0002_a",), ("0001_a", "0003_b"), ("0001_a", "0001_b")])
def test_numbers_have_no_gap_and_no_double(folder: Folder, names: tuple[str, ...]) -> None:
    with pytest.raises(MigrationError, match="without gaps"):
        load(folder({f"migrations/{name}.sql": TABLE for name in names}))


def only(folder: Folder, sql: str) -> SqlFile:
    (migration,) = load(folder({"migrations/0001_a.sql": sql})).migrations
    return migration


def test_statements_are_separated_by_a_line_and_not_by_semicolons(folder: Folder) -> None:
    sql = "-- why\nSELECT 'a;b';\n-- next\n  -- and why\nSELECT 2\n\n-- next\n"
    assert only(folder, sql).statements == ("SELECT 'a;b'", "SELECT 2")


def test_the_checksum_sees_statements_and_not_comments(folder: Folder) -> None:
    checksum = only(folder, TABLE).checksum
    assert only(folder, f"-- why; so\n{TABLE};\n-- the end\n").checksum == checksum
    assert only(folder, TABLE.replace("Int8", "Int16")).checksum != checksum
    assert only(folder, f"{TABLE}\n-- next\n{VIEW}").checksum != checksum
