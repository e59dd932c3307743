"""What each ClickHouse user may do, and what not. That it suffices, `clickstream up` shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from typer.testing import CliRunner

from clickstream.commands.main import app
from clickstream.local.engines.clickhouse import DATABASE, HTTP_USER, WORKER_USER
from core.clickhouse.client import connect
from core.settings import Settings
from schemas.grants import Role, grants, script
from tests.conftest import Corner
from tests.shared_engines import SharedEngines

_ACCESS_DENIED = 497
_READ_ONLY = 164

# What an analyst has no business with: bytes that somebody sent, and who was erased.
_NOT_FOR_ANALYSTS = {
    "dead_letters",
    "dead_letter_acts",
    "erasures",
    "erased_sessions",
    "erased_letters",
    "erasure_log",
}


@pytest.fixture(scope="module")
def owner(engines: SharedEngines, corner: Corner) -> Iterator[Settings]:
    """The database that the local users are for, migrated."""
    with corner(clickhouse_url=engines.clickhouse_database_url(DATABASE)) as settings:
        yield settings


def client_of(user: str, owner: Settings) -> Client:
    url = urlsplit(owner.clickhouse_url.get_secret_value())
    mine = url._replace(netloc=f"{user}@{url.netloc}").geturl()
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
    "INSERT INTO schema_migrations SELECT * FROM schema_migrations LIMIT 0",
    "SYSTEM SHUTDOWN",
)
_READ = "SELECT count() FROM {table:Identifier}"
_WRITES = (
    "INSERT INTO sessions (session_id) VALUES ('forged')",
    "INSERT INTO events (session_id) VALUES ('forged')",
    "INSERT INTO session_marks (session_id, is_irrelevant) VALUES ('forged', 1)",
)


@pytest.mark.engines
@pytest.mark.parametrize("statement", _NOBODYS)
@pytest.mark.parametrize("user", [HTTP_USER, WORKER_USER, "analyst"])
def test_no_process_and_no_analyst_may(owner: Settings, user: str, statement: str) -> None:
    assert refused(client_of(user, owner), statement)


@pytest.mark.engines
@pytest.mark.parametrize("statement", _WRITES)
@pytest.mark.parametrize("user", [HTTP_USER, "analyst"])
def test_only_the_worker_writes_records(owner: Settings, user: str, statement: str) -> None:
    assert refused(client_of(user, owner), statement)


@pytest.mark.engines
def test_an_analyst_deletes_nothing_even_of_what_he_reads(owner: Settings) -> None:
    analyst = client_of("analyst", owner)
    assert refused(analyst, "DELETE FROM sessions WHERE 1")
    assert refused(analyst, "ALTER TABLE session_marks DELETE WHERE 1")
    assert refused(analyst, "SET readonly = 0")


@pytest.mark.engines
def test_an_analyst_reads_every_table_and_view_but_those_kept_from_him(owner: Settings) -> None:
    names = {
        name
        for (name,) in connect(owner)
        .query("SELECT name FROM system.tables WHERE database = currentDatabase()")
        .result_rows
    }
    analyst = client_of("analyst", owner)
    kept = {name for name in names if refused(analyst, _READ, table=name)}
    assert kept == _NOT_FOR_ANALYSTS & names


@pytest.mark.parametrize("role", list(Role))
def test_the_script_grants_what_the_local_users_have(role: Role) -> None:
    made, *granted = script(role, "shop").splitlines()
    assert made.startswith(f"CREATE ROLE IF NOT EXISTS shop_{role}")
    assert granted == [f"{line} TO shop_{role};" for line in grants(role, "shop")]
    allowed = re.compile(r"GRANT .+ ON (shop|system)\.[a-z_*]+ TO shop_\w+;")
    assert all(allowed.fullmatch(line) for line in granted)


@pytest.mark.engines
@pytest.mark.parametrize("role", list(Role))
def test_the_server_can_read_the_script(owner: Settings, role: Role) -> None:
    # The local server keeps its users in a file, so it can parse these and not run them.
    with connect(owner) as client:
        for statement in script(role, DATABASE).split(";\n")[:-1]:
            client.command("SELECT formatQuery({sql:String})", parameters={"sql": statement})


def test_the_command_prints_the_roles_of_the_database_in_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLICKSTREAM_CLICKHOUSE_URL", "http://127.0.0.1:8123/shop")
    done = CliRunner().invoke(app, ["grants", "worker"])
    assert done.exit_code == 0
    assert script(Role.WORKER, "shop") in done.stdout
    assert "shop_api" not in done.stdout
