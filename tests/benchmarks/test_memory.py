from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import memory, wrk
from benchmarks.lab import Lab
from benchmarks.memory import sampled, slope
from benchmarks.script import Size
from benchmarks.wrk import WrkMissing
from clickstream.processes.pact import Pact
from clickstream.settings import Settings


def test_the_slope_is_that_of_the_last_half() -> None:
    filling = [(float(second), 100.0 + 5 * second) for second in range(50)]
    leaking = [(float(second), 350.0 + 0.1 * second) for second in range(50, 101)]
    assert slope([*filling, *leaking]) == pytest.approx(0.1)


def test_memory_is_sampled_while_the_block_runs() -> None:
    with sampled(os.getpid()) as curve:
        pass
    assert curve
    assert curve[0][1] > 1  # megabytes


def test_what_the_edge_needs_is_asked_for_before_the_worker_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def started(*_: object) -> None:
        raise AssertionError("the worker ran first")

    monkeypatch.setattr(memory, "worker_curve", started)
    monkeypatch.setattr(wrk.shutil, "which", lambda _: None)
    pact = Pact()
    try:
        with pytest.raises(WrkMissing, match="apt install wrk"):
            next(memory.round_(Lab(Settings(), pact, Path(), None, None), Size()))
    finally:
        pact.close()
