"""The server as a process of its own: how it starts, refuses to start, and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest
from pydantic import SecretStr
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from clickstream.local.processes.ports import free_port
from core.errors import SetupError
from core.http.server import bind, refuse_exposure
from core.settings import HttpSettings, Settings

# Serves one component, whose POST waits until somebody GETs.
_PROGRAM = """
import asyncio, sys
from starlette.responses import Response
from core.http.app import build_app
from core.http.server import run
from core.settings import HttpSettings, Settings
from core.logging import configure_logging
from fastapi import APIRouter
from tests.core.http.components import FakeComponent

class Waiting(FakeComponent):
    def routers(self):
        router = APIRouter()
        waiting, released = asyncio.Event(), asyncio.Event()

        @router.post("/wait")
        async def wait():
            waiting.set()
            await released.wait()
            return Response("waited")

        @router.get("/is-waiting")
        async def is_waiting():
            await waiting.wait()
            asyncio.get_running_loop().call_later(float(sys.argv[2]), released.set)
            return Response("yes")

        return (router,)

    async def stop(self):
        print("stopped", flush=True)

configure_logging("INFO")
port, delay = int(sys.argv[1]), float(sys.argv[3])
settings = Settings(_env_file=None, http=HttpSettings(port=port, shutdown_delay_seconds=delay))
run(build_app(settings, [Waiting()]), settings)
"""


@contextmanager
def server(
    release_seconds: float = 0.0, delay: float = 0.0
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running server and its URL."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(port), str(release_seconds), str(delay)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}", process)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate(timeout=30)


@retry(
    retry=retry_if_exception_type(httpx.TransportError),
    stop=stop_after_delay(60),
    wait=wait_fixed(0.05),
    reraise=True,
)
def _wait_until_up(url: str, process: subprocess.Popen[str]) -> None:
    assert process.poll() is None, process.communicate()[0]
    httpx.get(f"{url}/livez", timeout=5).raise_for_status()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_its_components_and_ends_well_on_a_signal(number: signal.Signals) -> None:
    with server() as (process, _):
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "NO KEYS ARE SET" in said
    assert "fake: listening at http://127.0.0.1:" in said
    assert said.rstrip().endswith("stopped")


def test_what_is_under_way_is_finished_first() -> None:
    with server(release_seconds=0.5) as (process, url):
        answers: list[httpx.Response] = []
        post = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/wait", timeout=30))
        )
        post.start()
        httpx.get(f"{url}/is-waiting", timeout=30)
        process.terminate()
        post.join(30)
        assert [answer.text for answer in answers] == ["waited"]
        assert process.wait(30) == 0


def test_it_says_that_it_is_not_ready_before_it_closes_its_port() -> None:
    with server(delay=2.0) as (process, url):
        assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200
        process.terminate()
        _wait_until_not_ready(url)
        assert httpx.get(f"{url}/livez", timeout=30).status_code == 200
        assert process.wait(30) == 0


@retry(stop=stop_after_delay(1.5), wait=wait_fixed(0.05), reraise=True)
def _wait_until_not_ready(url: str) -> None:
    assert httpx.get(f"{url}/readyz", timeout=5).status_code == 503


def test_a_second_signal_ends_it_at_once() -> None:
    with server(release_seconds=3_600) as (process, url):
        post = threading.Thread(target=_post_in_vain, args=(url,))
        post.start()
        httpx.get(f"{url}/is-waiting", timeout=30)
        process.terminate()
        assert process.stdout is not None
        assert any("stopping" in line for line in process.stdout)
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
        post.join(30)


def _post_in_vain(url: str) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{url}/wait", timeout=60)


def test_it_is_one_process_so_that_kill_9_leaves_nothing_behind() -> None:
    with server() as (process, url):
        assert not psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait(30)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/livez", timeout=5)


def test_a_port_that_is_taken_is_refused_also_by_one_of_our_own() -> None:
    with server() as (_, url), pytest.raises(SetupError, match="stop what listens there"):
        bind(HttpSettings(port=int(url.rpartition(":")[2])))


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(SetupError, match="cannot listen on"):
        bind(HttpSettings(host="192.0.2.1", port=free_port()))
    with pytest.raises(SetupError, match="cannot listen on"):
        bind(HttpSettings(host="no such host", port=free_port()))


def test_a_host_by_name_is_served_at_its_address() -> None:
    with bind(HttpSettings(host="localhost", port=free_port())) as bound:
        assert bound.getsockname()[0] in ("127.0.0.1", "::1")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104  (what is refused)
def test_beyond_loopback_only_with_keys(address: str) -> None:
    http = HttpSettings(host=address)
    with pytest.raises(SetupError, match="CLICKSTREAM_WRITE_KEYS"):
        refuse_exposure(address, Settings(_env_file=None, http=http))
    refuse_exposure(address, Settings(_env_file=None, http=http, write_keys=(SecretStr("k"),)))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_needs_none(address: str) -> None:
    refuse_exposure(address, Settings(_env_file=None))
