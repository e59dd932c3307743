from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

from core import telemetry


def test_every_metric_is_named_after_us_and_documented() -> None:
    metrics = [each for each in vars(telemetry).values() if isinstance(each, MetricWrapperBase)]
    assert len(metrics) > 20
    for metric in metrics:
        (family,) = metric.describe()
        assert family.name.startswith("clickstream_")
        assert family.documentation
