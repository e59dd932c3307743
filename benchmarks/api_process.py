"""One process of the read API, as users start it, on the tables of a benchmark."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.lab import PYTHON_MODULE, Lab, loopback_port
from clickstream.processes.probe import http_get
from clickstream.settings import Settings

_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """It answers at `url`."""

    pid: int
    url: str


@contextmanager
def api_process(lab: Lab, settings: Settings) -> Iterator[ApiProcess]:
    """Started and ready; ended afterwards. Raises RuntimeError when it does not come up."""
    port = loopback_port()
    argv = [*PYTHON_MODULE, "clickstream", "api", "--port", str(port)]
    # The newest day of a system at work is never quiet; it must not come to rest here either.
    never = {"CLICKSTREAM_READS__SETTLE_SECONDS": "0"}
    with lab.process("api", argv, settings, never) as service:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(url):
            if service.exit_status() is not None or time.monotonic() > deadline:
                log = lab.folder / "logs" / "api.log"
                raise RuntimeError(f"the api does not answer:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        assert service.pid is not None  # noqa: S101  (it runs: its exit status is None)
        yield ApiProcess(service.pid, url)


def _is_ready(url: str) -> bool:
    answer = http_get(f"{url}/readyz", 2.0)
    return answer is not None and answer.status == 200
