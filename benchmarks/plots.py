"""Draw docs/performance/*.svg from recorded results: `python -m benchmarks.plots [FILE …]`.

Without files it reads all of benchmarks/results. A plot whose rows were not measured is left as it
is. Needs matplotlib, which is in the optional dependencies `bench`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from benchmarks.outcome import OURS, Outcome
from benchmarks.results_file import outcomes, recorded

mpl.use("svg")
from matplotlib import pyplot

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance"

Found = Mapping[str, Sequence[Outcome]]

# Okabe and Ito's colours, told apart by nearly everybody: https://jfly.uni-koeln.de/color/
_BLUE: Final = "#0072B2"
_ORANGE: Final = "#E69F00"
_RED: Final = "#D55E00"
_GREY: Final = "#999999"

# A bar that is longer than so many times the next one is cut, and says so: the others could not be
# told apart beside it.
_CUT: Final = 4.0

_STYLE: Final[dict[Any, Any]] = {
    # White in dark mode too: a transparent plot has black text on black there.
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "legend.frameon": False,
    # The same figures make the same file.
    "svg.hashsalt": "clickstream",
}


def sink(found: Found) -> Any:
    """CPU of an event, ours beside its peers, by who spends it."""
    rows = [name for name in ("sink_events", "sink_both") if name in found]
    heights = [len(found[name]) + 1.2 for name in rows]
    figure, axes = _figure(rows, heights)
    titles = {
        "sink_events": "Events into ClickHouse (ours joins them to their sessions)",
        "sink_both": "Sessions and events into ClickHouse, 20 results and 8 events a session",
    }
    for axis, name in zip(axes, rows, strict=True):
        parts = {"client_us": ("client", _BLUE), "clickhouse_us": ("ClickHouse", _ORANGE)}
        _bars(axis, found[name], parts)
        axis.set(title=titles[name], xlabel="CPU µs per event")
        axis.legend(loc="upper right")  # beside ours, which is short
    return figure


def edge(found: Found) -> Any:
    """CPU of a request, ours beside other servers."""
    rows = [name for name in ("edge_event", "edge_session") if name in found]
    figure, axes = _figure(rows, [len(found[name]) + 1.2 for name in rows])
    titles = {
        "edge_event": "POST /session/events, one event, acknowledged by all replicas",
        "edge_session": "POST /session, 20 results, acknowledged by all replicas",
    }
    for axis, name in zip(axes, rows, strict=True):
        _bars(axis, found[name], {"cpu_us_per_request": ("server", _BLUE)})
        axis.set(title=titles[name], xlabel="CPU µs per request")
    return figure


def freshness(found: Found) -> Any:
    """How long after its acknowledgement an event can be read."""
    [figures] = [outcome.figures for outcome in found["freshness"] if outcome.contender == OURS]
    figure, [axis] = _figure(["freshness"], [3.6])
    for row, (reader, label) in enumerate([("get", "GET /session"), ("sql", "SQL")]):
        for place, (name, colour) in enumerate([("p50", _BLUE), ("p99", _ORANGE)]):
            value = figures[f"{reader}_{name}_ms"]
            bar = axis.barh(row + 0.4 * place, value, 0.36, color=colour)
            axis.bar_label(bar, fmt="%.0f ms", padding=4, backgroundcolor="white", zorder=3)
            if row == 0:
                bar.set_label(name)
        axis.text(-0.01, row + 0.2, label, ha="right", va="center", transform=_beside(axis))
    axis.axvline(250, color=_BLUE, linestyle=":", label="target of p50")
    axis.axvline(600, color=_ORANGE, linestyle=":", label="target of p99")
    rate = figures["events_per_second"]
    axis.set(
        title=f"From acknowledged to readable, {rate:,.0f} events/s",
        xlabel="milliseconds",
        yticks=[],
        xlim=(0, 1.15 * max(600.0, *(v for k, v in figures.items() if k.endswith("_ms")))),
    )
    axis.invert_yaxis()
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def growth(found: Found) -> Any:
    """CPU of an event by how many are stored, and with two workers."""
    figure, [axis] = _figure(["growth"], [5])
    two = [o.figures for o in found["growth"] if "two workers" in o.contender]
    one = [o.figures for o in found["growth"] if "two workers" not in o.contender]
    for figures, label, marker, colour in (
        (one, "one worker", "o", _BLUE),
        (two, "two workers", "s", _RED),
    ):
        points = sorted((each["stored_events"], each["cpu_us_per_event"]) for each in figures)
        axis.plot(*zip(*points, strict=True), marker=marker, color=colour, label=label)
    first = min(one, key=lambda each: each["stored_events"])["cpu_us_per_event"]
    axis.axhline(1.15 * first, color=_GREY, linestyle=":", label="target: 1.15 × the first")
    axis.set(
        title="Catching up with sessions and their events, on fuller and fuller tables",
        xlabel="events stored before",
        ylabel="CPU µs per event",
        xscale="log",
        ylim=(0, 1.2 * max(each["cpu_us_per_event"] for each in (*one, *two))),
    )
    axis.legend(loc="lower right")
    return figure


def memory(found: Found) -> Any:
    """Resident memory of the worker and of the edge, over time."""
    figure, [axis] = _figure(["memory"], [5])
    lines = {"memory_worker": ("worker", 600, _BLUE), "memory_edge": ("edge", 200, _ORANGE)}
    for name, (label, limit, colour) in lines.items():
        if name not in found:
            continue
        [outcome] = found[name]
        seconds, megabytes = zip(*outcome.curves["resident_mb"], strict=True)
        axis.plot([each / 60 for each in seconds], megabytes, color=colour, label=label)
        axis.axhline(limit, color=colour, linestyle=":", label=f"{label}: at most {limit} MB")
    axis.set(title="At full rate", xlabel="minutes", ylabel="resident memory, MB", ylim=(0, None))
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


PLOTS: Final[Mapping[str, tuple[Callable[[Found], Any], Sequence[str]]]] = {
    "sink": (sink, ("sink_events", "sink_both")),
    "edge": (edge, ("edge_event", "edge_session")),
    "freshness": (freshness, ("freshness",)),
    "growth": (growth, ("growth",)),
    "memory": (memory, ("memory_worker", "memory_edge")),
}
"""By file name: what draws it, and of which benchmarks; one of them is enough."""


def draw(found: Found, folder: Path) -> list[Path]:
    """Write every plot that there are figures for; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context(_STYLE):
        for name, (plot, benchmarks) in PLOTS.items():
            if not any(benchmark in found for benchmark in benchmarks):
                continue
            figure = plot(found)
            path = folder / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
            pyplot.close(figure)
            written.append(path)
    return written


def _figure(rows: Sequence[str], heights: Sequence[float]) -> tuple[Any, Sequence[Any]]:
    """One axis for each row, above one another; heights are in units of a bar's."""
    figure, axes = pyplot.subplots(
        len(rows),
        squeeze=False,
        figsize=(8, 0.55 * sum(heights) + 0.6 * len(rows)),
        height_ratios=list(heights),
        layout="constrained",
    )
    return figure, list(axes[:, 0])


def _bars(axis: Any, rows: Sequence[Outcome], parts: Mapping[str, tuple[str, str]]) -> None:
    """One bar for each contender, stacked of its figures, with the sum at its end."""
    rows = [row for row in rows if all(name in row.figures for name in parts)]
    totals = [sum(row.figures[name] for name in parts) for row in rows]
    end = _end_of_axis(totals)
    for place, (row, total) in enumerate(zip(rows, totals, strict=True)):
        left = 0.0
        for name, (label, colour) in parts.items():
            width = row.figures[name]
            axis.barh(place, width, left=left, color=colour, label=None if place else label)
            left += width
        cut = total > end
        said = f"{total:.3g}, cut here" if cut else f"{total:.3g}"
        axis.text(min(total, end), place, f" {said}", va="center", clip_on=False)
    axis.set_yticks(range(len(rows)), [row.contender for row in rows])
    for label, row in zip(axis.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.contender == OURS else "normal")
    axis.set_xlim(0, end)
    axis.invert_yaxis()


def _end_of_axis(totals: Sequence[float]) -> float:
    *others, longest = sorted(totals)
    if others and longest > _CUT * others[-1]:
        return 1.3 * others[-1]
    return 1.1 * longest


def _beside(axis: Any) -> Any:
    """Fractions of the axis across, data downwards."""
    return axis.get_yaxis_transform()


if __name__ == "__main__":
    for path in draw(outcomes([Path(name) for name in sys.argv[1:]] or recorded()), PAGE):
        print(path)
