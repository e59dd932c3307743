"""Refuses to serve with an uvicorn or an httptools in which a name that we override has changed.

A method that a library no longer calls raises nothing: the bounds of a connection would be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Final

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from core.errors import SetupError

# Methods and properties that we call or override.
_METHODS: Final[Sequence[tuple[type, Sequence[str]]]] = (
    (uvicorn.Server, ("startup", "on_tick", "capture_signals", "serve")),
    (
        HttpToolsProtocol,
        (
            *("connection_made", "connection_lost", "data_received", "eof_received"),
            *("send_400_response", "on_message_begin", "on_url", "on_header"),
            *("on_headers_complete", "on_body", "on_message_complete", "on_response_complete"),
            *("pause_writing", "resume_writing", "shutdown", "_start_asgi_task"),
        ),
    ),
    (
        httptools.HttpRequestParser,
        ("feed_data", "get_method", "get_http_version", "should_keep_alive", "should_upgrade"),
    ),
)

# Names that a function of uvicorn uses: what it calls of ours, and what we read of its state.
_USES: Final[Sequence[tuple[Callable[..., Any], Sequence[str]]]] = (
    (uvicorn.Server.serve, ("capture_signals",)),
    (uvicorn.Server.main_loop, ("on_tick",)),
    (
        HttpToolsProtocol.__init__,
        (
            *("loop", "server_state", "transport", "flow", "cycle", "pipeline", "connections"),
            *("client", "HttpRequestParser"),
        ),
    ),
    (HttpToolsProtocol.on_url, ("url",)),
    (HttpToolsProtocol.data_received, ("send_400_response",)),
    (HttpToolsProtocol.on_headers_complete, ("pipeline", "_start_asgi_task", "scope")),
    (HttpToolsProtocol.connection_lost, ("disconnected", "message_event", "response_complete")),
    (HttpToolsProtocol.shutdown, ("keep_alive", "response_complete")),
    (FlowControl.__init__, ("read_paused", "write_paused")),
    (RequestResponseCycle.__init__, ("more_body", "response_complete", "keep_alive", "transport")),
    (RequestResponseCycle.send, ("on_response",)),
    (ServerState.__init__, ("connections", "default_headers")),
)


def check_libraries() -> None:
    """Raises SetupError that names everything that is missing."""
    missing = [
        f"{owner.__name__}.{name}"
        for owner, names in _METHODS
        for name in names
        if not hasattr(owner, name)
    ]
    missing += [
        f"{name} in {function.__qualname__}"
        for function, names in _USES
        for name in names
        if name not in function.__code__.co_names
    ]
    if missing:
        raise SetupError(
            f"uvicorn {version('uvicorn')}, httptools {version('httptools')}: there is no"
            f" {', '.join(missing)}; install the versions that this release names"
            " (`pip install --upgrade clickstream`)"
        )
