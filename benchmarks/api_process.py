"""One process of the read API, as users start it, on the tables of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.lab import PYTHON_MODULE, Lab, loopback_port, pid_of
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """It answers at `url`."""

    pid: int
    url: str


@contextmanager
def api_process(lab: Lab, settings: Settings) -> Iterator[ApiProcess]:
    """Started and ready; ended afterwards. EngineError when it does not come up."""
    port = loopback_port()
    argv = [*PYTHON_MODULE, "clickstream", "api", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with lab.process("api", argv, settings, url=url) as service:
        yield ApiProcess(pid_of(service), url)
