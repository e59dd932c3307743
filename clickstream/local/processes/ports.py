"""Free loopback ports."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection, Mapping

LOOPBACK = "127.0.0.1"

# Below every system's ephemeral range (Linux from 32768, macOS from 49152): a port from there could
# be taken by an outgoing connection while our server restarts, and a client that keeps trying a
# closed port from that range can even connect to itself.
_LOWEST, _HIGHEST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Can a server listen there now? One that ended a moment ago does not count as there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((LOOPBACK, port))
            server.listen()
        except OSError:
            return False
    return True


def free_port(avoid: Collection[int] = ()) -> int:
    """A port on which nobody listens, and none of `avoid`."""
    dice = random.SystemRandom()  # processes that start together must not draw alike
    candidates = range(_LOWEST, _HIGHEST)
    for port in dice.sample(candidates, len(candidates)):
        if port not in avoid and is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")


def choose_ports(names: Collection[str], remembered: Mapping[str, int]) -> dict[str, int]:
    """A port for every name: the remembered one where it is free, else a new one."""
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name, 0)
        if not port or port in chosen.values() or not is_free(port):
            port = free_port(avoid={*chosen.values(), *remembered.values()})
        chosen[name] = port
    return chosen
