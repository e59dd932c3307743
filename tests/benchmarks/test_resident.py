from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import memory_edge, wrk
from benchmarks.catalogue import ROWS
from benchmarks.lab import Lab
from benchmarks.resident import outcome_of, sampled, slope
from benchmarks.script import Size
from benchmarks.wrk import WrkMissing
from clickstream.local.processes.process_manager import ProcessManager
from core.settings import Settings


def test_the_slope_is_that_of_the_last_half() -> None:
    filling = [(float(second), 100.0 + 5 * second) for second in range(50)]
    leaking = [(float(second), 350.0 + 0.1 * second) for second in range(50, 101)]
    assert slope([*filling, *leaking]) == pytest.approx(0.1)


def test_memory_is_sampled_while_the_block_runs() -> None:
    with sampled(os.getpid()) as curve:
        pass
    assert curve
    assert curve[0][1] > 1  # megabytes


def test_a_short_curve_has_a_peak_and_no_slope() -> None:
    rising = [(float(second), 100.0 + second) for second in range(400)]
    assert outcome_of("memory_edge", rising[:100], 100).figures == {"peak_mb": 199.0}
    assert outcome_of("memory_edge", rising, 400).figures == {
        "peak_mb": 499.0,
        "mb_per_10_min": pytest.approx(600),
    }


def test_what_the_edge_needs_is_asked_for_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [row.name for row in ROWS]
    assert names.index("memory_edge") < names.index("memory_worker")  # which takes half an hour
    monkeypatch.setattr(wrk.shutil, "which", lambda _: None)
    manager = ProcessManager()
    try:
        with pytest.raises(WrkMissing, match="apt install wrk"):
            next(memory_edge.round_(Lab(Settings(), manager, Path(), None, None), Size()))
    finally:
        manager.close()
