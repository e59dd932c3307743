"""A server that expects TLS and is asked in plain text, or the other way round, is told apart from
one that is away; each message names the setting. On real sockets."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from clickstream.local.processes.ports import LOOPBACK, free_port
from core.errors import SetupError
from core.settings import Settings
from core.tls_check import kafka_server, refuse_tls_mistakes, tls_mistake
from tests.listener import Listener

VARIABLES = {
    "kafka": "CLICKSTREAM_KAFKA__security_protocol",
    "registry": "CLICKSTREAM_SCHEMA_REGISTRY_URL",
    "clickhouse": "CLICKSTREAM_CLICKHOUSE_URL",
}


async def answer(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    """Kafka's ApiVersions, or HTTP; whatever else is hung up on, as a broker does."""
    question = await client.read(65_536)
    if question.startswith(b"GET "):
        to_client.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    elif question.startswith(b"\x00\x00\x00"):
        to_client.write(b"\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
    await to_client.drain()


async def refuse_plain_http(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    """As nginx on its TLS port, when the first byte is none of TLS."""
    if (await client.read(65_536)).startswith(b"GET "):
        to_client.write(b"HTTP/1.1 400 Bad Request\r\n\r\nplain HTTP was sent to an HTTPS port")
    else:
        to_client.write(b"\x15\x03\x03\x00\x02\x02\x28")
    await to_client.drain()


class Authority:
    """A certificate authority, and a server's context that it signed."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.file))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(LOOPBACK).configure_cert(self.context)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def settings_on(server: str, port: int, *, tls: bool, ca_file: Path | None = None) -> Settings:
    """Only this server is set."""
    scheme = "https" if tls else "http"
    ca = str(ca_file) if ca_file else None
    match server:
        case "kafka":
            kafka = {"security_protocol": "ssl"} if tls else {}
            kafka |= {"ssl_ca_location": ca} if ca else {}
            return Settings(
                _env_file=None, kafka_bootstrap_servers=f"{LOOPBACK}:{port}", kafka=kafka
            )
        case "registry":
            url = f"{scheme}://user:s3cret@{LOOPBACK}:{port}/apis"
            return Settings(_env_file=None, schema_registry_url=url, https_ca_file=ca)
    url = f"{scheme}://user:s3cret@{LOOPBACK}:{port}/clicks"
    return Settings(_env_file=None, clickhouse_url=url, https_ca_file=ca)  # type: ignore[arg-type]


@pytest.mark.parametrize("server", VARIABLES)
def test_a_server_that_expects_tls_and_is_asked_in_plain_text(
    server: str, authority: Authority, opened: ExitStack
) -> None:
    port = opened.enter_context(Listener(answer, authority.context)).port
    with pytest.raises(SetupError, match="expects TLS") as refused:
        refuse_tls_mistakes(settings_on(server, port, tls=False))
    assert VARIABLES[server] in str(refused.value)
    assert f"{LOOPBACK}:{port}" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("server", VARIABLES)
def test_a_server_that_speaks_plain_text_and_is_asked_for_tls(
    server: str, opened: ExitStack
) -> None:
    port = opened.enter_context(Listener(answer)).port
    with pytest.raises(SetupError, match="speaks plain text") as refused:
        refuse_tls_mistakes(settings_on(server, port, tls=True))
    assert VARIABLES[server] in str(refused.value)


@pytest.mark.parametrize("server", VARIABLES)
def test_a_certificate_that_is_not_trusted(
    server: str, authority: Authority, opened: ExitStack
) -> None:
    port = opened.enter_context(Listener(answer, authority.context)).port
    setting = "CLICKSTREAM_KAFKA__ssl_ca_location" if server == "kafka" else "HTTPS_CA_FILE"
    with pytest.raises(SetupError, match=f"not trusted.*{setting}"):
        refuse_tls_mistakes(settings_on(server, port, tls=True))
    refuse_tls_mistakes(settings_on(server, port, tls=True, ca_file=authority.file))


@pytest.mark.parametrize("server", VARIABLES)
def test_a_server_that_is_spoken_to_rightly_or_is_away_or_silent_is_passed_over(
    server: str, opened: ExitStack
) -> None:
    async def say_nothing(client: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    port = opened.enter_context(Listener(answer)).port
    silent = opened.enter_context(Listener(say_nothing)).port
    refuse_tls_mistakes(settings_on(server, port, tls=False))
    for tls in (True, False):
        refuse_tls_mistakes(settings_on(server, free_port(), tls=tls))
        refuse_tls_mistakes(settings_on(server, silent, tls=tls))


def test_a_proxy_that_answers_plain_http_on_its_tls_port_expects_tls(opened: ExitStack) -> None:
    port = opened.enter_context(Listener(refuse_plain_http)).port
    with pytest.raises(SetupError, match="expects TLS"):
        refuse_tls_mistakes(settings_on("clickhouse", port, tls=False))


def test_sasl_is_kept_in_what_to_set(authority: Authority, opened: ExitStack) -> None:
    port = opened.enter_context(Listener(answer, authority.context)).port
    settings = Settings(
        _env_file=None,
        kafka_bootstrap_servers=f"{LOOPBACK}:{free_port()},{LOOPBACK}:{port}",
        kafka={"security_protocol": "SASL_PLAINTEXT"},
    )
    said = tls_mistake(kafka_server(settings))
    assert said
    assert said.endswith("CLICKSTREAM_KAFKA__security_protocol=SASL_SSL")


@pytest.mark.parametrize(
    "command", ["edge --port {port}", "api --port {port}", "worker", "migrate", "doctor"]
)
def test_every_command_says_so_and_ends_with_1(
    command: str, authority: Authority, opened: ExitStack
) -> None:
    port = opened.enter_context(Listener(answer, authority.context)).port
    ended = subprocess.run(
        [sys.executable, "-m", "clickstream", *command.format(port=free_port()).split()],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "COLUMNS": "300",
            "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:1",
            "CLICKSTREAM_SCHEMA_REGISTRY_URL": f"http://{LOOPBACK}:1",
            "CLICKSTREAM_CLICKHOUSE_URL": f"http://{LOOPBACK}:{port}/clicks",
        },
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "expects TLS" in ended.stdout + ended.stderr
    assert "https:// in CLICKSTREAM_CLICKHOUSE_URL" in ended.stdout + ended.stderr
