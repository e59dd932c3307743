"""One Kafka, one schema registry and one ClickHouse for all processes of a test run.

Whoever needs them first starts a process that holds them; the others find their addresses in the
run's folder. Every user keeps a lock on a file there. The holder waits for the lock that nobody may
keep beside it, so it goes on when the last user has ended, however that one ended, and stops the
engines: they cannot outlive the run. Who comes after that waits for the end, and starts new ones.

    python -m tests.shared_engines FOLDER KIND     the holder

KIND is embedded; containers; or cluster, the embedded ones with a cluster in place of ClickHouse.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

_KINDS = ("embedded", "containers", "cluster")
_PROGRAM = "tests.shared_engines"
_LOG_CHARACTERS = 4_000  # of the end of its log, for an error message


@dataclass(frozen=True, slots=True)
class SharedEngines:
    """Where they are; `clickhouse_url` names no database. `passwords` has one for each user.
    `clickhouse_cluster` is the name of the cluster to which that ClickHouse belongs, if any."""

    kafka_bootstrap_servers: str
    schema_registry_url: str
    clickhouse_url: str
    passwords: dict[str, str]
    clickhouse_cluster: str = ""

    def clickhouse_database_url(self, database: str) -> str:
        """What `CLICKSTREAM_CLICKHOUSE_URL` has to be to use this database."""
        return f"{self.clickhouse_url}/{database}"

    def clickhouse_url_of(self, user: str, database: str) -> str:
        """The same for another of the local users."""
        server = self.clickhouse_url.rpartition("//")[2].rpartition("@")[2]
        password = self.passwords.get(user, "")
        return f"http://{user}:{password}@{server}/{database}"


@contextmanager
def shared_engines(folder: Path, kind: str) -> Iterator[SharedEngines]:
    """The engines of the run whose folder this is. Raises RuntimeError when they do not start."""
    if kind not in _KINDS:
        raise ValueError(f"engines are one of {', '.join(_KINDS)}, not {kind}")
    folder.mkdir(exist_ok=True)
    with _locked(folder / "users", fcntl.LOCK_SH):
        with _locked(folder / "starting", fcntl.LOCK_EX):
            addresses = folder / "addresses.json"
            if not addresses.exists():
                _start_holder(folder, kind)
            running = SharedEngines(**json.loads(addresses.read_text()))
        yield running


def hold(folder: Path, kind: str) -> None:
    """Start them, tell where they are, and stop them once nobody uses them any more."""
    addresses, draft = folder / "addresses.json", folder / "addresses.json.new"
    with _engines(folder, kind) as running:
        draft.write_text(json.dumps(asdict(running)))
        draft.replace(addresses)
        print("started", flush=True)
        with _locked(folder / "users", fcntl.LOCK_EX):
            addresses.unlink()


@contextmanager
def _engines(folder: Path, kind: str) -> Iterator[SharedEngines]:
    with contextlib.ExitStack() as stack:
        if kind == "containers":
            from tests.containers import container_engines

            containers = stack.enter_context(container_engines())
            yield SharedEngines(
                containers.kafka_bootstrap_servers,
                containers.schema_registry_url,
                containers.clickhouse_url,
                {},
            )
        else:
            from clickstream.local.engines.local_servers import run_local_servers

            servers = stack.enter_context(run_local_servers(folder / "data"))
            running = SharedEngines(
                servers.kafka_bootstrap_servers,
                servers.schema_registry_url,
                servers.clickhouse_url,
                servers.passwords,
            )
            if kind == "cluster":
                from tests.cluster.lab import NODES, running_cluster

                cluster = stack.enter_context(running_cluster(folder / "cluster"))
                running = replace(
                    running,
                    clickhouse_url=cluster.urls[NODES[0]],
                    passwords={},
                    clickhouse_cluster=cluster.name,
                )
            yield running


def _start_holder(folder: Path, kind: str) -> None:
    """Return once the engines answer."""
    log = folder / "holder.log"
    with log.open("ab") as errors:
        holder = subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, str(folder), kind],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the tests, which may need the engines to end
        )
    assert holder.stdout is not None
    with holder.stdout:
        said = holder.stdout.readline()
    if said != b"started\n":
        holder.wait()
        raise RuntimeError(f"the engines did not start: {log.read_text()[-_LOG_CHARACTERS:]}")
    # It lives on without us: not waiting for it is no mistake that Python should warn of.
    holder.returncode = 0


@contextmanager
def _locked(file: Path, how: int) -> Iterator[None]:
    """Wait for the lock and keep it; the kernel lets go of it should this process be killed."""
    with file.open("a") as held:
        fcntl.flock(held, how)
        yield


if __name__ == "__main__":
    hold(Path(sys.argv[1]), sys.argv[2])
