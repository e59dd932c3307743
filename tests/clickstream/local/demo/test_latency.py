"""Percentiles by nearest rank."""

from __future__ import annotations

from clickstream.local.demo.latency import Percentiles, percentiles


def test_percentiles_are_values_that_were_measured() -> None:
    seconds = [n / 1000 for n in range(100, 0, -1)]
    assert percentiles(seconds) == Percentiles(100, 50.0, 99.0)


def test_one_measurement_is_all_percentiles() -> None:
    assert percentiles([0.25]) == Percentiles(1, 250.0, 250.0)
