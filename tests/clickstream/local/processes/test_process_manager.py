"""Children end with their parent, whatever ends the parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from clickstream.local.processes import process_manager
from clickstream.local.processes.child_process import Child
from clickstream.local.processes.process_manager import Command, ProcessManager

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER


def running(pids: list[int]) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


@contextmanager
def family(net: str, place: str) -> Iterator[tuple[subprocess.Popen[str], list[int], Path]]:
    """A running parent, the pids of its child and grandchild, and the child's log."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.clickstream.local.processes.family", net, place],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    with parent, parent.stdout as output:
        pids, log = json.loads(output.readline())
        try:
            yield parent, pids, Path(log)
        finally:
            parent.kill()
            for process in running(pids):
                process.kill()


@pytest.mark.parametrize("net", ["kernel", "reaper"])
@pytest.mark.parametrize("place", ["main", "thread"])
def test_kill_of_the_parent_ends_child_and_grandchild(net: str, place: str) -> None:
    with family(net, place) as (parent, pids, _):
        before = running(pids)
        assert len(before) == 2
        parent.kill()
        _, alive = psutil.wait_procs(before, timeout=20)
        assert alive == []


def test_child_outlives_the_thread_that_started_it() -> None:
    with family("kernel", "thread") as (_, pids, log):
        child = psutil.Process(pids[0])
        child.send_signal(signal.SIGUSR1)
        while "alive" not in log.read_text():
            assert child.status() != psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part exists on Linux only")
def test_kernel_ends_the_child_without_the_reaper() -> None:
    with family("kernel", "main") as (parent, pids, _):
        child = psutil.Process(pids[0])
        (reaper,) = [p for p in psutil.Process(parent.pid).children() if p.pid != child.pid]
        reaper.suspend()
        try:
            parent.kill()
            _, alive = psutil.wait_procs([child], timeout=20)
            assert alive == []
        finally:
            reaper.kill()


def start(manager: ProcessManager, program: str, log: Path) -> Child:
    child = manager.spawn(Command("sleeper", [sys.executable, "-c", program], log))
    child.wait_until_ready(lambda: log.read_text() != "", 20)
    return child


WRITER = """
import sys, time
while True:
    print("x" * 99)
    sys.stdout.flush()
    time.sleep(0.001)
"""


def test_the_log_of_a_long_run_stays_within_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_manager, "_LOG_BYTES", 2_000)
    manager = ProcessManager()
    log = tmp_path / "log.log"
    child = manager.spawn(Command("writer", [sys.executable, "-c", WRITER], log))
    child.wait_until_ready(lambda: log.stat().st_size > 3_000, 20)
    manager.rotate_logs()
    assert log.with_suffix(".log.1").stat().st_size >= 2_000
    assert log.stat().st_size < 3_000
    child.wait_until_ready(lambda: log.stat().st_size > 500, 20)
    assert log.read_bytes()[:1] == b"x"  # not a hole as large as what was moved aside
    child.kill()
    manager.close()


def test_a_child_that_ended_is_left_unreaped_until_its_group_is_killed(tmp_path: Path) -> None:
    manager = ProcessManager()
    child = manager.spawn(Command("short", [sys.executable, "-c", ""], tmp_path / "log"))
    deadline = time.monotonic() + 20
    while child.exit_status() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert child.exit_status() == 0
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    child.kill()
    assert not psutil.pid_exists(child.pid)
    assert child.exit_status() == 0
    child.kill()  # again: nothing is killed that has its number by now
    manager.close()


def test_children_do_not_get_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_ADMIN_KEYS", "secret")
    manager = ProcessManager()
    log = tmp_path / "log"
    child = start(manager, f"import os; print(dict(os.environ)); {SLEEPER}", log)
    assert "secret" not in log.read_text()
    child.kill()
    manager.close()


def test_stop_asks_first(tmp_path: Path) -> None:
    manager = ProcessManager()
    child = start(manager, SLEEPER, tmp_path / "log")
    assert child.stop(grace_seconds=20)
    assert child.exit_status() == -signal.SIGTERM
    manager.close()


def test_stop_kills_what_does_not_obey(tmp_path: Path) -> None:
    manager = ProcessManager()
    child = start(manager, STUBBORN, tmp_path / "log")
    assert not child.stop(grace_seconds=0.1)
    assert child.exit_status() == -signal.SIGKILL
    manager.close()


def test_stop_may_be_repeated(tmp_path: Path) -> None:
    manager = ProcessManager()
    child = start(manager, SLEEPER, tmp_path / "log")
    child.stop(grace_seconds=20)
    assert child.stop(grace_seconds=20)
    manager.close()


def test_closing_the_pact_kills_what_still_runs(tmp_path: Path) -> None:
    manager = ProcessManager(kernel=False)
    child = start(manager, SLEEPER, tmp_path / "log")
    manager.close()
    _, alive = psutil.wait_procs([psutil.Process(child.pid)], timeout=20)
    assert alive == []
    child.kill()


def reapers() -> set[psutil.Process]:
    """Watchers that this process has started."""
    children = psutil.Process().children()
    return {child for child in children if "orphan_reaper.py" in " ".join(child.cmdline())}


def test_killed_reaper_is_replaced_by_one_that_knows_all(tmp_path: Path) -> None:
    others = reapers()  # the engines that other tests share have one, too
    manager = ProcessManager(kernel=False)
    first = start(manager, SLEEPER, tmp_path / "first")
    (reaper,) = reapers() - others
    reaper.kill()
    reaper.wait(20)
    second = start(manager, SLEEPER, tmp_path / "second")
    children = [psutil.Process(first.pid), psutil.Process(second.pid)]
    manager.close()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    first.kill()
    second.kill()


def test_children_are_out_of_reach_of_the_terminals_ctrl_c(tmp_path: Path) -> None:
    manager = ProcessManager()
    child = start(manager, SLEEPER, tmp_path / "log")
    assert os.getpgid(child.pid) == child.pid
    child.kill()
    manager.close()


def test_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    manager = ProcessManager(kernel=False)
    with pytest.raises(FileNotFoundError):
        manager.spawn(Command("ghost", [str(tmp_path / "ghost")], tmp_path / "log"))
    manager.close()


def test_log_that_has_grown_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "sleeper.log"
    log.write_bytes(b"old\n" + b"." * (17 * 1024 * 1024))
    manager = ProcessManager()
    child = start(manager, SLEEPER, log)
    assert log.read_text() == "up\n"
    assert (tmp_path / "sleeper.log.1").read_bytes() == b"." * (16 * 1024 * 1024)
    child.kill()
    manager.close()
