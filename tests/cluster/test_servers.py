"""A cluster of `clickhouse` binaries, where nothing names one: here of a program in their place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx
import pytest

from tests.cluster.lab import NODES, running_cluster

# Answers where its configuration says, as a server or a Keeper that has started.
_CLICKHOUSE = """\
#!{python}
import http.server, socketserver, sys
from xml.etree import ElementTree

class Ping(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(config.findtext("macros/replica").encode())

class Ok(socketserver.BaseRequestHandler):
    def handle(self):
        if self.request.recv(4) == b"ruok":
            self.request.sendall(b"imok")

_, role, file = sys.argv
config = ElementTree.parse(file.removeprefix("--config-file=")).getroot()
place, handler = ("http_port", Ping) if role == "server" else ("keeper_server/tcp_port", Ok)
socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(("127.0.0.1", int(config.findtext(place))), handler).serve_forever()
"""


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "bin" / "clickhouse"
    binary.parent.mkdir()
    binary.write_text(_CLICKHOUSE.format(python=sys.executable))
    binary.chmod(0o700)
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    for name in ("CLICKSTREAM_TEST_CLUSTER", "CLICKSTREAM_TEST_CLUSTER_PROGRAM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("on_path")
def test_a_binary_on_path_is_started_as_nodes_and_again_after_a_kill(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "nodes") as cluster:

        def who(node: str) -> str:
            return httpx.get(cluster.urls[node]).text

        assert [who(node) for node in NODES] == list(NODES)
        before = dict(cluster.pids)
        with cluster.without("s1r2", "zookeeper"):
            with pytest.raises(httpx.ConnectError):
                who("s1r2")
            assert who("s1r1") == "s1r1"
        assert who("s1r2") == "s1r2"
        assert [n for n in before if cluster.pids[n] != before[n]] == ["s1r2", "zookeeper"]
    with pytest.raises(httpx.ConnectError):
        who("s1r1")
