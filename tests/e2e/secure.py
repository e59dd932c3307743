"""Servers as a company runs them: Kafka with SASL over TLS, ClickHouse and the registry over https.

The certificates are made for each run. Kafka is a broker of its own with a listener that takes TLS
and passwords only. ClickHouse and the registry stand behind a proxy that ends TLS, as they would
behind a load balancer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from clickstream.local.engines import kafka
from clickstream.local.engines.downloads import fetch
from clickstream.local.processes.ports import LOOPBACK, free_port
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service
from clickstream.progress import ConsoleProgress
from tests.listener import Listener, pass_on

USER, PASSWORD = "clickstream", "a password that must not be logged"


class Authority:
    """A certificate authority of this run, and what it has signed for loopback."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._signed = authority.issue_cert(LOOPBACK)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._signed.configure_cert(context)
        return context

    def broker_properties(self) -> dict[str, str]:
        """A broker takes PEM with a PKCS 8 key, line ends written as backslash and n."""
        key = load_pem_private_key(self._signed.private_key_pem.bytes(), password=None)
        pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(blob.bytes() for blob in self._signed.cert_chain_pems)
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": _on_one_line(pkcs8),
            "ssl.keystore.certificate.chain": _on_one_line(chain),
        }


def _on_one_line(pem: bytes) -> str:
    return pem.decode().replace("\n", "\\n")


class TlsDoor(Listener):
    """Takes TLS and passes on to a plain port of loopback."""

    def __init__(self, context: ssl.SSLContext, upstream_port: int) -> None:
        super().__init__(self._pass, context)
        self._upstream_port = upstream_port

    async def _pass(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(LOOPBACK, self._upstream_port)
        await asyncio.gather(pass_on(client, to_server), pass_on(server, to_client))


@contextmanager
def secure_kafka(authority: Authority, folder: Path) -> Iterator[str]:
    """A broker whose only open listener is `SASL_SSL` with the password above; its address."""
    folder.mkdir()
    plain, controller, secure = free_port(), free_port(), free_port()
    installed = fetch(ConsoleProgress())
    launch = kafka.prepare(folder, folder / "log", installed.kafka_jars, plain, controller)
    properties = folder / "server.properties"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    address = f"{LOOPBACK}:{secure}"
    more = {
        "listeners": f"PLAINTEXT://{LOOPBACK}:{plain},CONTROLLER://{LOOPBACK}:{controller},"
        f"SASL_SSL://{address}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{plain},SASL_SSL://{address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        "SASL_SSL:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{login} user_{USER}="{PASSWORD}";',
        **authority.broker_properties(),
    }
    # A later line replaces an earlier one of the same name.
    with properties.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in more.items())
    manager = ProcessManager()
    broker = Service(launch, manager)
    try:
        broker.start()
        yield address
    finally:
        broker.stop()
        manager.close()
