"""Write docs/schema.md from schemas/golden.json; `--check` only compares. Run it by `make docs`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.drift import Described, declared
from schemas.sql_files import load

PAGE = Path(__file__).with_name("schema.md")

VIEWS = (
    "relevant_sessions",
    "relevant_events",
    "impressions",
    "session_outcomes",
    "analytics_daily",
    "analytics_queries",
    "analytics_positions",
    "session_measures",
    "session_intents",
    "session_positions",
    "session_objects",
    "metrics_now",
    "metrics_overview",
    "metrics_queries",
    "metrics_positions",
    "metrics_judgments",
    "metrics_experiment",
    "metrics_experiment_users",
    "metrics_interleaving",
    "instrumentation_health",
)
TABLES = (
    "sessions",
    "events",
    "unjoined_events",
    "session_marks",
    "session_facts",
    "facts_progress",
    "late_joins",
)
OPERATORS = (
    "dead_letters",
    "dead_letter_acts",
    "erasures",
    "erased_sessions",
    "erased_dead_letters",
    "erasure_log",
)
# A table → the view that shows most of its columns.
SHOWN_BY = {"sessions": "relevant_sessions", "events": "relevant_events"}

VIEW_FILES = load().views
_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")
USUAL = {
    "relevance": "'exclude'",
    "event_type": "'click'",
    "variant_field": "'variant'",
    "control": "'A'",
    "outliers": "'keep'",
    "quantile": "0.99",
    "limit": "20",
}

INTRODUCTION = """\
# The ClickHouse schema

What the database has, public objects first. `make docs` writes this page from the comments in
`schemas/tables` and `schemas/views`, and a test compares. [sql.md](sql.md) has queries to start
from, and [metrics.md](metrics.md) the definitions of the numbers. All times are UTC. Of views
that take parameters, a statement is shown that lists their columns.

    Kafka ──▶ sessions, events, session_marks      unjoined_events      dead_letters
                     │                             (their search has    (cannot be
                     ▼                              not come)            processed)
              relevant_sessions, relevant_events, impressions
              session_outcomes, analytics_daily, analytics_queries, analytics_positions
"""


def page() -> str:
    """The whole page."""
    tables, columns = declared()
    internal = [name for name in tables if name.startswith("_")]
    named = {*VIEWS, *TABLES, *OPERATORS, *internal}
    if tables.keys() != named:
        raise SystemExit(f"docs/write_schema.py names other objects: {tables.keys() ^ named}")
    return "\n".join(
        (
            INTRODUCTION,
            "## Views to read\n",
            *(_section(name, tables, columns) for name in VIEWS),
            "## Tables\n\nUntil ClickHouse merges it, a record may be there more than once:"
            " read with `FINAL`.\n",
            *(_section(name, tables, columns) for name in TABLES),
            "## Tables for operators\n\nAn analyst has no right to these.\n",
            *(_section(name, tables, columns) for name in OPERATORS),
            "---\n\n## Internal, may change\n\nNames that begin with `_`. Nobody but this software"
            " should read them, and the role of an analyst neither sees nor reads them.\n",
            _table(("Name", "What it is"), ((f"`{n}`", tables[n]["comment"]) for n in internal)),
        )
    )


def _section(name: str, tables: Described, columns: Described) -> str:
    shown_by = SHOWN_BY.get(name)
    mine = {
        column.partition(".")[2]: properties
        for column, properties in columns.items()
        if column.partition(".")[0] == name
    }
    if shown_by is not None:
        mine = {c: told for c, told in mine.items() if f"{shown_by}.{c}" not in columns}
    if not mine:
        return f"### `{name}`\n\n{tables[name]['comment']}.\n\n{_how_to_describe(name)}"
    rows = (
        (f"`{column}`", f"`{told['type']}`", told["comment"].replace("|", "\\|"))
        for column, told in mine.items()
    )
    more = f"\n\nThe columns of `{shown_by}`, and:" if shown_by else ""
    return f"### `{name}`\n\n{tables[name]['comment']}.{more}\n\n" + _table(
        ("Column", "Type", "What it is"), rows
    )


def _how_to_describe(view: str) -> str:
    """ClickHouse lists no columns of a view that has parameters: a statement that does."""
    (file,) = (file for file in VIEW_FILES if file.name == view)
    types = dict(_PARAMETER.findall(file.statements[0]))
    given = ", ".join(f"{p} = {USUAL.get(p, 0)}" for p in types)
    text = f"DESCRIBE (SELECT * FROM {view}(\n    {given}))"  # noqa: S608  (our own names)
    return f"```sql\n{text}\n```\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> int:
    """1 when `--check` finds another page than the schema makes."""
    wanted = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text("utf-8") == wanted
        if not same:
            print(f"{PAGE} is not what the schema says: run `make docs`", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
