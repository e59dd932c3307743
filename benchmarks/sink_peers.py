"""What copies events from Kafka into ClickHouse in our worker's place: programs that are started
with the names of their servers in the environment, and know nothing of our code.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from clickhouse_connect.driver.client import Client

from benchmarks.corpus import Corpus
from benchmarks.lab import PYTHON_MODULE, Lab, pid_of
from benchmarks.outcome import Outcome
from benchmarks.peers.kafka_engine import COPIED_EVENTS
from benchmarks.sink import TIMEOUT_SECONDS, measured, outcome
from clickstream.local.processes.service import Service
from core import clickhouse
from core.settings import Settings
from schemas.contracts import EVENT
from schemas.topics import Topics

STOCK_FAUST: Final = "stock Faust, no join"
BY_HAND: Final = "confluent-kafka + fastavro, no join"
GO: Final = "Go, no join"

_TABLE: Final = "copied_events"
_GO_SOURCE: Final = Path(__file__).parent / "peers" / "go" / "sink"

# What is stored is asked this often: often enough to see the end, seldom enough to cost nothing
# (1 ms of ClickHouse's CPU each); of slow peers less often. Seconds.
_POLL_SECONDS: Final = 0.1
_SLOW_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class SinkPeer:
    """One contender. `share` of the events is enough to measure it: the slow ones get less."""

    name: str
    argv: Sequence[str]
    share: float = 1.0


def sink_peers(lab: Lab) -> list[SinkPeer]:
    """All that can run here: the Go program needs `go` on PATH."""
    faust = [
        *(*PYTHON_MODULE, "faust", "-A", "benchmarks.peers.stock_faust"),
        *("--datadir", str(lab.folder / "stock-faust"), "worker", "-l", "warn", "--without-web"),
    ]
    peers = [
        SinkPeer(BY_HAND, [*PYTHON_MODULE, "benchmarks.peers.by_hand"]),
        SinkPeer(STOCK_FAUST, faust, share=0.1),
    ]
    if binary := _built_go_program(lab.folder):
        peers.append(SinkPeer(GO, [str(binary)]))
    return peers


def measure_peer(
    lab: Lab, settings: Settings, corpus: Corpus, peer: SinkPeer, benchmark: str
) -> Outcome:
    """Over its last nine tenths, so that the start of its process does not count.

    The events topic of these settings holds the events of the corpus and no others. Raises
    AssertionError when they are not all in its table in the end, as they were fed.
    """
    count = corpus.total * corpus.events
    with (
        clickhouse.connect(settings, role="clickstream bench") as client,
        _empty_table(client),
        lab.process(peer.name, peer.argv, settings, _environment(client, settings)) as process,
    ):
        poll_seconds = _POLL_SECONDS if peer.share == 1 else _SLOW_POLL_SECONDS
        begun = _wait_for_rows(client, count // 10, process, poll_seconds)
        with measured(lab, settings, pid_of(process)) as meter:
            _wait_for_rows(client, count, process, poll_seconds)
        _check_copy(client, count)
    if begun == count:
        return Outcome(benchmark, peer.name, {}, "one batch took it all: nothing to measure")
    return outcome(benchmark, peer.name, meter, count - begun)


@contextmanager
def _empty_table(client: Client) -> Iterator[None]:
    client.command(f"DROP TABLE IF EXISTS {_TABLE} SYNC")
    client.command(COPIED_EVENTS)
    try:
        yield
    finally:
        client.command(f"DROP TABLE {_TABLE} SYNC")


def _wait_for_rows(client: Client, wanted: int, process: Service, poll_seconds: float) -> int:
    """Return how many there are once there are so many; TimeoutError when there are not.

    Raises RuntimeError when the process that writes them has ended.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    query = f"SELECT count() FROM {_TABLE}"  # noqa: S608 - a name of our own
    while (found := int(client.query(query).result_rows[0][0])) < wanted:
        if process.exit_status() is not None:
            raise RuntimeError(f"{process.name} has ended, status {process.exit_status()}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{found} of {wanted} rows after {TIMEOUT_SECONDS:.0f} s")
        time.sleep(poll_seconds)
    return found


def _check_copy(client: Client, count: int) -> None:
    """Every event is there, once, with its own times."""
    query = f"""
        SELECT count(), uniqExact(session_id, event_id),
            countIf(received_at != created_at + INTERVAL 80 MILLISECOND)
        FROM {_TABLE} FINAL
    """  # noqa: S608 - a name of our own
    found = tuple(client.query(query).result_rows[0])
    if found != (count, count, 0):
        raise AssertionError(f"stored, distinct, of another time: {found}; fed: {count}")


def _environment(client: Client, settings: Settings) -> Mapping[str, str]:
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    port = client.query("SELECT getServerPort('tcp_port')").result_rows[0][0]
    return {
        "SINK_BROKERS": settings.kafka_bootstrap_servers,
        "SINK_TOPIC": Topics.from_settings(settings).events,
        "SINK_GROUP": f"peer-{time.time_ns()}",
        "SINK_SCHEMA": _plain_schema(),
        "SINK_TABLE": _TABLE,
        "SINK_CLICKHOUSE_URL": url.geturl(),
        "SINK_CLICKHOUSE_NATIVE": f"{url.hostname}:{port}",
        "SINK_DATABASE": url.path.strip("/"),
        "SINK_USER": unquote(url.username or "default"),
        "SINK_PASSWORD": unquote(url.password or ""),
    }


def _plain_schema() -> str:
    """Without logical types: times stay integers, which all of them handle faster than dates."""
    schema = json.loads(EVENT.text)
    for column in schema["fields"]:
        if isinstance(column["type"], dict):
            column["type"] = column["type"]["type"]
    return json.dumps(schema)


def _built_go_program(folder: Path) -> Path | None:
    go = shutil.which("go")
    if go is None:
        return None
    binary = folder / "sink-go"
    if not binary.exists():
        subprocess.run([go, "build", "-o", binary, "."], cwd=_GO_SOURCE, check=True)  # noqa: S603
    return binary
