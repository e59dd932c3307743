"""Draw the trace of one request as docs/pictures/trace.svg.

    CLICKSTREAM_TEST_TRACE_FILE=trace.json python -m pytest tests/e2e/test_traces.py
    python docs/draw_trace.py < trace.json

One bar for each span, below its parent; the width of the picture is the time from the request to
the last insert.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

PICTURE: Final = Path(__file__).with_name("pictures") / "trace.svg"
ROOT: Final = "POST /session/events"

_WIDTH, _ROW, _LABEL, _TOP = 760, 24, 300, 34
_COLOURS: Final = {"clickstream-http": "#3b7dd8", "clickstream-worker": "#d8813b"}
# Names of topics and tables end so; what is before is the prefix of a test.
_PREFIX_END: Final = "."

Span = dict[str, Any]


def in_order(spans: list[Span]) -> list[tuple[int, Span]]:
    """The spans of the request with their depth, each behind its parent."""
    found: list[tuple[int, Span]] = []

    def add(span: Span, depth: int) -> None:
        found.append((depth, span))
        inner = [each for each in spans if each["parent"] == span["id"]]
        for each in sorted(inner, key=lambda one: one["begun"]):
            add(each, depth + 1)

    add(next(span for span in spans if span["name"] == ROOT), 0)
    return found


def picture(spans: list[Span]) -> str:
    """The SVG."""
    rows = in_order(spans)
    begun = rows[0][1]["begun"]
    whole = max(span["ended"] for _, span in rows) - begun
    scale = (_WIDTH - _LABEL - 90) / whole
    bars = []
    for number, (depth, span) in enumerate(rows):
        y = _TOP + number * _ROW
        x = _LABEL + (span["begun"] - begun) * scale
        width = max(2.0, (span["ended"] - span["begun"]) * scale)
        first, _, rest = span["name"].partition(" ")
        name = f"{first} {rest.rpartition(_PREFIX_END)[2]}".strip()
        took = (span["ended"] - span["begun"]) / 1e6
        bars.append(
            f'<text x="{8 + 16 * depth}" y="{y + 12}">{escape(name)}</text>'
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="16" rx="2"'
            f' fill="{_COLOURS[span["process"]]}"/>'
            f'<text x="{x + width + 6:.1f}" y="{y + 12}">{took:.1f} ms</text>'
        )
    height = _TOP + len(rows) * _ROW + 6
    legend = "".join(
        f'<rect x="{8 + 180 * n}" y="8" width="12" height="12" fill="{colour}"/>'
        f'<text x="{26 + 180 * n}" y="18">{process}</text>'
        for n, (process, colour) in enumerate(_COLOURS.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' aria-label="Trace of {ROOT}, from the request to the insert">\n'
        "<style>text { font: 12px system-ui, sans-serif; fill: #333 }</style>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n{legend}\n'
        + "\n".join(bars)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(json.load(sys.stdin)), "utf-8")
