"""The faults: each function returns when its blow is over and what it hit runs again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

from clickstream.local.processes.service import Service
from tests.faults.lab.system import Lab

# Orchestrators commonly kill 30 s after SIGTERM; what we promise is this, seconds.
DRAINED_SECONDS = 25.0
_POLL_SECONDS = 0.02
_EXABYTE = 10**18


def kill(service: Service) -> None:
    """kill -9; the lab's keeper starts it again."""
    os.kill(_pid(service), signal.SIGKILL)


def kill_engine(service: Service) -> None:
    """kill -9 an engine, and start it again."""
    outage(service, 0)


def outage(service: Service, seconds: float) -> None:
    """An engine is killed and stays away for so long."""
    service.kill()
    try:
        time.sleep(seconds)
    finally:
        service.start()


def freeze(service: Service, seconds: float) -> None:
    """It holds its connections and says nothing (SIGSTOP), then goes on."""
    pid = _pid(service)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def full_disk(lab: Lab) -> Iterator[None]:
    """ClickHouse has no room as long as this is entered. It is restarted before and after, because
    it reads how much it has to keep free only then."""
    clickhouse = lab.engines.clickhouse
    config = lab.folder / "engines" / "clickhouse" / "config.xml"
    usual = config.read_text()
    tree = ElementTree.parse(config)  # noqa: S314  (our own file)
    disks = SubElement(SubElement(tree.getroot(), "storage_configuration"), "disks")
    SubElement(SubElement(disks, "default"), "keep_free_space_bytes").text = str(_EXABYTE)
    try:
        tree.write(config)
        kill_engine(clickhouse)
        yield
    finally:
        config.write_text(usual)
        kill_engine(clickhouse)


def terminate(lab: Lab, service: Service) -> float:
    """SIGTERM; returns after how many seconds it had ended, by itself and with status 0.

    The keeper starts it again. AssertionError when it takes longer than is promised.
    """
    deaths = len(lab.keeper.deaths)
    begun = time.monotonic()
    os.kill(_pid(service), signal.SIGTERM)
    while True:
        died = [status for name, status in lab.keeper.deaths[deaths:] if name == service.name]
        took = time.monotonic() - begun
        if died:
            assert died == [0], f"{service.name} ended with {died}"
            return took
        assert took < DRAINED_SECONDS, f"{service.name} is still there after {took:.0f} s"
        time.sleep(_POLL_SECONDS)


def _pid(service: Service) -> int:
    if service.pid is None:
        raise RuntimeError(f"{service.name} does not run")
    return service.pid
