"""Write the Grafana dashboards in `grafana/dashboards/`; `--check` only compares.

A dashboard is a list of panels, and a panel a title, a unit and its queries: the rest of Grafana's
JSON is the same for all. Run it by `make docs`.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).with_name("grafana") / "dashboards"

# Grafana's grid has 24 columns; two panels side by side.
_WIDTH, _HEIGHT = 12, 8
# Of the panel's JSON; Grafana migrates older ones by itself.
_SCHEMA_VERSION: Final = 39


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph over time. `unit` is Grafana's name; `queries` are expressions and legends."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`name` is that of the file and the end of the URL. `variables` are labels to choose by."""

    name: str
    title: str
    variables: Sequence[tuple[str, str]]
    panels: Sequence[Panel]


def quantiles(metric: str, selector: str = "", by: str = "") -> list[tuple[str, str]]:
    """Median and 99th percentile of a histogram, each for every value of the label `by`."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return [
        (
            f"histogram_quantile({q}, sum by ({labels})"
            f" (rate({metric}_bucket{selector}[$__rate_interval])))",
            f"{name}{legend}",
        )
        for q, name in (("0.5", "p50"), ("0.99", "p99"))
    ]


def per_second(metric: str, by: str = "", selector: str = "", legend: str = "") -> tuple[str, str]:
    """How fast a counter rises, for every value of the labels `by`."""
    return _summed("rate", metric, by, selector, legend)


def rise(metric: str, by: str = "", selector: str = "", legend: str = "") -> tuple[str, str]:
    """By how much a counter has risen since the point before."""
    return _summed("increase", metric, by, selector, legend)


def _summed(function: str, metric: str, by: str, selector: str, legend: str) -> tuple[str, str]:
    values = " ".join(f"{{{{{label}}}}}" for label in by.split(", ") if label)
    grouping = f"sum by ({by})" if by else "sum"
    expression = f"{grouping} ({function}({metric}{selector}[$__rate_interval]))"
    return expression, f"{legend} {values}".strip()


_ROUTES_AND_KEYS: Final = 'route=~"$route", key=~"$key"'
_CHOSEN: Final = f"{{{_ROUTES_AND_KEYS}}}"
_REFUSED: Final = f'{{status=~"[45]..", {_ROUTES_AND_KEYS}}}'
_FAILED: Final = f'{{status=~"5..", {_ROUTES_AND_KEYS}}}'
_TOPIC: Final = '{topic=~"$topic"}'
_REQUESTS: Final = "clickstream_http_requests_total"
_DURATION: Final = "clickstream_http_request_seconds"

HTTP: Final = Dashboard(
    "http",
    "Clickstream: HTTP",
    [("route", f"label_values({_REQUESTS}, route)"), ("key", f"label_values({_REQUESTS}, key)")],
    [
        Panel("Requests by route", "reqps", [per_second(_REQUESTS, "route", _CHOSEN)]),
        Panel("Requests by key", "reqps", [per_second(_REQUESTS, "key", _CHOSEN)]),
        Panel(
            "Share of 5xx by route",
            "percentunit",
            [
                (
                    f"{per_second(_REQUESTS, 'route', _FAILED)[0]}"
                    f" / {per_second(_REQUESTS, 'route', _CHOSEN)[0]}",
                    "{{route}}",
                )
            ],
        ),
        Panel(
            "4xx and 5xx by key and status",
            "reqps",
            [per_second(_REQUESTS, "key, status", _REFUSED)],
        ),
        Panel("Duration by route", "s", quantiles(_DURATION, _CHOSEN, "route")),
        Panel("Duration by key", "s", quantiles(_DURATION, _CHOSEN, "key")),
        Panel("Problems", "reqps", [per_second("clickstream_http_problems_total", "problem")]),
        Panel(
            "In progress",
            "short",
            [
                (
                    "sum by (instance) (clickstream_http_requests_in_flight)",
                    "requests {{instance}}",
                ),
                ("sum by (instance) (clickstream_http_connections)", "connections {{instance}}"),
                rise("clickstream_http_connections_refused_total", legend="connections refused"),
            ],
        ),
        Panel(
            "Bytes of bodies in progress",
            "bytes",
            [("sum by (instance) (clickstream_http_bytes_in_flight)", "{{instance}}")],
        ),
        Panel(
            "Records acknowledged by Kafka",
            "cps",
            [
                per_second("clickstream_edge_records_total", "topic"),
                per_second(
                    "clickstream_edge_unacknowledged_total", "topic", legend="not acknowledged"
                ),
            ],
        ),
        Panel("From record to acknowledgement", "s", quantiles("clickstream_edge_publish_seconds")),
        Panel(
            "Kafka producer",
            "short",
            [
                ("sum by (instance) (clickstream_edge_producer_queue)", "waiting {{instance}}"),
                rise("clickstream_edge_producer_restarts_total", legend="restarts"),
            ],
        ),
        Panel("ClickHouse queries", "s", quantiles("clickstream_read_query_seconds", by="query")),
        Panel(
            "Waits for the worker",
            "s",
            quantiles("clickstream_read_wait_seconds"),
            "Before a 404 is certain, and for reads with a position",
        ),
        Panel(
            "Reads that wait, and streams",
            "short",
            [
                ("sum(clickstream_read_waiters)", "waiting for the worker"),
                ("sum(clickstream_read_tails)", "streams of the tail"),
            ],
        ),
        Panel(
            "Releases",
            "short",
            [
                rise("clickstream_read_releases_made_total", legend="made"),
                rise("clickstream_read_releases_retired_total", legend="retired"),
                rise(
                    "clickstream_read_release_files_superseded_total",
                    "cause",
                    legend="files deleted:",
                ),
            ],
        ),
        Panel("Making a release", "s", quantiles("clickstream_read_release_seconds")),
    ],
)

PIPELINE: Final = Dashboard(
    "pipeline",
    "Clickstream: from Kafka to ClickHouse",
    [("topic", "label_values(clickstream_worker_lag, topic)")],
    [
        Panel(
            "Records written",
            "cps",
            [per_second("clickstream_worker_records_total", "topic", _TOPIC)],
        ),
        Panel(
            "Lag in records",
            "short",
            [(f"sum by (topic) (clickstream_worker_lag{_TOPIC})", "{{topic}}")],
        ),
        Panel(
            "Lag in seconds, the oldest of each worker",
            "s",
            [(f"max by (instance) (clickstream_worker_lag_seconds{_TOPIC})", "{{instance}}")],
        ),
        Panel(
            "Freshness",
            "s",
            quantiles("clickstream_worker_freshness_seconds"),
            "From a record being produced to it being readable, the oldest of each flush",
        ),
        Panel("Seconds of a flush", "s", quantiles("clickstream_worker_flush_seconds")),
        Panel(
            "Facts are behind",
            "s",
            [("max(clickstream_worker_facts_lag_seconds)", "lag")],
            "How long ago everything was written that the numbers contain",
        ),
        Panel("Seconds of a refresh of facts", "s", quantiles("clickstream_worker_facts_seconds")),
        Panel("Records of a flush", "short", quantiles("clickstream_worker_flush_rows")),
        Panel("Parts created", "cps", [per_second("clickstream_worker_parts_total", "table")]),
        Panel(
            "Active parts",
            "short",
            [("max by (table) (clickstream_worker_table_parts)", "{{table}}")],
        ),
        Panel(
            "What became of events",
            "cps",
            [
                per_second(f"clickstream_worker_{outcome}_total", legend=outcome)
                for outcome in ("joined", "unjoined", "adopted", "duplicates", "erased")
            ],
        ),
        Panel(
            "Events that wait",
            "short",
            [('max(clickstream_worker_table_rows{table="unjoined_events"})', "waiting")],
        ),
        Panel(
            "Dead letters, and records lost",
            "short",
            [
                rise("clickstream_worker_dead_letters_total", "reason"),
                rise("clickstream_worker_lost_total", "topic", legend="lost"),
            ],
        ),
        Panel(
            "Session ids looked up",
            "cps",
            [per_second("clickstream_worker_looked_up_total", "what")],
        ),
        Panel(
            "Seconds of a look-up", "s", quantiles("clickstream_worker_look_up_seconds", by="what")
        ),
        Panel(
            "Pauses, retries and rebalances",
            "short",
            [
                ("sum(clickstream_worker_paused)", "waits for a server now"),
                rise("clickstream_worker_retries_total", "server", legend="retries"),
                rise("clickstream_worker_assignments_total", legend="assignments"),
            ],
        ),
        Panel(
            "Memory",
            "bytes",
            [
                (
                    'process_resident_memory_bytes{job="clickstream-worker"}',
                    "resident {{instance}}",
                ),
                ("clickstream_worker_index_bytes", "index of sessions {{instance}}"),
            ],
        ),
        Panel(
            "Versions", "short", [("count by (version) (clickstream_build_info)", "{{version}}")]
        ),
    ],
)

DASHBOARDS: Final = (HTTP, PIPELINE)

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def as_json(dashboard: Dashboard) -> str:
    """Grafana's JSON of a dashboard."""
    chosen = [_variable(name, query) for name, query in dashboard.variables]
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    content = {
        "uid": f"clickstream-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["clickstream"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source, *chosen]},
        "panels": [_panel(place, panel) for place, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(content, indent=1) + "\n"


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        **{"name": name, "type": "query", "datasource": _SOURCE, "query": query},
        **{"refresh": 2, "includeAll": True, "multi": True, "allValue": ".*", "sort": 1},
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(place, 2)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend}
            for number, (expression, legend) in enumerate(panel.queries)
        ],
    }


def main() -> int:
    """0 when the files are, or were made, what this module says."""
    for dashboard in DASHBOARDS:
        path, wanted = FOLDER / f"{dashboard.name}.json", as_json(dashboard)
        if "--check" not in sys.argv[1:]:
            path.write_text(wanted, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != wanted:
            print(f"{path} is not what the code says: run `make docs`", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
