"""Write docs/prometheus.md from `core.telemetry.METRICS`; `--check` only compares.

One row per metric, in the order of the code. Run it by `make docs`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from core.metric_list import LABELS, MetricDescription
from core.telemetry import METRICS

PAGE = Path(__file__).with_name("prometheus.md")

INTRODUCTION = """\
# Metrics for Prometheus

What `/metrics` of each process shows ([operations.md](operations.md#metrics-for-prometheus) says
where it is; measures of searches and clicks are on [metrics.md](metrics.md)). A process shows the
metrics of its components alone: an edge none of the worker. Counters whose labels are known begin
at 0 at the start, so `increase()` sees the first one. A histogram has the series `…_bucket`,
`…_sum` and `…_count`. Python's own (`process_…`, `python_…`) come with them. This page is written
from the code by `make docs`, and a test compares them.

"""

SECTIONS = {
    "clickstream_build_": "Every process",
    "clickstream_http_": "Every HTTP process",
    "clickstream_edge_": "The write edge",
    "clickstream_worker_": "The worker",
    "clickstream_read_": "The read API, and the edge when it marks",
}


def section(title: str, metrics: Sequence[MetricDescription]) -> str:
    """A heading and a table."""
    rows = "".join(
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels) or '–'} |"
        f" {m.unit} | {m.meaning} |\n"
        for m in metrics
    )
    head = "| Name | Type | Labels | Unit | What it counts |\n|---|---|---|---|---|\n"
    return f"## {title}\n\n{head}{rows}\n"


def page() -> str:
    """The whole page."""
    sections = "".join(
        section(title, [m for m in METRICS.descriptions if m.name.startswith(start)])
        for start, title in SECTIONS.items()
    )
    labels = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in LABELS.items())
    return f"{INTRODUCTION}{sections}## Labels\n\n| Label | What it says |\n|---|---|\n{labels}"


def main() -> int:
    """0 when the page is, or was made, what the code says."""
    wanted = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text("utf-8") == wanted
        if not same:
            print(f"{PAGE} is not what the code says: run `make docs`", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
