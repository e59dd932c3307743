"""Tell servers that expect TLS from servers that expect plain text.

A client that speaks the wrong one of the two sees a closed connection or a time-out, and its
library says that the server does not answer. Here the server is asked in both ways.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from core.errors import SetupError
from core.settings import Settings

# Seconds for one connection. A server that needs longer is not judged.
_PROBE_SECONDS: Final = 1.0
_PORTS: Final = {"http": 80, "https": 443}
_KAFKA_PORT: Final = 9092
# The first byte of a TLS answer: an alert, or a part of the handshake.
_TLS_ANSWERS: Final = (b"\x15", b"\x16")
# ApiVersions, version 0, correlation id 0, no client id: every broker answers it before a login.
_KAFKA_QUESTION: Final = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x00\xff\xff"
# A plain HTTP question on a TLS port is answered so by nginx and others: it is asked with TLS too.
_BAD_REQUEST: Final = b" 400 "
# Options of librdkafka with which only librdkafka can tell whether a certificate is trusted.
_OTHER_TRUST: Final = {
    "ssl.ca.pem",
    "ssl.ca.certificate.stores",
    "enable.ssl.certificate.verification",
    "ssl.endpoint.identification.algorithm",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the settings, and what to do when it is spoken to in the wrong way."""

    what: str
    address: str
    """As the settings have it, without user and password."""
    setting: str
    sockets: tuple[tuple[str, int], ...]
    uses_tls: bool
    question: bytes
    """What it answers in plain text, if it speaks that."""
    to_tls: str
    to_plain: str
    ca_file: str | None
    ca_setting: str
    verifies: bool = True


def kafka_server(settings: Settings) -> Server:
    """The brokers."""
    options = settings.kafka_options()
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    prefix = "SASL_" if protocol.startswith("SASL_") else ""
    variable = "CLICKSTREAM_KAFKA__security_protocol"
    return Server(
        what="Kafka",
        address=settings.kafka_bootstrap_servers,
        setting="CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS",
        sockets=tuple(_sockets(settings.kafka_bootstrap_servers, _KAFKA_PORT)),
        uses_tls=protocol.endswith("SSL"),
        question=_KAFKA_QUESTION,
        to_tls=f"set {variable}={prefix}SSL",
        to_plain=f"name its TLS port, or set {variable}={prefix}PLAINTEXT",
        ca_file=options.get("ssl.ca.location"),
        ca_setting="CLICKSTREAM_KAFKA__ssl_ca_location",
        verifies=not _OTHER_TRUST & options.keys(),
    )


def registry_server(settings: Settings) -> Server:
    """The schema registry."""
    url = settings.schema_registry_url
    return _http_server("the schema registry", url, "CLICKSTREAM_SCHEMA_REGISTRY_URL", settings)


def clickhouse_server(settings: Settings) -> Server:
    """ClickHouse's HTTP interface."""
    url = settings.clickhouse_url.get_secret_value()
    return _http_server("ClickHouse", url, "CLICKSTREAM_CLICKHOUSE_URL", settings)


def _http_server(what: str, url: str, setting: str, settings: Settings) -> Server:
    try:
        parts = urlsplit(url)
    except ValueError:  # whoever connects says so
        parts = urlsplit("")
    servers = parts.netloc.rpartition("@")[2]
    return Server(
        what=what,
        address=parts._replace(netloc=servers).geturl(),
        setting=setting,
        sockets=tuple(_sockets(servers, _PORTS.get(parts.scheme, 0))),
        uses_tls=parts.scheme == "https",
        question=f"GET / HTTP/1.1\r\nHost: {servers}\r\nConnection: close\r\n\r\n".encode(),
        to_tls=f"write https:// in {setting}",
        to_plain=f"name its TLS port, or write http:// in {setting}",
        ca_file=settings.https_ca_file,
        ca_setting="CLICKSTREAM_HTTPS_CA_FILE",
    )


_SERVERS: Final[Mapping[str, Callable[[Settings], Server]]] = {
    "kafka_bootstrap_servers": kafka_server,
    "schema_registry_url": registry_server,
    "clickhouse_url": clickhouse_server,
}


def refuse_tls_mistakes(settings: Settings) -> None:
    """Raises SetupError when a server speaks TLS and the settings do not, or the other way round.

    Servers that are not set, or do not answer, are passed over. Blocks for seconds at most.
    """
    asked = [make(settings) for name, make in _SERVERS.items() if name in settings.model_fields_set]
    with ThreadPoolExecutor(len(_SERVERS)) as together:
        if mistakes := [found for found in together.map(tls_mistake, asked) if found]:
            raise SetupError("; ".join(mistakes))


def tls_mistake(server: Server) -> str | None:
    """What is wrong, a colon, and what to do; None when nothing is, or nothing answers."""
    for address in server.sockets:
        with contextlib.suppress(OSError):
            socket.create_connection(address, _PROBE_SECONDS).close()
            return _mistake_at(server, address)
    return None


def _mistake_at(server: Server, address: tuple[str, int]) -> str | None:
    name = f"{server.what} at {server.address}"
    if not server.uses_tls:
        answer = _ask(address, server.question)
        speaks_plain = _is_plain(answer) and _BAD_REQUEST not in answer
        if speaks_plain or not _speaks_tls(address):
            return None
        return f"{name} expects TLS, and is spoken to in plain text: {server.to_tls}"
    if _speaks_tls(address):
        why = _why_untrusted(address, server.ca_file) if server.verifies else None
        return why and (
            f"the certificate of {name} is not trusted ({why}): set {server.ca_setting} to the"
            " authority that signed it"
        )
    if _is_plain(_ask(address, server.question)):
        return f"{name} speaks plain text, and is asked for TLS: {server.to_plain}"
    return None


def _sockets(servers: str, default_port: int) -> Iterator[tuple[str, int]]:
    """What cannot be read is left out: whoever connects says so."""
    for server in servers.split(","):
        with contextlib.suppress(ValueError):
            parts = urlsplit(f"//{server.strip().rpartition('://')[2]}")
            if parts.hostname:
                yield parts.hostname, parts.port or default_port


def _speaks_tls(address: tuple[str, int]) -> bool:
    outgoing, context = ssl.MemoryBIO(), ssl.create_default_context()
    hello = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=address[0])
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    return _ask(address, outgoing.read())[:1] in _TLS_ANSWERS


def _why_untrusted(address: tuple[str, int], ca_file: str | None) -> str | None:
    """None when the certificate is trusted, or something else fails first."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        with (
            socket.create_connection(address, _PROBE_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=address[0]),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return None


def _ask(address: tuple[str, int], question: bytes) -> bytes:
    """The beginning of the answer; empty when there is none."""
    with contextlib.suppress(OSError), socket.create_connection(address, _PROBE_SECONDS) as asked:
        asked.settimeout(_PROBE_SECONDS)
        asked.sendall(question)
        return asked.recv(64)
    return b""


def _is_plain(answer: bytes) -> bool:
    return bool(answer) and answer[:1] not in _TLS_ANSWERS
