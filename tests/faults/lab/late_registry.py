"""A schema registry that does not know of one id yet, as a follower that is behind.

It stands before the real one, passes on what it is asked and what comes back, and answers for the
hidden id as the real one does for an id that was never given. An id that nobody has been given
cannot be had otherwise: others register with the same registry.
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx

from clickstream.local.processes.ports import LOOPBACK

_UNKNOWN_ID = json.dumps({"error_code": 40403, "message": "Schema not found"}).encode()
# Of the real one's answer; lengths and connections are this one's own.
_CONTENT_TYPE = "content-type"


class LateRegistry:
    """Listens on a free port of loopback inside a `with` block. `hidden` is the id; None shows
    all."""

    def __init__(self, url: str) -> None:
        self.hidden: int | None = None
        real = httpx.URL(url)
        self._client = httpx.Client(base_url=real.copy_with(path="/"), timeout=30)
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="late registry")
        self.url = f"http://{LOOPBACK}:{self._server.server_port}{real.path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._client.close()

    def _answer(self, method: str, target: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        path = target.partition("?")[0].rstrip("/")
        if self.hidden is not None and path.endswith(f"/schemas/ids/{self.hidden}"):
            return HTTPStatus.NOT_FOUND, "application/json", _UNKNOWN_ID
        answer = self._client.request(
            method, target, content=body, headers={"Content-Type": "application/json"}
        )
        return answer.status_code, answer.headers[_CONTENT_TYPE], answer.content

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, content_type, content = answer(self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on

            def log_message(self, *_: object) -> None:
                """Nothing: pytest's output is not an access log."""

        return Handler
