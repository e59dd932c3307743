from __future__ import annotations

import asyncio
import datetime as dt
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from pydantic import SecretStr

from core.clickhouse.client import (
    address_of,
    connect,
    connect_async,
    database_of,
    on_database,
    translate,
)
from core.errors import SetupError, SinkUnavailable
from core.settings import Settings


def settings_of(url: str) -> Settings:
    return Settings(_env_file=None, clickhouse_url=SecretStr(url))


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that is taken and where every connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        yield port


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/d", ("http", "h", 8123, "default", "", "d")),
        ("https://h/d", ("https", "h", 8443, "default", "", "d")),
        ("http://h:9/", ("http", "h", 9, "default", "", "clickstream")),
        ("http://u:p@h:9/d", ("http", "h", 9, "u", "p", "d")),
        ("http://u%40x:p%2F%3A%25@h/d", ("http", "h", 8123, "u@x", "p/:%", "d")),
        ("http://[::1]:9/d_1", ("http", "::1", 9, "default", "", "d_1")),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: tuple[str | int, ...]) -> None:
    a = address_of(settings_of(url))
    assert (a.scheme, a.host, a.port, a.user, a.password, a.database) == expected
    assert database_of(settings_of(url)) == expected[-1]


@pytest.mark.parametrize(
    "server", ["http://h", "https://u%40x:p%2F%3A%25@h:9", "http://:p@[::1]:9"]
)
def test_another_database_is_on_the_same_server_with_the_same_user_and_password(
    server: str,
) -> None:
    before = settings_of(f"{server}/one")
    there = address_of(on_database(before, "two"))
    assert there == address_of(settings_of(f"{server}/two"))
    assert there.database == "two"
    assert address_of(before).database == "one"


def test_a_password_is_in_no_repr() -> None:
    assert "secret" not in repr(address_of(settings_of("http://u:secret@h/d")))


def test_a_server_that_is_down_is_unavailable_and_named_without_its_password() -> None:
    with silent_port() as port:
        settings = settings_of(f"http://u:secret@127.0.0.1:{port}/d")
        with pytest.raises(SinkUnavailable, match=f"http://127.0.0.1:{port} does not") as caught:
            connect(settings)
        assert "secret" not in str(caught.value)
        with pytest.raises(SinkUnavailable, match=f"http://127.0.0.1:{port} does not"):
            asyncio.run(connect_async(settings))


def test_the_caller_says_what_a_refusal_means() -> None:
    refused = DatabaseError("no such column; " + "x" * 10_000)
    with (
        pytest.raises(SetupError, match=r"^ClickHouse refuses: no such column") as raised,
        translate(settings_of("http://h/d"), on_refusal=SetupError),
    ):
        raise refused
    assert len(str(raised.value)) < 1_000
    assert raised.value.__cause__ is refused


def test_an_error_that_passes_is_no_refusal() -> None:
    with (
        pytest.raises(SinkUnavailable, match="out of memory"),
        translate(settings_of("http://h/d"), on_refusal=SetupError),
    ):
        raise DatabaseError("memory", code=241)


def test_an_error_of_the_query_itself_is_not_translated() -> None:
    with pytest.raises(DatabaseError), translate(settings_of("http://h/d")):
        raise DatabaseError("Code: 62. Syntax error", code=62)


@pytest.mark.parametrize("code", [241, 252, 202, 159])
def test_a_server_error_that_passes_is_unavailable(code: int) -> None:
    with pytest.raises(SinkUnavailable), translate(settings_of("http://h/d")):
        raise DatabaseError("out of something", code=code)


@pytest.mark.engines
def test_a_missing_database_says_what_to_do(module_settings: Settings) -> None:
    with pytest.raises(SinkUnavailable, match="clickstream migrate"):
        connect(module_settings, database=f"{database_of(module_settings)}_nowhere")


@pytest.mark.engines
def test_a_wrong_password_says_so_and_does_not_show_it(module_settings: Settings) -> None:
    address = address_of(module_settings)
    url = f"http://{address.user}:secret-guess@{address.host}:{address.port}/{address.database}"
    with pytest.raises(SinkUnavailable, match="user or password") as caught:
        connect(settings_of(url))
    assert "secret-guess" not in str(caught.value)


PINNED = """
SELECT name, value FROM system.settings
WHERE name IN ('async_insert', 'insert_deduplicate', 'do_not_merge_across_partitions_select_final')
ORDER BY name
"""


@pytest.mark.engines
def test_settings_whose_defaults_moved_are_pinned_on_both_clients(
    module_settings: Settings,
) -> None:
    expected = [
        ("async_insert", "0"),
        ("do_not_merge_across_partitions_select_final", "1"),
        ("insert_deduplicate", "0"),
    ]
    with connect(module_settings) as client:
        assert client.query(PINNED).result_rows == expected

    async def ask() -> object:
        client = await connect_async(module_settings)
        try:
            return (await client.query(PINNED)).result_rows
        finally:
            await client.close()

    assert asyncio.run(ask()) == expected


@pytest.mark.engines
def test_a_block_seen_before_is_stored_again(module_settings: Settings) -> None:
    """De-duplication by content would lose what was deleted in between and comes again."""
    with connect(module_settings) as client:
        client.command(
            "CREATE TABLE twice (a Int8) ENGINE = MergeTree ORDER BY a"
            " SETTINGS non_replicated_deduplication_window = 100"
        )
        for _ in range(2):
            client.insert_arrow("twice", pa.table({"a": pa.array([1], pa.int8())}))
        assert client.query("SELECT count() FROM twice").result_rows == [(2,)]


TIME = pa.timestamp("ms", tz="UTC")


@pytest.mark.engines
def test_arrow_goes_into_columns_named_with_a_dot_and_comes_back_equal(
    module_settings: Settings,
) -> None:
    rows = pa.table(
        {
            "session_id": pa.array(["a", "b\x00größe"]),
            "search_query": pa.array(["東京", ""]),
            "search_results.object_id": pa.array([["x", "y"], []], pa.list_(pa.string())),
            "search_results.rank": pa.array([[1e308, None], []], pa.list_(pa.float64())),
            "search_results.meta": pa.array([['{"a": 1}', None], []], pa.list_(pa.string())),
            "search_meta": pa.array([None, "{}"], pa.string()),
            "payload_filter": pa.array(["{}", None], pa.string()),
            "sort_by": pa.array([None, None], pa.string()),
            "user_id": pa.array([None, ""], pa.string()),
            "created_at": pa.array([1_701_012_345_678, -1], TIME),
            "received_at": pa.array([1_701_012_345_679, 0], TIME),
            "session_day": pa.array([dt.date(2023, 11, 26), dt.date(1970, 1, 1)], pa.date32()),
            "kafka_partition": pa.array([0, 7], pa.uint32()),
            "kafka_offset": pa.array([0, 2**48 - 1], pa.uint64()),
            "version": pa.array([2**64 - 1, 2**63], pa.uint64()),
        }
    )
    with connect(module_settings) as client:
        client.insert_arrow("sessions", rows)
        stored = client.query_arrow("SELECT * FROM sessions FINAL ORDER BY session_id")
    assert stored.to_pylist() == rows.to_pylist()


@pytest.mark.engines
def test_raw_bytes_and_nested_headers_go_into_dead_letters(module_settings: Settings) -> None:
    header = pa.struct([("name", pa.string()), ("value", pa.binary())])
    rows = pa.table(
        {
            "topic": pa.array(["t"]),
            "partition": pa.array([1], pa.uint32()),
            "offset": pa.array([2], pa.uint64()),
            "reason": pa.array(["undecodable"]).dictionary_encode(),
            "error": pa.array(["why"]),
            "key": pa.array([None], pa.binary()),
            "value": pa.array([b"\x00\xff"], pa.binary()),
            "headers": pa.array(
                [[{"name": "h", "value": b"\xfe"}, {"name": "h", "value": None}]], pa.list_(header)
            ),
            "failed_at": pa.array([dt.datetime.now(dt.UTC)], TIME),
        }
    )
    query = """
    SELECT
        isNull(key), hex(assumeNotNull(value)), headers.name,
        arrayMap(bytes -> hex(bytes), headers.value)
    FROM dead_letters
    """
    with connect(module_settings) as client:
        client.insert_arrow("dead_letters", rows)
        stored = client.query(query).result_rows
    assert stored == [(1, "00FF", ["h", "h"], ["FE", None])]
