"""Resident memory of one process, second by second, and what the rows of memory have in common.

The slope is a straight line's through the last half of the curve, so that what fills up at the
start (the index of recent sessions, librdkafka's queues) does not count; it is given when that half
is long enough to mean something.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import psutil

from benchmarks.cpu import resident_bytes
from benchmarks.outcome import OURS, Outcome, Target

SECONDS: Final = 1_800
"""At full scale."""

# Below this the last half says more about chance than about a leak.
_SLOPE_SECONDS: Final = 240

Curve = Sequence[tuple[float, float]]
"""(seconds, megabytes), ascending."""


def outcome_of(benchmark: str, curve: Curve, seconds: float) -> Outcome:
    """The peak, and the slope where there is one, of a process that worked for so long."""
    figures = {"peak_mb": max(value for _, value in curve)}
    if curve[-1][0] >= _SLOPE_SECONDS:
        figures["mb_per_10_min"] = slope(curve) * 600
    return Outcome(benchmark, OURS, figures, f"{seconds} s", {"resident_mb": curve})


def targets(peak_mb: float) -> Sequence[Target]:
    """At most so much, and flat: 30 MB in half an hour is a twentieth of what a worker may have."""
    return (Target("peak_mb", at_most=peak_mb), Target("mb_per_10_min", at_most=10))


@contextmanager
def sampled(pid: int) -> Iterator[list[tuple[float, float]]]:
    """(seconds, megabytes) of a process and its children, every second while the block runs."""
    curve: list[tuple[float, float]] = []
    over = threading.Event()
    sampler = threading.Thread(target=_sample, args=(pid, curve, over))
    sampler.start()
    try:
        yield curve
    finally:
        over.set()
        sampler.join()


def _sample(pid: int, curve: list[tuple[float, float]], over: threading.Event) -> None:
    started = time.monotonic()
    while True:
        try:
            megabytes = resident_bytes(pid) / 1e6
        except psutil.NoSuchProcess:
            return  # whoever waits for its work says so
        curve.append((round(time.monotonic() - started, 1), round(megabytes, 1)))
        if over.wait(1.0):
            return


def slope(curve: Curve) -> float:
    """Of a straight line through the last half, by least squares: a unit of the curve a second."""
    last = np.array([point for point in curve if point[0] >= curve[-1][0] / 2])
    return float(np.polyfit(last[:, 0], last[:, 1], 1)[0])
