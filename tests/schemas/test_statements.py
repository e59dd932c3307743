from __future__ import annotations

import pytest

from schemas.statements import split, why_not_rerunnable


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql)]


@pytest.mark.parametrize(
    "hidden",
    [
        "'a;b'",
        "'it''s; fine'",
        r"'a\';b'",
        r"'a\\'",
        '"a;b"',
        "`a;b`",
        "`a``;b`",
        "$$a;b$$",
        "$tag$a;$$;b$tag$",
    ],
)
def test_a_semicolon_in_a_string_or_name_ends_nothing(hidden: str) -> None:
    assert texts(f"SELECT {hidden}; SELECT 2") == [f"SELECT {hidden}", "SELECT 2"]


@pytest.mark.parametrize(
    "comment", ["-- a; b 'c\n", "--; it's\n", "# a; b\n", "#! a; b\n", "/* a; 'b\n; */"]
)
def test_a_semicolon_or_quote_in_a_comment_means_nothing(comment: str) -> None:
    found = [text.split() for text in texts(f"SELECT 1 {comment}, 2; SELECT 3")]
    assert found == [["SELECT", "1", ",", "2"], ["SELECT", "3"]]


def test_minus_hash_slash_and_dollar_alone_are_no_comments() -> None:
    sql = "SELECT 5 - 3, 6 / 2, 'x' AS a$b, '#'"
    assert texts(sql) == [sql]


def test_comments_and_empty_statements_are_dropped() -> None:
    assert texts("-- only this\n;;\n/* and this */ ;  \n") == []


def test_the_last_statement_needs_no_semicolon() -> None:
    assert texts("SELECT 1;\nSELECT 2\n") == ["SELECT 1", "SELECT 2"]


@pytest.mark.parametrize("opened", ["'a", '"a', "`a", "/* a", "'a\\'"])
def test_what_is_opened_and_never_closed_is_refused_with_its_line(opened: str) -> None:
    with pytest.raises(ValueError, match=r"line 3: .* never closed"):
        split(f"SELECT 1;\n-- 'fine\nSELECT {opened};\n")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE IF NOT EXISTS a (b Int8) ENGINE = Memory",
        "create  table\nif not exists a (b Int8) ENGINE = Memory",
        "CREATE OR REPLACE VIEW a AS SELECT 1",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS a TO b AS SELECT 1",
        "DROP TABLE IF EXISTS a",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS b String COMMENT 'ADD COLUMN c'",
        "ALTER TABLE a MODIFY COLUMN b String, DROP COLUMN IF EXISTS c",
        "ALTER TABLE a MODIFY TTL d + INTERVAL 1 DAY",
    ],
)
def test_what_can_be_run_again_passes(sql: str) -> None:
    assert why_not_rerunnable(split(sql)[0]) is None


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (b Int8) ENGINE = Memory",
        "CREATE TABLE a (b Int8 COMMENT 'IF NOT EXISTS') ENGINE = Memory",
        "CREATE OR REPLACE TABLE a (b Int8) ENGINE = Memory",
        "CREATE VIEW a AS SELECT 1",
        "DROP TABLE a",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS b String, ADD COLUMN c String",
        "ALTER TABLE a DROP COLUMN b",
        "ALTER TABLE a RENAME COLUMN b TO c",
        "INSERT INTO a VALUES (1)",
        "RENAME TABLE a TO b",
    ],
)
def test_what_cannot_be_run_again_is_refused(sql: str) -> None:
    assert why_not_rerunnable(split(sql)[0]) is not None
