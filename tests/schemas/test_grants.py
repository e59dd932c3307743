"""What each ClickHouse user may do, and what not. That it suffices, `clickstream up` shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from pydantic import SecretStr
from typer.testing import CliRunner

from clickstream.commands.main import app
from clickstream.local.engines.clickhouse import DATABASE, HTTP_USER, WORKER_USER
from core.clickhouse.admin import Owner, Purpose, Server, open_server
from core.clickhouse.client import connect
from core.clickhouse.layout import Layout
from core.settings import Settings
from schemas.grants import Role, grants, script
from tests.conftest import Corner
from tests.shared_engines import SharedEngines

_ACCESS_DENIED = 497
_READ_ONLY = 164

# All that an analyst sees.
_PUBLIC = {
    "relevant_sessions",
    "relevant_events",
    "impressions",
    "session_outcomes",
    "analytics_daily",
    "analytics_queries",
    "analytics_positions",
    "metrics_now",
    "sessions",
    "events",
    "unjoined_events",
    "session_marks",
}
# Views that take parameters: ClickHouse lists no columns of them.
_TIMES = "from_ms = 0, to_ms = 1"
_RANGE = f"{_TIMES}, relevance = 'include', event_type = 'click'"
_VARIANTS = f"{_RANGE}, variant_field = 'variant'"
_QUESTIONS = {
    "session_measures": _RANGE,
    "session_intents": _RANGE,
    "session_positions": _RANGE,
    "session_objects": _RANGE,
    "metrics_overview": _RANGE,
    "metrics_queries": _RANGE,
    "metrics_positions": f"{_RANGE}, limit = 1",
    "metrics_judgments": _RANGE,
    "metrics_experiment": f"{_VARIANTS}, outliers = 'keep', most_sessions = 0",
    "metrics_experiment_users": f"{_VARIANTS}, quantile = 0.5",
    "metrics_interleaving": f"{_RANGE}, control = 'a'",
    "instrumentation_health": _TIMES,
}
_HEALTH_PARTS = (
    "sessions", "events", "hours", "whole", "shares", "one_user",
    "one_event_id", "placeholder_ids",
)  # fmt: skip
_QUESTIONS_NOT_PUBLIC = {
    "_session_goals": _RANGE,
    "_session_intents": f"{_RANGE}, one_of = 1",
    "_session_objects": f"{_RANGE}, one_of = 1",
    "_instrumentation_health": f"{_TIMES}, one_of = 1",
    **{f"_health_{part}": f"{_TIMES}, one_of = 1" for part in _HEALTH_PARTS},
    "_health_missing_posts": f"{_TIMES}, finding = 'repeated_events'",
    "_experiment_sessions": _VARIANTS,
    "_experiment_users": _VARIANTS,
}


@pytest.fixture(scope="module")
def owner(engines: SharedEngines, corner: Corner) -> Iterator[Settings]:
    """The database that the local users are for, migrated."""
    with corner(clickhouse_url=engines.clickhouse_database_url(DATABASE)) as settings:
        yield settings


def client_of(user: str, engines: SharedEngines) -> Client:
    """Connects to `owner`'s database as one of the local users."""
    mine = SecretStr(engines.clickhouse_url_of(user, DATABASE))
    return connect(Settings(_env_file=None, clickhouse_url=mine))


def refused(client: Client, statement: str, **names: str) -> bool:
    try:
        client.command(statement, parameters=names)
    except DatabaseError as error:
        if error.code in (_ACCESS_DENIED, _READ_ONLY):
            return True
        raise
    return False


_NOBODYS = (
    "DROP TABLE sessions",
    "TRUNCATE TABLE events",
    "ALTER TABLE sessions ADD COLUMN x Int8",
    "CREATE TABLE more (x Int8) ENGINE = Memory",
    "CREATE DATABASE more",
    "SELECT * FROM system.users",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM file('/etc/hostname', 'CSV', 'a String')",
    "INSERT INTO _schema_files SELECT * FROM _schema_files LIMIT 0",
    "SYSTEM SHUTDOWN",
)
_READ = "SELECT count() FROM {table:Identifier}"
_WRITES = (
    "INSERT INTO sessions (session_id) VALUES ('forged')",
    "INSERT INTO events (session_id) VALUES ('forged')",
    "INSERT INTO session_marks (session_id, is_irrelevant) VALUES ('forged', 1)",
)


@pytest.mark.engines
def test_the_api_knows_of_databases_in_which_it_may_not_erase(
    engines: SharedEngines, owner: Settings
) -> None:
    """Else it would say that nothing is left of a user while a killed backup has left a copy."""
    left = f"{DATABASE}_backup"
    with open_server(owner) as server:
        server.create(left, Owner(DATABASE, Purpose.BACKUP))
        try:
            seen = Server(owner, client_of(HTTP_USER, engines))
            assert seen.owned(DATABASE) == (left,)
            assert seen.may_erase(left) is False
            assert server.may_erase(left) is True
        finally:
            server.drop(left, Owner(DATABASE, Purpose.BACKUP))


@pytest.mark.engines
@pytest.mark.parametrize("statement", _NOBODYS)
@pytest.mark.parametrize("user", [HTTP_USER, WORKER_USER, "analyst"])
@pytest.mark.usefixtures("owner")
def test_no_process_and_no_analyst_may(engines: SharedEngines, user: str, statement: str) -> None:
    assert refused(client_of(user, engines), statement)


@pytest.mark.engines
@pytest.mark.parametrize("statement", _WRITES)
@pytest.mark.parametrize("user", [HTTP_USER, "analyst"])
@pytest.mark.usefixtures("owner")
def test_only_the_worker_writes_records(engines: SharedEngines, user: str, statement: str) -> None:
    assert refused(client_of(user, engines), statement)


@pytest.mark.engines
@pytest.mark.usefixtures("owner")
def test_an_analyst_deletes_nothing_even_of_what_he_reads(engines: SharedEngines) -> None:
    analyst = client_of("analyst", engines)
    assert refused(analyst, "DELETE FROM sessions WHERE 1")
    assert refused(analyst, "ALTER TABLE session_marks DELETE WHERE 1")
    assert refused(analyst, "SET readonly = 0")


@pytest.mark.engines
@pytest.mark.parametrize(
    "listing",
    [
        "SHOW TABLES",
        "SELECT name FROM system.tables WHERE database = currentDatabase()",
        "SELECT table_name FROM information_schema.tables WHERE table_schema = currentDatabase()",
        "SELECT DISTINCT table_name FROM information_schema.columns"
        " WHERE table_schema = currentDatabase()",
    ],
)
def test_an_analyst_sees_and_reads_what_is_public_and_nothing_else(
    owner: Settings, engines: SharedEngines, listing: str
) -> None:
    analyst = client_of("analyst", engines)
    seen = {name for (name,) in analyst.query(listing).result_rows}
    assert seen == (_PUBLIC if "columns" in listing else _PUBLIC | _QUESTIONS.keys())
    everything = set(connect(owner).query("SHOW TABLES").result_columns[0])
    questions = _QUESTIONS | _QUESTIONS_NOT_PUBLIC
    tables = everything - questions.keys()
    assert {name for name in tables if not refused(analyst, _READ, table=name)} == _PUBLIC
    asked = {name for name in questions if not refused(analyst, _ask(name))}
    assert asked == _QUESTIONS.keys()


def _ask(view: str) -> str:
    parameters = (_QUESTIONS | _QUESTIONS_NOT_PUBLIC)[view]
    return f"SELECT * FROM {view}({parameters})"  # noqa: S608 - our own names


@pytest.mark.engines
def test_a_condition_on_a_view_reads_only_its_days_with_the_rights_of_the_definer(
    owner: Settings,
    engines: SharedEngines,
) -> None:
    with connect(owner) as client:
        client.command(
            "INSERT INTO sessions (session_id, session_day)"
            " SELECT toString(number), toDate('2026-01-01') + number FROM numbers(9)"
        )
    try:
        plan = client_of("analyst", engines).query(
            "EXPLAIN indexes = 1 SELECT count() FROM relevant_sessions"
            " WHERE session_day = '2026-01-03'"
        )
        assert "Parts: 1/9" in "\n".join(str(line) for (line,) in plan.result_rows)
    finally:
        with connect(owner) as client:
            client.command("TRUNCATE TABLE sessions")


@pytest.mark.parametrize("role", list(Role))
def test_the_script_grants_what_the_local_users_have(role: Role) -> None:
    made, *granted = script(role, Layout("shop")).splitlines()
    assert made.startswith(f"CREATE ROLE IF NOT EXISTS shop_{role}")
    assert granted == [f"{line} TO shop_{role};" for line in grants(role, Layout("shop"))]
    allowed = re.compile(r"GRANT .+ ON (shop|system|information_schema)\.[a-z_*]+ TO shop_\w+;")
    # The names and comments of all databases, of which an erasure must know its own.
    names = f"GRANT SHOW DATABASES ON *.* TO shop_{Role.API};"
    assert all(allowed.fullmatch(line) or line == names for line in granted)


def test_on_a_cluster_a_role_may_do_the_same_in_both_databases_on_every_node() -> None:
    made, *granted = script(Role.EDGE, Layout("shop", "blue")).splitlines()
    assert made == "CREATE ROLE IF NOT EXISTS shop_edge ON CLUSTER 'blue';"
    assert granted[:4] == [
        "GRANT ON CLUSTER 'blue' SELECT ON shop.sessions TO shop_edge;",
        "GRANT ON CLUSTER 'blue' SELECT ON shop.session_marks TO shop_edge;",
        "GRANT ON CLUSTER 'blue' SELECT ON shop_shard.sessions TO shop_edge;",
        "GRANT ON CLUSTER 'blue' SELECT ON shop_shard.session_marks TO shop_edge;",
    ]
    worker = grants(Role.WORKER, Layout("shop", "blue"))
    assert "GRANT ALTER DELETE ON shop_shard.*" in worker
    assert "GRANT INSERT ON shop_shard.facts_progress" not in worker


def test_on_a_cluster_what_an_analyst_joins_is_sent_to_all_shards() -> None:
    role = "CREATE ROLE IF NOT EXISTS shop_analyst ON CLUSTER 'blue' SETTINGS"
    on_cluster = script(Role.ANALYST, Layout("shop", "blue"))
    assert on_cluster.startswith(f"{role} readonly = 2, final = 1,")
    assert "distributed_product_mode = 'global';" in on_cluster.splitlines()[0]
    assert "distributed_product_mode" not in script(Role.ANALYST, Layout("shop"))


@pytest.mark.engines
@pytest.mark.parametrize("role", list(Role))
def test_the_server_can_read_the_script(owner: Settings, role: Role) -> None:
    # The local server keeps its users in a file, so it can parse these and not run them.
    with connect(owner) as client:
        for statement in script(role, Layout(DATABASE)).split(";\n")[:-1]:
            client.command("SELECT formatQuery({sql:String})", parameters={"sql": statement})


def test_the_command_prints_the_roles_of_the_database_in_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLICKSTREAM_CLICKHOUSE_URL", "http://127.0.0.1:8123/shop")
    done = CliRunner().invoke(app, ["grants", "worker"])
    assert done.exit_code == 0
    assert script(Role.WORKER, Layout("shop")) in done.stdout
    assert "shop_api" not in done.stdout
