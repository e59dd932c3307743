"""Program: a cluster of ClickHouse of `clickhouse` binaries on loopback, with a Keeper.

    python -m tests.cluster.servers --clickhouse BINARY --folder DIR [--shards 2] [--replicas 2]

Prints one line of JSON once all of it answers: the cluster's name, the Keeper (as `zookeeper`) and
the nodes, with their ports and pids. Then each line `start NAME` on standard input starts one anew
that was killed, and is answered by a line of JSON with its pid. Ends, with all that it has started,
at the end of the input.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from clickstream.local.processes.ports import LOOPBACK, choose_ports

CLUSTER = "clickstream"
KEEPER = "zookeeper"

_KEEPER_USE, _RAFT_USE = "keeper", "raft"
_START_SECONDS = 60.0

_USERS = """\
<clickhouse>
<profiles><default/></profiles><quotas><default/></quotas>
<users><default>
<password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<access_management>1</access_management>
</default></users>
</clickhouse>
"""

_KEEPER = """\
<clickhouse>
<logger><level>information</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host>
<keeper_server>
<tcp_port>{port}</tcp_port><server_id>1</server_id>
<log_storage_path>{folder}/log</log_storage_path>
<snapshot_storage_path>{folder}/snapshots</snapshot_storage_path>
<raft_configuration><server>
<id>1</id><hostname>127.0.0.1</hostname><port>{raft}</port>
</server></raft_configuration>
</keeper_server>
</clickhouse>
"""

_NODE = """\
<clickhouse>
<logger><level>information</level><console>1</console></logger>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
<user_files_path>{folder}/user_files/</user_files_path>
<listen_host>127.0.0.1</listen_host>
<http_port>{node.http}</http_port><tcp_port>{node.tcp}</tcp_port>
<interserver_http_host>127.0.0.1</interserver_http_host>
<interserver_http_port>{node.fetch}</interserver_http_port>
<interserver_listen_host>127.0.0.1</interserver_listen_host>
<users_config>{folder}/users.xml</users_config>
<mlock_executable>0</mlock_executable>
<max_server_memory_usage>1000000000</max_server_memory_usage>
<mark_cache_size>33554432</mark_cache_size>
<background_pool_size>2</background_pool_size>
<background_schedule_pool_size>8</background_schedule_pool_size>
<background_fetches_pool_size>1</background_fetches_pool_size>
<background_common_pool_size>2</background_common_pool_size>
<zookeeper>
<node><host>127.0.0.1</host><port>{keeper}</port></node>
<session_timeout_ms>10000</session_timeout_ms>
</zookeeper>
<macros><shard>{node.shard:02d}</shard><replica>{node.name}</replica></macros>
<remote_servers><{cluster}>{shards}</{cluster}></remote_servers>
<distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
</clickhouse>
"""


@dataclass(frozen=True)
class Node:
    """A server, and the ports that it has: `fetch` is where replicas copy from each other."""

    name: str
    shard: int
    http: int
    tcp: int
    fetch: int


class Servers:
    """Their processes, by name."""

    def __init__(self, clickhouse: str, folder: Path, shards: int, replicas: int) -> None:
        """Writes the configurations; starts nothing."""
        self._clickhouse = clickhouse
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        shard_of = {f"s{s}r{r}": s for s in range(1, shards + 1) for r in range(1, replicas + 1)}
        uses = [f"{name} {use}" for name in shard_of for use in ("http", "tcp", "fetch")]
        ports = choose_ports([_KEEPER_USE, _RAFT_USE, *uses], {})
        self._keeper, self._raft = ports[_KEEPER_USE], ports[_RAFT_USE]
        self.nodes = [
            Node(name, shard, *(ports[f"{name} {use}"] for use in ("http", "tcp", "fetch")))
            for name, shard in shard_of.items()
        ]
        self._write()

    def start(self, name: str) -> int:
        """Returns its pid once it answers. Raises RuntimeError when it does not."""
        folder = self._folder / name
        role = "keeper" if name == KEEPER else "server"
        command = [self._clickhouse, role, f"--config-file={folder}/config.xml"]
        with (folder / "output").open("ab") as output:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._running[name] = process
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers(name):
            if process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "output").read_text(errors="replace")[-1_000:]
                raise RuntimeError(f"{name} does not answer: {said}")
            time.sleep(0.1)
        return process.pid

    def describe(self) -> str:
        """All that runs, as a line of JSON."""
        pids = {name: process.pid for name, process in self._running.items()}
        nodes = [{**asdict(node), "pid": pids[node.name]} for node in self.nodes]
        keeper = {"port": self._keeper, "pid": pids[KEEPER]}
        return json.dumps({"cluster": CLUSTER, KEEPER: keeper, "nodes": nodes})

    def stop(self) -> None:
        """Kill all: nothing of it is kept."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()

    def _answers(self, name: str) -> bool:
        node = next((each for each in self.nodes if each.name == name), None)
        try:
            if node is None:
                with socket.create_connection((LOOPBACK, self._keeper), 1) as connection:
                    connection.sendall(b"ruok")
                    return connection.recv(4) == b"imok"
            with urllib.request.urlopen(f"http://{LOOPBACK}:{node.http}/ping", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _write(self) -> None:
        keeper = self._folder / KEEPER
        keeper.mkdir(parents=True)
        text = _KEEPER.format(port=self._keeper, raft=self._raft, folder=keeper)
        (keeper / "config.xml").write_text(text)
        for node in self.nodes:
            folder = self._folder / node.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "users.xml").write_text(_USERS)
            text = _NODE.format(
                node=node, folder=folder, keeper=self._keeper,
                cluster=CLUSTER, shards="".join(self._shards()),
            )  # fmt: skip
            (folder / "config.xml").write_text(text)

    def _shards(self) -> Iterable[str]:
        for shard in sorted({node.shard for node in self.nodes}):
            replicas = "".join(
                f"<replica><host>127.0.0.1</host><port>{node.tcp}</port></replica>"
                for node in self.nodes
                if node.shard == shard
            )
            yield f"<shard><internal_replication>1</internal_replication>{replicas}</shard>"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clickhouse", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--replicas", type=int, default=2)
    given = parser.parse_args()
    servers = Servers(given.clickhouse, given.folder.absolute(), given.shards, given.replicas)
    try:
        for name in (KEEPER, *(node.name for node in servers.nodes)):
            servers.start(name)
        print(servers.describe(), flush=True)
        for line in sys.stdin:
            _, _, name = line.strip().partition(" ")
            print(json.dumps({"name": name, "pid": servers.start(name)}), flush=True)
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
