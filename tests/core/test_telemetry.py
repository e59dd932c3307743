from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from core import telemetry
from core.http.app import build_app
from core.metric_list import LABELS, MetricDescription, Unit
from core.settings import Settings
from core.telemetry import METRICS
from tests.core.http.components import FakeComponent


def test_every_metric_is_in_the_list_as_prometheus_has_it() -> None:
    declared = {each.name: (each.kind, each.labels) for each in METRICS.descriptions}
    assert len(declared) == len(METRICS.descriptions) > 20
    found = {}
    for metric in vars(telemetry).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = (family.type, metric._labelnames)
    assert found == declared


@pytest.mark.parametrize("metric", METRICS.descriptions, ids=lambda metric: metric.name)
def test_each_is_described_by_its_unit_and_its_labels(metric: MetricDescription) -> None:
    assert metric.name.startswith("clickstream_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert "_seconds" not in metric.name or metric.unit is Unit.SECONDS
    assert metric.meaning
    assert set(metric.labels) <= set(LABELS)


def test_no_label_is_explained_that_none_has() -> None:
    assert set(LABELS) == {label for each in METRICS.descriptions for label in each.labels}


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
        labels = f'key="(none)",method="POST",route="/thing",status="{status}"'
        assert f"clickstream_http_requests_total{{{labels}}}" in text
    for name in ("requests_in_flight", "bytes_in_flight", "connections"):
        assert f"\nclickstream_http_{name} " in text
