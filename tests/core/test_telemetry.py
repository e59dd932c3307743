from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from core import telemetry
from core.http.app import build_app
from core.settings import Settings
from tests.core.http.components import FakeComponent

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_metric_is_named_after_us_and_documented() -> None:
    metrics = [each for each in vars(telemetry).values() if isinstance(each, MetricWrapperBase)]
    assert len(metrics) > 20
    for metric in metrics:
        (family,) = metric.describe()
        assert family.name.startswith("clickstream_")
        assert family.documentation


def test_the_page_lists_every_metric_by_its_name_at_prometheus() -> None:
    shown = set()
    for each in vars(telemetry).values():
        if isinstance(each, MetricWrapperBase):
            (family,) = each.describe()
            shown.add(family.name + ("_total" if family.type == "counter" else ""))
    listed = re.findall(r"^\| `(clickstream_\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(listed)


@pytest.mark.parametrize(
    ("components", "shown", "hidden"),
    [
        (["write"], ["edge", "http", "read"], ["worker"]),
        (["read"], ["http", "read"], ["edge", "worker"]),
        (["write", "read"], ["edge", "http", "read"], ["worker"]),
        (["worker"], ["worker"], ["edge", "http", "read"]),
    ],
)
def test_a_process_shows_the_metrics_of_its_components_alone(
    components: list[str], shown: list[str], hidden: list[str]
) -> None:
    text = generate_latest(telemetry.registry_of(components)).decode()
    assert "clickstream_build_info{version=" in text
    for kind in shown:
        assert f"# TYPE clickstream_{kind}_" in text
    for kind in hidden:
        assert f"clickstream_{kind}_" not in text


def test_counters_are_there_before_anything_has_happened() -> None:
    build_app(Settings(_env_file=None), [FakeComponent("write")])
    text = generate_latest(telemetry.registry_of(["write"])).decode()
    assert 'clickstream_http_problems_total{problem="broker-unavailable"}' in text
    for status in (200, 503):
        labels = f'method="POST",route="/thing",status="{status}"'
        assert f"clickstream_http_requests_total{{{labels}}}" in text
    for name in ("requests_in_flight", "bytes_in_flight", "connections"):
        assert f"\nclickstream_http_{name} " in text
