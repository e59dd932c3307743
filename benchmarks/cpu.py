"""CPU time of processes: what work costs, whatever else the machine is doing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil


@dataclass(slots=True)
class Meter:
    """What was used between the two ends of `metered`: seconds of CPU by name, and of wall time."""

    cpu: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0


@contextmanager
def metered(pids: dict[str, int]) -> Iterator[Meter]:
    """Measure these processes, with the children they have; filled in when the block ends."""
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    started = time.perf_counter()
    meter = Meter()
    yield meter
    meter.wall = time.perf_counter() - started
    meter.cpu = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all below it, the ended ones included."""
    process = psutil.Process(pid)
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        times = each.cpu_times()
        total += times.user + times.system
        if each is process:
            total += times.children_user + times.children_system
    return total


def resident_bytes(pid: int) -> int:
    """Memory of a process and of all below it."""
    process = psutil.Process(pid)
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
