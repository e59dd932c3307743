"""Drive an HTTP server with wrk, and count what it acknowledged: exactly, so that a ledger can be
held against it.

wrk stops in the middle of what is under way, and what it never saw answered may be stored or not.
So our script stops sending before wrk does: a request of no bytes leaves its connection idle.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Between the last request and the end of wrk: more than any server here keeps an answer.
_DRAIN_SECONDS: Final = 2
# What wrk takes from its start to its first request.
_START_SECONDS: Final = 0.05

_SCRIPT: Final = """
local prefix, stop_at, n = "%(prefix)s", %(stop_at)d, 0
local head = "POST %(path)s HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"
    .. "Content-Length: "
local function body(id, n)
%(body)s
end
function request()
    if os.time() >= stop_at then return "" end
    n = n + 1
    local text = body(string.format("%%s%%012x", prefix, n), n)
    return head .. #text .. "\\r\\n\\r\\n" .. text
end
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '\\n{"requests": %%d, "status": %%d, "socket": %%d, "p50_us": %%d, "p99_us": %%d}\\n',
        summary.requests, e.status, e.connect + e.read + e.write + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


class WrkMissing(Exception):
    """wrk is not installed; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Load:
    """POSTs to `path`. `body` is the inside of a Lua function of `id` (32 hex digits, different in
    every request of every run) and `n` (1, 2, 3, …) that returns the JSON text."""

    path: str
    body: str
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Driven:
    """What came of it. `errors` are answers beside 200 and broken connections."""

    acknowledged: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float


def installed() -> str:
    """Where it is. Raises WrkMissing."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise WrkMissing("wrk is not installed: apt install wrk, brew install wrk")
    return wrk


def drive(url: str, load: Load, seconds: float, folder: Path) -> Driven:
    """Send for about so many seconds; returns when every request has been answered.

    Raises WrkMissing.
    """
    wrk = installed()
    began = time.time()
    # Whole seconds: Lua's clock knows no others.
    stop_at = math.ceil(began + seconds)
    script = folder / "load.lua"
    script.write_text(_script(load, stop_at))
    duration = f"{math.ceil(stop_at - began) + _DRAIN_SECONDS}s"
    done = subprocess.run(  # noqa: S603  (wrk as found on PATH)
        [wrk, "-t1", f"-c{load.connections}", f"-d{duration}", "--latency", "-s", script, url],
        check=True,
        capture_output=True,
        text=True,
    )
    return _driven(json.loads(done.stdout.splitlines()[-1]), stop_at - began - _START_SECONDS)


def _script(load: Load, stop_at: int) -> str:
    prefix = uuid.uuid4().hex[:20]
    fields = {"prefix": prefix, "stop_at": stop_at, "path": load.path, "body": load.body}
    return _SCRIPT % fields


def _driven(said: dict[str, Any], seconds: float) -> Driven:
    return Driven(
        acknowledged=said["requests"] - said["status"],
        errors=said["status"] + said["socket"],
        seconds=seconds,
        p50_ms=said["p50_us"] / 1000,
        p99_ms=said["p99_us"] / 1000,
    )
