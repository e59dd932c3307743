"""Serve an application with granian, in this process.

granian's usual server forks a worker, which outlives a main process that is killed with -9 and
keeps the port. Its embedded server runs on our own event loop, is as fast, and dies with us.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from clickstream.errors import SetupError
from clickstream.http.access import Access
from clickstream.http.app import Application
from clickstream.settings import HttpSettings, Settings

# Connections that the kernel holds while we are busy, and connections that we serve at once.
_BACKLOG: Final = 2048
_CONNECTIONS: Final = 8192
# A client that has not sent its headers by then, milliseconds, is hung up on, and so is one that
# idles between requests. Longer than the 60 s for which load balancers commonly keep idle
# connections, or they would now and then send a request into one that is closing.
_HEADER_TIMEOUT_MS: Final = 75_000
# What is under way at SIGTERM may take this long, seconds: twice the wait for an acknowledgement.
# Orchestrators commonly kill after 30.
_DRAIN_SECONDS: Final = 10.0

# Container objects between two looks of the garbage collector; some 5 MB if all were garbage.
_GC_ALLOCATIONS: Final = 20_000

# granian's errors go to our own handler; its notices say nothing that we do not.
_GRANIAN_LOG: Final = {
    "loggers": {
        "_granian": {"handlers": [], "level": "ERROR", "propagate": True},
        "granian.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
    }
}

_log = logging.getLogger(__name__)


def run(app: Application, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way and return.

    A second signal ends the process at once. Raises SetupError when the address cannot be served,
    or must not be: beyond loopback without keys.
    """
    address = bindable(settings.http)
    refuse_exposure(address, settings)
    uvloop.run(_serve(app, address, settings.http.port))


def bindable(http: HttpSettings) -> str:
    """The IP address of the host, on which the port is free. SetupError if it is not.

    granian sets SO_REUSEPORT: without this check a second process would share the port, silently.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            http.host, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise SetupError(
            f"cannot listen on {http.host}:{http.port} ({error.strerror or error}):"
            " choose another --port or --host, or stop what listens there"
        ) from error
    return str(place[0])


def refuse_exposure(address: str, settings: Settings) -> None:
    """SetupError when others than this machine could reach an application that asks for no key."""
    if Access.of(settings).is_open and not ip_address(address).is_loopback:
        raise SetupError(
            f"refusing to listen on {settings.http.host} without keys: set CLICKSTREAM_WRITE_KEYS,"
            " CLICKSTREAM_READ_KEYS or CLICKSTREAM_ADMIN_KEYS, or listen on 127.0.0.1"
        )


async def _serve(app: Application, address: str, port: int) -> None:
    async with app.running():
        _spare_the_collector()
        server = Server(
            app,
            address=address,
            port=port,
            interface=Interfaces.ASGINL,  # the roles' life is `running`, not the ASGI lifespan
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS),
            websockets=False,
            backlog=_BACKLOG,
            backpressure=_CONNECTIONS,
            log_level=LogLevels.error,
            log_dictconfig=_GRANIAN_LOG,
            log_access=False,
        )
        server.on_startup(lambda: _announce(app, address, port))
        serving = asyncio.create_task(server.serve())
        was_stopped = _stop_on_signal(server, serving)
        with suppress(asyncio.CancelledError):
            await serving
        if not was_stopped.is_set():
            raise RuntimeError("the HTTP server ended by itself; its log lines say why")


def _spare_the_collector() -> None:
    """Keep the garbage collector from going through all that was imported, again and again.

    Requests leave next to no cycles behind, but each allocates a few dozen containers: with its
    default threshold of 700 the collector took an eighth of what the edge does in Python.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS, 20, 20)


def _announce(app: Application, address: str, port: int) -> None:
    host = f"[{address}]" if ":" in address else address
    roles = " and ".join(role.name for role in app.roles)
    _log.info("%s: listening at http://%s:%d", roles, host, port)


def _stop_on_signal(server: Server, serving: asyncio.Task[None]) -> asyncio.Event:
    """From now on the first signal stops the server, with a deadline, and sets the event."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop(number: int) -> None:
        if stopped.is_set():
            os._exit(128 + number)
        stopped.set()
        _log.info("stopping; a second signal ends this process at once")
        server.stop()  # type: ignore[no-untyped-call]  # granian's gap
        loop.call_later(_DRAIN_SECONDS, serving.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopped
