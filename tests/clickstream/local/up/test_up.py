"""`clickstream up` from outside: one ready line, data that stays, nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from clickstream.local.endpoints import load_endpoints
from clickstream.local.up.background import RunningStack, start_up

pytestmark = pytest.mark.engines

UP = [sys.executable, "-m", "clickstream", "up", "--port", "0"]
SESSION = {
    "session_id": "sess-up",
    "search_query": "transformer optimization",
    "search_results": [{"object_id": "obj-1", "rank": 1}],
}
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Up:
    """A running `up`, what it printed, and every process below it."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    below: list[psutil.Process]

    def end(self, number: signal.Signals) -> int:
        """Send the signal; returns the exit status once everything below has ended too."""
        self.process.send_signal(number)
        status = self.process.wait(WAIT_SECONDS)
        _, alive = psutil.wait_procs(self.below, timeout=WAIT_SECONDS)
        assert alive == []
        return status


@contextmanager
def up(data_dir: Path) -> Iterator[Up]:
    process = subprocess.Popen(
        [*UP, "--json", "--data-dir", str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        try:
            ready = json.loads(output.readline())
            below = psutil.Process(process.pid).children(recursive=True)
            yield Up(process, ready, below)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def first(data_dir: Path) -> Iterator[RunningStack]:
    """In the background; a test stops it."""
    stack = start_up(data_dir)
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def second(data_dir: Path, first: RunningStack) -> Iterator[Up]:
    """In the foreground on the same folder, after the first; a test kills it."""
    first.stop()
    with up(data_dir) as running:
        yield running


def until(condition: Callable[[], bool]) -> None:
    """Poll until it holds; fail when it does not within the time that anything here may take."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).is_success
    except httpx.HTTPError:
        return False


def role(process: psutil.Process) -> str:
    """`worker`, `edge`, or something of an engine's."""
    words = process.cmdline()
    return next((word for word in ("worker", "edge") if word in words), "engine")


def test_what_dies_is_restarted(first: RunningStack) -> None:
    endpoints = first.endpoints
    (worker_url,) = endpoints.workers
    below = psutil.Process(endpoints.pid).children(recursive=True)
    victims = [process for process in below if role(process) != "engine"]
    assert sorted(role(victim) for victim in victims) == ["edge", "worker"]
    for victim in victims:
        victim.kill()
    until(lambda: not any(victim.is_running() for victim in victims))
    until(lambda: answers(endpoints.http) and answers(worker_url))


def engine(process: psutil.Process) -> bool:
    """Kafka, the registry or ClickHouse; `up` has an orphan reaper below it, too."""
    line = " ".join(process.cmdline())
    return any(name in line for name in ("kafka.Kafka", "quarkus-run.jar", "clickhouse"))


def test_engines_that_die_are_restarted_with_their_data(
    data_dir: Path, first: RunningStack
) -> None:
    endpoints = first.endpoints
    assert httpx.post(f"{endpoints.http}/session", json=SESSION).is_success
    below = psutil.Process(endpoints.pid).children(recursive=True)
    victims = [process for process in below if engine(process)]
    assert len(victims) == 3
    for victim in victims:
        victim.kill()
    until(lambda: not any(victim.is_running() for victim in victims))
    (worker_url,) = endpoints.workers
    until(lambda: answers(endpoints.http) and answers(worker_url))
    question = {"session_id": "sess-up"}
    found = httpx.get(f"{endpoints.http}/session", params=question, timeout=20)
    assert found.json()["search_query"] == SESSION["search_query"]
    said = (data_dir / "logs" / "up.log").read_text()
    for name in ("kafka", "registry", "clickhouse"):
        assert f"{name} was killed by signal 9" in said


def test_a_system_in_the_background_ends_on_request(data_dir: Path, first: RunningStack) -> None:
    first.stop()
    assert first._child.exit_status() == 0
    assert load_endpoints(data_dir) is None


def test_data_and_addresses_are_found_again(first: RunningStack, second: Up) -> None:
    before = first.endpoints
    after = (second.ready[name] for name in ("http", "kafka", "registry", "clickhouse"))
    assert tuple(after) == (before.http, before.kafka, before.registry, before.clickhouse)
    found = httpx.get(
        f"{second.ready['http']}/session", params={"session_id": "sess-up"}, timeout=20
    )
    assert found.json()["search_query"] == SESSION["search_query"]


def test_another_up_on_the_same_folder_is_refused_and_harms_nothing(
    data_dir: Path, second: Up
) -> None:
    refused = subprocess.run(
        [*UP, "--data-dir", str(data_dir)], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert f"in use by process {second.process.pid}; stop that one" in refused.stderr
    assert "Traceback" not in refused.stderr
    found = load_endpoints(data_dir)
    assert found is not None
    assert answers(found.http)


def test_nothing_is_left_behind_by_an_up_that_was_killed(data_dir: Path, second: Up) -> None:
    assert second.end(signal.SIGKILL) == -signal.SIGKILL
    assert load_endpoints(data_dir) is None
