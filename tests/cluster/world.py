"""A real worker on a cluster, the read API of each node, and one server beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from schemas.grants import Role
from schemas.sql_files import load
from tests.cluster.lab import DATABASE, NODES, Cluster, user_of

if TYPE_CHECKING:
    from httpx import Response

    from core.settings import Settings
    from tests.clickstream.operations.replay.traffic import Traffic
    from tests.local_client import LocalClient
    from tests.stream_processors.fleet import Fleet

USERS = ("ann", "bob", "cy")

TABLES = (
    *("sessions", "events", "session_marks", "unjoined_events", "dead_letters"),
    *("session_facts", "late_joins"),
)

ERASURES = ("erasures", "erased_sessions", "erased_dead_letters")

# Every endpoint that reads sessions.
QUESTIONS = (
    *(f"/session?session_id={user}-s{n}" for user in USERS for n in (0, 1)),
    f"/events/lookup?session_id={USERS[0]}-s0&event_id=early",
    "/events/lookup?event_id=early",
    "/events/waiting",
    "/analytics/overview",
    "/analytics/overview?event_type=save&relevance=include",
    "/analytics/queries?relevance=only",
    "/analytics/queries?list=no_result",
    "/analytics/queries?list=no_click",
    "/analytics/positions",
    "/analytics/objects",
    "/analytics/funnel?steps=click,save",
    "/analytics/health",
    "/analytics/sessions?relevance=include",
    "/analytics/next_queries",
    "/analytics/query?metric=sessions&by=search_query",
    "/analytics/series?metric=sessions&granularity=month&from=2020-01-01T00:00:00Z&to=2027-01-01T00:00:00Z",
    "/analytics/experiment?control=a",
    "/analytics/interleaving?control=a",
    "/judgments?min_impressions=1",
    "/judgments?min_impressions=2",
    "/export/training?format=csv",
    "/export/sessions",
    "/export/sessions?relevance=only",
    "/export/sessions?with_events=true",
    "/export/events?relevance=include",
)

# It says how long ago something was.
_OF_THE_MOMENT = "metrics_now"

_PARAMETER = re.compile(r"\{(\w+):")
_VALUES = {
    "from_ms": "0",
    "to_ms": "5000000000000",
    "relevance": "'include'",
    "event_type": "'click'",
    "variant_field": "'variant'",
    "outliers": "'keep'",
    "most_sessions": "0",
    "quantile": "0.5",
    "control": "'a'",
    "limit": "10",
    "one_of": "1",
    "finding": "'repeated_events'",
}


def every_view(*, internal: bool) -> dict[str, str]:
    """By name, each view as a query names it."""
    found = {}
    for view in load().views:
        if view.name == _OF_THE_MOMENT or (view.name.startswith("_") and not internal):
            continue
        wanted = sorted(set(_PARAMETER.findall(view.statements[0])))
        given = ", ".join(f"{name} = {_VALUES[name]}" for name in wanted)
        found[view.name] = f"{view.name}({given})" if given else view.name
    return found


@dataclass
class Pipeline:
    """`of` has the settings with the URL of a node; `one_server` those of a server beside it."""

    of: Callable[[str], Settings]
    one_server: Settings
    traffic: Traffic
    fleet: Fleet

    def settle(self) -> None:
        self.traffic.flush()
        self.fleet.catch_up()


@contextmanager
def pipeline_on(
    cluster: Cluster,
    one_server: Settings,
    folders: pytest.TempPathFactory,
    database: str = DATABASE,
) -> Iterator[Pipeline]:
    """A worker on this cluster, with the topics of the settings of one server."""
    from schemas.migrate import migrate
    from tests.clickstream.operations.replay.traffic import Traffic
    from tests.stream_processors.fleet import Fleet

    def of(node: str) -> Settings:
        url = SecretStr(f"{cluster.urls[node]}/{database}")
        return one_server.model_copy(
            update={"clickhouse_url": url, "clickhouse_cluster": cluster.name}
        )

    first = of(NODES[0])
    migrate(first)
    with Fleet(as_user(first, Role.WORKER), folders.mktemp("worker"), 1) as fleet:
        yield Pipeline(of, one_server, Traffic(one_server), fleet)


def as_user(settings: Settings, role: Role) -> Settings:
    """The settings of a process that has this role, where there are such users."""
    url = settings.clickhouse_url.get_secret_value()
    if not url.endswith(f"/{DATABASE}"):
        return settings
    theirs = SecretStr(url.replace("http://", f"http://{user_of(role)}@"))
    return settings.model_copy(update={"clickhouse_url": theirs})


@contextmanager
def reader(settings: Settings, wait_seconds: float = 30) -> Iterator[LocalClient]:
    """The read API, as its process on this node would answer. A busy machine is no reason for a
    503."""
    reads = settings.reads.model_copy(update={"wait_seconds": wait_seconds})
    settings = settings.model_copy(update={"reads": reads})
    if settings.clickhouse_cluster:
        settings = as_user(settings, Role.API)
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app
    from tests.local_client import LocalClient

    app = build_app(settings, [ReadComponent(settings, eraser_of(settings))])
    with LocalClient(app) as client:
        yield client


@contextmanager
def held_up(settings: Settings, table: str) -> Iterator[None]:
    """The node of these settings copies nothing of this table."""
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout
    from schemas.cluster_sql import table_itself

    place = table_itself(table, Layout.of(settings))
    with connect(settings) as client:
        client.command(f"SYSTEM STOP FETCHES {place}")
        try:
            yield
        finally:
            client.command(f"SYSTEM START FETCHES {place}")


def answers(settings: Settings, *, internal: bool = False) -> dict[str, Any]:
    """To every question of the API, and all rows of every view; `internal` ones, of which these are
    made, too."""
    from core.clickhouse.client import connect

    with reader(settings) as api, connect(settings) as client:
        found: dict[str, Any] = {}
        for question in QUESTIONS:
            answer = api.get(question)
            assert answer.status_code == 200, (question, answer.text)
            found[question] = content_of(answer)
        for name, view in every_view(internal=internal).items():
            rows = client.query(f"SELECT * FROM {view}").result_rows  # noqa: S608
            found[name] = sorted(repr(_rounded(row)) for row in rows)
    return found


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Which answers differ, and where each differs first."""
    return [
        f"{question}{_difference(found[question], wanted)}"
        for question, wanted in expected.items()
        if found[question] != wanted
    ]


def _difference(one: Any, other: Any) -> str:
    pairs: Iterable[tuple[object, Any, Any]] = ()
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(name, one.get(name), other.get(name)) for name in {**one, **other}]
    elif isinstance(one, list) and isinstance(other, list):
        pairs = [(n, *items) for n, items in enumerate(zip_longest(one, other))]
    for name, left, right in pairs:
        if left != right:
            return f" {name}{_difference(left, right)}"
    return f": {one!r} in place of {other!r}"


def _rounded(value: Any) -> Any:
    """The last digits of a sum depend on its order."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


def content_of(answer: Response) -> Any:
    """As rows in an order of their own, when it is an export."""
    kind = answer.headers["content-type"]
    if kind == "application/json":
        times = ("as_of", "range", "searched_from")
        return {n: _rounded(value) for n, value in answer.json().items() if n not in times}
    if "parquet" not in kind:
        return sorted(answer.text.splitlines())
    rows = pq.read_table(BytesIO(answer.content)).to_pylist()
    return sorted(repr(row) for row in rows)


def delete_adopted(settings: Settings) -> None:
    """As the clean-up of the worker does sooner or later."""
    from core.clickhouse.layout import Layout
    from tests.clickhouse_tables import on_table

    sessions = f"{Layout.of(settings).shard_database}.sessions"
    adopted = f"DELETE FROM {{}} WHERE session_id IN (SELECT session_id FROM {sessions})"  # noqa: S608 - ours
    on_table(settings, adopted, "unjoined_events")


def copy_rows(source: Settings, target: Settings) -> None:
    from core.clickhouse.client import connect

    with connect(source) as there, connect(target) as here:
        for table in (*TABLES, "facts_progress", "_topic_epochs"):
            rows = there.query_arrow(f"SELECT * FROM {table}")  # noqa: S608 - names of ours
            here.insert_arrow(table, rows)


def rows_of_replicas(pipeline: Pipeline, text: str, nodes: Iterable[str] = NODES) -> dict[str, int]:
    """By node and table, how many rows have this text anywhere, deleted ones included."""
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout
    from schemas.cluster_sql import table_itself

    found = {}
    for node in nodes:
        settings = pipeline.of(node)
        with connect(settings) as client:
            for table in TABLES:
                query = (
                    f"SELECT count() FROM {table_itself(table, Layout.of(settings))}"  # noqa: S608 - ours
                    " WHERE position(formatRow('RowBinary', *), {text:String}) > 0"
                    " SETTINGS apply_deleted_mask = 0"
                )
                ((rows,),) = client.query(query, parameters={"text": text}).result_rows
                if rows:
                    found[f"{node} {table}"] = rows
    return found
