"""Serve an application with uvicorn, in this process, on one thread.

Every connection is an `HttpProtocol`: it answers POSTs of sessions and events by itself, and hands
all other requests to the application.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from math import ceil
from typing import Final, cast

import uvicorn
import uvloop

from core.errors import SetupError
from core.http.access import Access
from core.http.app import Application
from core.http.check_libraries import check_libraries
from core.http.keys import ENOUGH_CHARS, keys_of
from core.http.protocol import HttpProtocol, ProtocolFactory
from core.settings import HttpSettings, Settings
from core.telemetry import HTTP_CONNECTIONS
from core.tracing import stop_tracing

# Connections that the kernel holds while we are busy.
_BACKLOG: Final = 2048
# File descriptors beside those of connections: log, Kafka, ClickHouse.
_OTHER_FILES: Final = 256
# What is under way at SIGTERM may take this long, seconds: twice the wait for an acknowledgement.
# Orchestrators commonly kill after 30.
_DRAIN_SECONDS: Final = 10
# uvicorn ticks ten times a second.
_TICKS_PER_LOOK: Final = 10

# Container objects between two looks of the garbage collector; some 5 MB if all were garbage.
_GC_ALLOCATIONS: Final = 20_000

_log = logging.getLogger(__name__)


def run(app: Application, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way and return.

    A second signal ends the process at once. Raises SetupError when the address cannot be served,
    or must not be (beyond loopback without keys), or when uvicorn is not one that we know.
    """
    check_libraries()
    with bind(settings.http) as bound:
        refuse_exposure(bound.getsockname()[0], settings)
        # uvicorn's notices say nothing that ours do not.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        _warn_of_weak_keys(app.policies.access)
        _warn_without_keys(app.policies.access)
        _allow_files(settings.http.connections + _OTHER_FILES)
        try:
            uvloop.run(_serve(app, bound, settings))
        finally:
            stop_tracing()


def bind(http: HttpSettings) -> socket.socket:
    """A socket bound to the host and port, not listening yet. SetupError if that cannot be had.

    Called before anything is opened, so that the message comes at once and says what to do.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            http.host, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise SetupError(
            f"cannot listen on {http.host}:{http.port} ({error.strerror or error}):"
            " choose another --port or --host, or stop what listens there"
        ) from error
    return bound


def refuse_exposure(address: str, settings: Settings) -> None:
    """SetupError when others than this machine could reach an application that asks for no key."""
    if not keys_of(settings) and not ip_address(address).is_loopback:
        raise SetupError(
            f"refusing to listen on {settings.http.host} without keys: set CLICKSTREAM_WRITE_KEYS,"
            " CLICKSTREAM_READ_KEYS or CLICKSTREAM_ADMIN_KEYS, or listen on 127.0.0.1"
        )


def _warn_of_weak_keys(access: Access) -> None:
    for key in access.keys:
        if key.is_weak:
            _log.warning(
                "%s has fewer than %d characters and can be guessed: `clickstream keys new` makes"
                " a better one",
                key.name,
                ENOUGH_CHARS,
            )


def _warn_without_keys(access: Access) -> None:
    if access.is_open:
        _log.warning(
            "NO KEYS ARE SET: whoever can open a connection to this address, also through a proxy"
            " on this machine, may write, read and erase. Set CLICKSTREAM_WRITE_KEYS,"
            " CLICKSTREAM_READ_KEYS and CLICKSTREAM_ADMIN_KEYS before others can reach it"
        )


def _allow_files(wanted: int) -> None:
    """Shells commonly allow 1,024 open files, and a connection is one. Raised as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < wanted:
            _log.warning("at most %d open files are allowed, connections need %d", most, wanted)


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves signals to us and looks after slow connections."""

    def __init__(self, config: uvicorn.Config, on_startup: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_startup = on_startup

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_startup()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_LOOK == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast("HttpProtocol", connection).enforce_timeouts(now)
        return await super().on_tick(counter)


async def _serve(app: Application, bound: socket.socket, settings: Settings) -> None:
    async with app.running():
        _freeze_gc()
        config = uvicorn.Config(
            app,
            http=cast(
                "type[asyncio.Protocol]",
                ProtocolFactory(
                    app.raw_post_handlers(), app.policies, settings.http, settings.limits
                ),
            ),
            ws="none",
            lifespan="off",  # the components' life is `running`
            interface="asgi3",
            backlog=_BACKLOG,
            timeout_keep_alive=ceil(settings.http.idle_seconds),
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        server = _Server(config, lambda: _announce(app, *bound.getsockname()[:2]))
        HTTP_CONNECTIONS.set_function(lambda: len(server.server_state.connections))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        was_stopped = _stop_on_signal(server, app, settings.http.shutdown_delay_seconds)
        await serving
        if not was_stopped.is_set():
            raise RuntimeError("the HTTP server ended by itself; its log lines say why")


def _freeze_gc() -> None:
    """Keep the garbage collector from going through all that was imported, again and again.

    Requests leave next to no cycles behind, but each allocates a few dozen containers: with its
    default threshold of 700 the collector took an eighth of what the edge does in Python.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS, 20, 20)


def _announce(app: Application, address: str, port: int) -> None:
    host = f"[{address}]" if ":" in address else address
    names = " and ".join(component.name for component in app.components)
    _log.info("%s: listening at http://%s:%d", names, host, port)


def _stop_on_signal(
    server: uvicorn.Server, app: Application, delay_seconds: float
) -> asyncio.Event:
    """From now on the first signal sets the event and makes the process not ready; after the delay
    it stops the server, with a deadline."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop(number: int) -> None:
        if stopped.is_set():
            os._exit(128 + number)
        stopped.set()
        _log.info("stopping; a second signal ends this process at once")
        app.readiness.stop()
        loop.call_later(delay_seconds, exit_now)

    def exit_now() -> None:
        app.end_streams()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopped
