"""The servers that take the edge's requests: ours as users run it, and what they might run instead.

Each is told by its environment where Kafka and its topics are, and listens on one loopback port.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from benchmarks import nginx
from benchmarks.lab import PYTHON_MODULE, Lab, loopback_port, pid_of
from benchmarks.outcome import OURS
from core.settings import Settings
from schemas.contracts import EVENT, SESSION
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics

FASTAPI: Final = "FastAPI + aiokafka"
GO: Final = "Go"
BARE: Final = "bare granian"
BEHIND_NGINX: Final = " behind nginx"
"""The end of the name of a contender whose requests come through nginx."""

_GO_SOURCE: Final = Path(__file__).parent / "peers" / "go" / "edge"


class MakeArgv(Protocol):
    """The command line of a server that shall listen on this port."""

    def __call__(self, port: int) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class EdgeServer:
    """One contender. `stores` is false for a floor that answers without writing anything."""

    name: str
    argv: MakeArgv
    stores: bool = True
    note: str = ""
    behind_nginx: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: its process, and the URL to ask, which may be nginx's in front."""

    pid: int
    url: str


def our_server() -> EdgeServer:
    """What is measured."""
    return EdgeServer(OURS, _ours, note="clickstream edge, one process")


def contenders(lab: Lab) -> list[EdgeServer]:
    """All that can run here: the Go server needs `go` on PATH."""
    servers = [
        our_server(),
        EdgeServer(FASTAPI, _fastapi, note="pydantic models, uvicorn with uvloop and httptools"),
    ]
    if find_spec("granian"):  # of the optional dependencies `bench`
        note = "a constant answer, nothing stored: the floor"
        servers.append(EdgeServer(BARE, _bare, stores=False, note=note))
    if go := _built_go_server(lab.folder):
        servers.insert(2, EdgeServer(GO, go, note="net/http + franz-go"))
    return servers


def behind_nginx(servers: Sequence[EdgeServer]) -> list[EdgeServer]:
    """Ours and FastAPI once more, asked through nginx with its proxy's defaults; none without
    nginx."""
    return [
        replace(server, name=server.name + BEHIND_NGINX, behind_nginx=True)
        for server in servers
        if server.name in (OURS, FASTAPI) and nginx.is_installed()
    ]


@contextmanager
def running(lab: Lab, server: EdgeServer, settings: Settings) -> Iterator[Running]:
    """Start it in its own topics and database, wait until it answers, end it afterwards.

    EngineError when it does not come up; its log is in the lab's folder.
    """
    port = loopback_port()
    url = f"http://127.0.0.1:{port}"
    name = f"edge {server.name}"
    variables = _peer_environment(settings)
    with ExitStack() as stack:
        argv = server.argv(port)
        service = stack.enter_context(lab.process(name, argv, settings, variables, url))
        if server.behind_nginx:
            url = stack.enter_context(nginx.in_front_of(url, lab, settings))
        yield Running(pid_of(service), url)


def _peer_environment(settings: Settings) -> Mapping[str, str]:
    """Names without our prefix are for the peers, which know nothing of our settings."""
    topics = Topics.from_settings(settings)
    with ConfluentRegistry.from_settings(settings) as registry:
        ids = {c.name: registry.register(topics.subject_of(c), c.text) for c in (EVENT, SESSION)}
    return {
        "EDGE_BROKERS": settings.kafka_bootstrap_servers,
        "EDGE_EVENTS_TOPIC": topics.events,
        "EDGE_EVENTS_SCHEMA_ID": str(ids[EVENT.name]),
        "EDGE_SESSIONS_TOPIC": topics.sessions,
        "EDGE_SESSIONS_SCHEMA_ID": str(ids[SESSION.name]),
    }


def _ours(port: int) -> Sequence[str]:
    return [*PYTHON_MODULE, "clickstream", "edge", "--port", str(port)]


def _fastapi(port: int) -> Sequence[str]:
    return [
        *(*PYTHON_MODULE, "uvicorn", "benchmarks.peers.fastapi_aiokafka:app"),
        *("--port", str(port), "--no-access-log", "--log-level", "warning"),
    ]


def _bare(port: int) -> Sequence[str]:
    return [
        *(*PYTHON_MODULE, "granian", "benchmarks.peers.bare_asgi:app"),
        *("--interface", "asginl", "--port", str(port), "--http", "1", "--no-ws"),
        *("--loop", "uvloop", "--log-level", "warning"),
    ]


def _built_go_server(folder: Path) -> MakeArgv | None:
    go = shutil.which("go")
    if go is None:
        return None
    binary = folder / "edge-go"
    if not binary.exists():
        subprocess.run([go, "build", "-o", binary, "."], cwd=_GO_SOURCE, check=True)  # noqa: S603
    return lambda port: [str(binary), f"127.0.0.1:{port}"]
