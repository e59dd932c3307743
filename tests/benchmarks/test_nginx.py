"""What a server behind nginx is asked. Other defaults of nginx would change the figures."""

from __future__ import annotations

import http.client
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks.nginx import MISSING, command, is_installed
from clickstream.local.processes.ports import free_port
from core.health_probe import listens
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not is_installed(), reason=MISSING)


class _Upstream(BaseHTTPRequestHandler):
    asked: tuple[str, str | None] | None = None

    def do_POST(self) -> None:
        type(self).asked = (self.request_version, self.headers["Connection"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_each_request_is_one_of_http_1_0_that_ends_its_connection(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _Upstream) as upstream:
        serving = threading.Thread(target=upstream.serve_forever)
        serving.start()
        port = free_port()
        argv = command(tmp_path, port, f"http://127.0.0.1:{upstream.server_port}")
        nginx = subprocess.Popen(argv)
        try:
            wait_until(lambda: listens(f"127.0.0.1:{port}", 1), seconds=30)
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            client.request("POST", "/session", b"{}", {"Connection": "keep-alive"})
            response = client.getresponse()
            assert response.status == 200
            assert not response.will_close
            client.close()
        finally:
            nginx.terminate()
            nginx.wait(30)
            upstream.shutdown()
            serving.join(30)
    assert _Upstream.asked == ("HTTP/1.0", "close")
