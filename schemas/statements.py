"""SQL text → statements, and the rule that each may be run again.

ClickHouse has no transaction around DDL and no lock for it, so a migration that was cut short, or
that two processes run at once, is healed by running it again. Statements that cannot be run again
are refused before anything is run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# What a semicolon may hide in, in ClickHouse's dialect: strings and quoted names (with backslash
# escapes or a doubled quote), heredocs, comments.
_TOKEN: Final = re.compile(
    r"""
      (?P<quoted> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`
                | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$ )
    | (?P<comment> --[^\n]* | \#[!\ ][^\n]* | /\* .*? \*/ )
    | (?P<end> ; )
    | (?P<open> /\* | ['"`] )
    | (?P<other> [^-#/;'"`$]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_CREATES: Final = re.compile(
    r"CREATE (?:(?:TABLE|VIEW|MATERIALIZED VIEW|DICTIONARY) IF NOT EXISTS|OR REPLACE VIEW)\b"
)
_DROPS: Final = re.compile(r"DROP (?:TABLE|VIEW|DICTIONARY) IF EXISTS\b")
_ALTERS: Final = re.compile(r"ALTER TABLE\b")
_PART: Final = r"(?:COLUMN|INDEX|PROJECTION|CONSTRAINT|STATISTICS)"
_ALTER_ONCE: Final = re.compile(
    rf"\bADD {_PART} (?!IF NOT EXISTS\b)|\b(?:DROP|CLEAR|RENAME) {_PART} (?!IF EXISTS\b)"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its comments; `outline` is it in capitals, with empty strings."""

    text: str
    outline: str


def split(sql: str) -> tuple[Statement, ...]:
    """The statements between the semicolons that count. ValueError when a quote is left open."""
    statements: list[Statement] = []
    text, outline = "", ""
    for token in _TOKEN.finditer(sql):
        piece = token.group()
        if token["open"]:
            line = sql.count("\n", 0, token.start()) + 1
            raise ValueError(f"line {line}: {piece} is opened and never closed")
        if token["end"]:
            _add(statements, text, outline)
            text, outline = "", ""
        else:
            text += " " if token["comment"] else piece
            outline += " " if token["comment"] else "''" if token["quoted"] else piece
    _add(statements, text, outline)
    return tuple(statements)


def _add(statements: list[Statement], text: str, outline: str) -> None:
    if text.strip():
        statements.append(Statement(text.strip(), " ".join(outline.upper().split())))


def why_not_rerunnable(statement: Statement) -> str | None:
    """None when running it twice is the same as running it once; else what to write instead."""
    outline = statement.outline
    if _ALTERS.match(outline):
        once = _ALTER_ONCE.search(outline)
        return f"write {once.group().strip()} IF [NOT] EXISTS" if once else None
    if _CREATES.match(outline) or _DROPS.match(outline):
        return None
    return (
        "only CREATE ... IF NOT EXISTS, CREATE OR REPLACE VIEW, ALTER TABLE and"
        " DROP ... IF EXISTS can be run again"
    )
