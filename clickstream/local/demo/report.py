"""The ledger for a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream.local.data_directory import DataDirectory
from clickstream.local.demo.result import DemoResult, MarkEffect
from clickstream.local.demo.simulator import Json
from clickstream.local.endpoints import Endpoints
from clickstream.local.engines.clickhouse import ANALYST

# Of a long list of differences the first few tell what is wrong.
_SHOWN_DIFFERENCES = 10

_QUESTION = "SELECT count() FROM relevant_sessions"


def print_result(result: DemoResult, console: Console) -> None:
    """One session, freshness, then the ledger and what is wrong if anything is."""
    if result.example is not None:
        console.print(f"GET /session?session_id={result.example['session_id']}")
        console.print(_one_item_a_line(result.example), soft_wrap=True, markup=False)
    console.print(_freshness(result))
    console.print(_relevant(result))
    console.print(_ledger(result))
    if result.mark is not None:
        console.print(_mark(result.mark), soft_wrap=True)
    for problem in islice(_problems(result), _SHOWN_DIFFERENCES):
        console.print(f"[bold red]✗[/] {escape(problem)}")
    sent = result.rows[0]
    console.print(
        f"{sent.sessions} sessions and {sent.events} events sent in {result.seconds:.0f} s, "
        f"repeated after no answer: {result.retries}: "
        + ("[bold green]passed[/]" if result.passed else "[bold red]FAILED[/]")
    )


def next_steps(
    endpoints: Endpoints, sql_url: str, data_dir_option: str, command: str = "clickstream"
) -> str:
    """What to try on a system that stays up; `command` is what to type for `clickstream`, `sql_url`
    where an analyst asks.

    The session is of today: it says no other time.
    """
    url, json_post = endpoints.http, "-H 'Content-Type: application/json' -d"
    session = (
        '{"session_id": "mine", "search_query": "red shoes",'
        ' "search_results": [{"object_id": "a", "rank": 0.9}, {"object_id": "b", "rank": 0.7}]}'
    )
    event = '{"event_id": "1", "object_id": "b", "event_type": "click"}'
    return f"""
Look at it: {url}/

Try it. A search and the list that was shown, then a click on its second result:
  curl -sS {url}/session {json_post} '{session}'
  curl -sS {url}/session/events {json_post} '{{"session_id": "mine", "events": [{event}]}}'
Read both back, then mark the session irrelevant; `overview` counts one session less afterwards:
  curl -sS '{url}/session?session_id=mine'; curl -sS {url}/analytics/overview
  curl -sS {url}/session/irrelevant {json_post} '{{"session_id": "mine"}}'

Every endpoint: {endpoints.docs}
SQL, read only: curl -sS '{sql_url}' -d '{_QUESTION}'
Kafka:          {endpoints.kafka}, schema registry {endpoints.registry}
Is it healthy:  {command} doctor{data_dir_option}
"""


def analyst_url(endpoints: Endpoints) -> str:
    """Where `curl` takes SQL of a user who may read what is public, and change nothing."""
    password = DataDirectory(Path(endpoints.data_dir)).passwords([ANALYST])[ANALYST]
    url = urlsplit(endpoints.clickhouse)
    address = f"{ANALYST}:{password}@{url.hostname}:{url.port}"
    return f"{url.scheme}://{address}/?database={url.path.strip('/')}"


def _mark(mark: MarkEffect) -> str:
    """One sentence: what marking a session changed."""
    before, after = mark.before, mark.after
    colour = "green" if mark.as_promised else "bold red"
    return (
        f"POST /session/irrelevant for {mark.session_id}: of this run, analytics count"
        f" [{colour}]{before.sessions:,} → {after.sessions:,}[/] sessions and"
        f" {before.events:,} → {after.events:,} events. GET /session still shows it."
    )


def _one_item_a_line(session: Json) -> str:
    """JSON with each field on a line, and each result and event: a screen, not three."""

    def shown(value: object) -> str:
        if isinstance(value, list) and value:
            items = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value)
            return f"[\n{items}\n  ]"
        return json.dumps(value, ensure_ascii=False)

    fields = ",\n".join(f"  {json.dumps(name)}: {shown(value)}" for name, value in session.items())
    return f"{{\n{fields}\n}}"


def _ledger(result: DemoResult) -> Table:
    table = _table(f"Ledger of {result.run_id}", ["", "sessions", "events", "marks"])
    for row in result.rows:
        table.add_row(row.label, *map(_count, (row.sessions, row.events, row.marks)))
    table.add_section()
    for label, count in (
        ("missing (must be 0)", result.missing),
        ("duplicated (must be 0)", result.duplicated),
        ("altered (must be 0)", result.altered),
        ("refused or unanswered (must be 0)", len(result.refused) + result.unanswered),
    ):
        table.add_row(label, f"[{'bold red' if count else 'green'}]{count}[/]")
    return table


def _relevant(result: DemoResult) -> Table:
    table = _table("Not irrelevant, counted in three ways", ["", *result.relevant])
    colour = "green" if result.counts_agree else "bold red"
    for kind in ("sessions", "events"):
        counts = [getattr(relevant, kind) for relevant in result.relevant.values()]
        table.add_row(kind, *(f"[{colour}]{count}[/]" for count in counts))
    return table


def _freshness(result: DemoResult) -> Table:
    table = _table("Freshness: from acknowledged to readable, ms", ["", "p50", "p99", "samples"])
    for what, times in result.freshness.items():
        table.add_row(what, f"{times.p50_ms:.0f}", f"{times.p99_ms:.0f}", str(times.samples))
    return table


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    return table


def _count(count: int | None) -> str:
    return "" if count is None else str(count)


def _problems(result: DemoResult) -> Sequence[str]:
    found = [*result.refused]
    for way, comparison in (("API", result.api), ("SQL", result.sql)):
        found += [f"{way}: missing {what}" for what in comparison.missing]
        found += [f"{way}: more than once {what}" for what in comparison.duplicated]
        found += [f"{way}: {what}" for what in comparison.altered]
    return found
