"""A worker's own small HTTP server: /metrics, /livez, /readyz. On a thread, off by default."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from core.telemetry import WORKER_DEAD_LETTERS, WORKER_LOST, WORKER_RECORDS, registry_of
from schemas.dead_letters import Reason

Health = Callable[[], str | None]
"""None when all is well, otherwise one sentence that says what is not."""


class _Quiet(WSGIRequestHandler):
    # A slow or silent client may hold the only thread no longer than this, seconds.
    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:
        """Probes every few seconds would bury the log."""


def begin_at_zero(topics: Sequence[str]) -> None:
    """Make the series of counters before their first increase, which would not be seen else."""
    for reason in Reason:
        WORKER_DEAD_LETTERS.labels(reason.value)
    for topic in topics:
        WORKER_RECORDS.labels(topic)
        WORKER_LOST.labels(topic)


def serve_probe(
    host: str,
    port: int,
    alive: Health,
    ready: Health,
    notes: Callable[[], Sequence[str]] = tuple,
    topics: Sequence[str] = (),
) -> WSGIServer:
    """Answer at this address until `shutdown()` is called on what this returns.

    `notes` are lines that `/readyz` adds while the worker is ready. Counters of `topics` begin at
    zero.
    """
    begin_at_zero(topics)
    metrics = make_wsgi_app(registry_of(["worker"]))
    checks = {"/livez": alive, "/readyz": ready}

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        check = checks.get(environ["PATH_INFO"])
        if check is None:
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        reason = check()
        status = "200 OK" if reason is None else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        more = notes() if reason is None and check is ready else ()
        return ["\n".join([reason or "ok", *more, ""]).encode()]

    server = make_server(host, port, application, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="probe", daemon=True).start()
    return server
