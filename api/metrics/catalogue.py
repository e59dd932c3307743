"""Every metric, as data: what it counts, what it is divided by, and when it has no value.

`GET /analytics/metrics` serves it, docs/metrics.md is written from it, and the SQL of every
question is put together from it. A metric names columns of a view, which says what they count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.declared_paths import is_of_results


class Kind(StrEnum):
    """What sort of number it is."""

    COUNT = "count"
    RATE = "rate"  # of independent trials: it has an interval
    MEAN = "mean"  # a quotient that is no rate
    QUANTILE = "quantile"  # of `numerator`; `denominator` counts how many there are
    DISTRIBUTION = "distribution"  # a share of each group; all shares add up to 1
    NOW = "now"  # the state of now, whatever range


class Source(StrEnum):
    """The view that has a metric's columns; its rows are sessions, or parts of sessions."""

    SESSIONS = "session_measures"
    INTENTS = "session_intents"
    POSITIONS = "session_positions"
    OBJECTS = "session_objects"
    NOW = "metrics_now"
    """Has one row, and nothing that could be filtered."""


SESSION: Final = (Source.SESSIONS, Source.INTENTS)
SHOWN: Final = (*SESSION, Source.POSITIONS, Source.OBJECTS)
INTENT: Final = (Source.INTENTS,)
AT_POSITION: Final = (Source.POSITIONS,)
OF_OBJECT: Final = (Source.OBJECTS,)
OF_NOW: Final = (Source.NOW,)

RECIPROCAL_PARTS: Final = 232_792_560
BILLIONTHS: Final = 10**9
VALUE_PARTS: Final = 10_000
TIMES: Final = (
    0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 1_800_000, 3_600_000, 86_400_000,
)  # fmt: skip
NUMBERS: Final = (
    *range(11), 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000
)  # fmt: skip
"""Where the buckets of distributions begin: the same for all, so that they can be compared."""
LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Of quantiles; the value of such a metric is the median."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Its value is Σ numerator / Σ denominator, or Σ numerator alone."""

    name: str
    kind: Kind
    formula: str
    population: str
    numerator: str
    denominator: str | None = None
    unit: str = "1"
    sources: tuple[Source, ...] = SESSION
    edges: tuple[int, ...] = ()
    """Where the buckets of its distribution begin; empty: it has none."""

    @property
    def null(self) -> str:
        """When it has no value."""
        if self.denominator is None and self.unit != "seconds":
            return "never; 0 when nothing happened"
        return f"without {self.population}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The sums that it is made of."""
        if self.denominator is None:
            return (self.numerator,)
        if self.kind is Kind.QUANTILE:
            return (self.denominator,)
        return (self.numerator, self.denominator)


PARTS: Final[Mapping[str, int]] = {
    "reciprocal_ranks": RECIPROCAL_PARTS,
    "ndcg_sum_5": BILLIONTHS,
    "ndcg_sum_10": BILLIONTHS,
    "ndcg_sum_20": BILLIONTHS,
    "values": VALUE_PARTS,
    "expected_clicks": BILLIONTHS,
}
"""Sums that the views have as integers, in so many parts of 1."""

ARRAYS: Final = frozenset({"dwells_ms"})
"""Columns that have several values of one search."""

_WITH_RESULTS: Final = "searches with results"
_WITH_POSITION: Final = "searches with a click on a listed result"

METRICS: Final[Sequence[Metric]] = (
    Metric("sessions", Kind.COUNT, "searches", "searches", "sessions", unit="searches"),
    Metric("users", Kind.COUNT, "distinct user_id", "searches with a user_id", "users",
           unit="users"),
    Metric("impressions", Kind.COUNT, "results shown", "searches", "impressions",
           unit="results", sources=SHOWN),
    Metric("clicks", Kind.COUNT, "events of event_type", "searches", "clicks", unit="events"),
    Metric("clicked_impressions", Kind.COUNT, "results clicked, each once a search",
           "results shown", "clicked_impressions", unit="results", sources=SHOWN),
    Metric("events", Kind.COUNT, "events of any type", "searches", "events", unit="events"),
    Metric("unlisted_events", Kind.COUNT, "events on objects that their search never listed",
           "events", "unlisted_events", unit="events"),
    Metric("unlisted_clicks", Kind.COUNT, "clicks on objects that their search never listed",
           "clicks", "unlisted_clicks", unit="events"),
    Metric("session_ctr", Kind.RATE, "searches with a click / searches", "searches",
           "sessions_with_click", "sessions"),
    Metric("position_ctr", Kind.RATE, "results clicked / results shown", "results shown",
           "clicked_impressions", "impressions", sources=SHOWN),
    Metric("clicks_per_search", Kind.MEAN, "clicks / searches", "searches", "clicks", "sessions",
           unit="events", edges=NUMBERS),
    Metric("results_per_search", Kind.MEAN, "results shown / searches", "searches", "impressions",
           "sessions", unit="results", edges=NUMBERS),
    Metric("click_share", Kind.DISTRIBUTION,
           "results clicked at a position / results clicked at any", "results clicked",
           "clicked_impressions", "all_clicked_impressions", sources=AT_POSITION),
    Metric("mean_first_click_position", Kind.MEAN,
           "sum of the smallest clicked positions / searches that have one", _WITH_POSITION,
           "first_click_positions", "sessions_with_position", unit="positions", edges=NUMBERS),
    Metric("mean_reciprocal_rank", Kind.MEAN,
           "sum of 1 / smallest clicked position / searches; without one, a search adds 0",
           "searches", "reciprocal_ranks", "sessions"),
    *(
        Metric(f"ndcg_{depth}", Kind.MEAN,
               f"mean nDCG@{depth} of the list that was shown, a clicked result having gain 1 and "
               "all others 0", _WITH_POSITION, f"ndcg_sum_{depth}", "sessions_with_position")
        for depth in (5, 10, 20)
    ),
    Metric("zero_result_rate", Kind.RATE, "searches whose list was empty / searches", "searches",
           "zero_result_sessions", "sessions"),
    Metric("no_click_rate", Kind.RATE, "searches with results and without a click / searches with "
           "results", _WITH_RESULTS, "sessions_without_click", "sessions_with_results"),
    Metric("abandonment_rate", Kind.RATE, "searches with results and without an event of any type "
           "/ searches with results", _WITH_RESULTS, "abandoned_sessions", "sessions_with_results"),
    Metric("time_to_first_click_ms", Kind.QUANTILE,
           "created_at of the first click less created_at of its search; searches whose first "
           "click is before the search count in early_click_sessions instead",
           "searches with a click at or after the search", "first_click_ms",
           "sessions_with_first_click", unit="milliseconds", edges=TIMES),
    Metric("dwell_ms", Kind.QUANTILE, "time from a click to what the user does next: the next "
           "event of the search on another object, or the user's next search, whichever is first; "
           "at most 30 minutes",
           "clicks that such a thing follows", "dwells_ms", "clicks_with_dwell",
           unit="milliseconds", sources=INTENT, edges=TIMES),
    Metric("clicks_without_dwell", Kind.COUNT, "clicks that nothing follows within 30 minutes",
           "clicks", "clicks_without_dwell", unit="events", sources=INTENT),
    Metric("clicks_after_next_search", Kind.COUNT, "clicks later than the user's next search, and "
           "on the last object of their own: two windows, or clocks differ", "clicks",
           "clicks_after_next_search", unit="events", sources=INTENT),
    Metric("early_click_sessions", Kind.COUNT, "searches whose first click is before the search: "
           "clocks differ", "searches with a click", "sessions_with_early_click", unit="searches"),
    Metric("conversion_rate", Kind.RATE, "searches with an event of event_type / searches",
           "searches", "sessions_with_click", "sessions"),
    Metric("click_to_conversion_rate", Kind.RATE, "searches with an event of type click and one of "
           "event_type / searches with an event of type click",
           "searches with an event of type click", "clicked_and_converted_sessions",
           "clicked_sessions"),
    Metric("value_per_event", Kind.MEAN, "sum of CLICKSTREAM_EVENT_VALUE of events of event_type / "
           "such events that have one", "events of event_type with a value", "values",
           "events_with_value", unit="as sent"),
    Metric("value_per_search", Kind.MEAN, "sum of CLICKSTREAM_EVENT_VALUE of events of event_type "
           "/ searches", "searches", "values", "sessions", unit="as sent"),
    Metric("intents", Kind.COUNT, "searches that no next one of the same typing run follows",
           "searches", "intents", unit="typing runs", sources=INTENT),
    Metric("searches_per_intent", Kind.MEAN, "searches / typing runs", "typing runs", "sessions",
           "intents", unit="searches", sources=INTENT),
    Metric("intent_ctr", Kind.RATE, "typing runs whose last search has a click / typing runs",
           "typing runs", "intents_with_click", "intents", sources=INTENT),
    Metric("intent_zero_result_rate", Kind.RATE,
           "typing runs whose last search has an empty list / typing runs", "typing runs",
           "zero_result_intents", "intents", sources=INTENT),
    Metric("reformulation_rate", Kind.RATE, "searches that the same user typed on within 30 "
           "seconds / searches with a user_id", "searches with a user_id", "reformulated_sessions",
           "sessions_with_user", sources=INTENT),
    Metric("examination_rate", Kind.RATE, "clicked lists whose lowest click is at the position or "
           "further down / clicked lists that reach the position",
           "clicked lists that reach the position", "lists_examined", "clicked_lists",
           sources=AT_POSITION),
    Metric("position_adjusted_ctr", Kind.MEAN, "times an object was clicked / clicks that results "
           "at its positions get on average (COEC); 1 is as expected",
           "expected clicks", "clicked_impressions", "expected_clicks", sources=OF_OBJECT),
    Metric("unjoined_events", Kind.NOW, "events that wait for their session, of any time", "events",
           "unjoined_events", unit="events", sources=OF_NOW),
    Metric("oldest_unjoined_seconds", Kind.NOW, "time since the oldest of these was received",
           "events that wait", "oldest_unjoined_seconds", unit="seconds", sources=OF_NOW),
    Metric("dead_letters", Kind.NOW, "records that were refused and are stored, of any time",
           "records",
           "dead_letters", unit="records", sources=OF_NOW),
    Metric("freshness_seconds", Kind.NOW, "time since a worker last noted that the numbers are "
           "whole (as_of); nothing is noted where nothing is posted", "a worker that has noted it",
           "freshness_seconds", unit="seconds", sources=OF_NOW),
)  # fmt: skip

BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in METRICS}


class Granularity(StrEnum):
    """How long the steps of a series are."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


SEARCH_QUERY: Final = "search_query"
USER_ID: Final = "user_id"
SORT_FIELD: Final = "sort_field"
EVENT_TYPE: Final = "event_type"
POSITION: Final = "position"
OBJECT_ID: Final = "object_id"

SESSION_DIMENSIONS: Final = (SEARCH_QUERY, USER_ID, SORT_FIELD, EVENT_TYPE)
FILTERS: Final = ("query", "query_prefix", "query_regex", "user", "sort_field", "event_type")

_ONLY_BY: Final[Mapping[Source, str]] = {Source.POSITIONS: POSITION, Source.OBJECTS: OBJECT_ID}


def dimensions_of(metric: Metric) -> tuple[str, ...]:
    """Names by which it may be grouped, besides declared paths and time."""
    if metric.sources == AT_POSITION:
        return (POSITION, *SESSION_DIMENSIONS)
    if metric.sources == OF_NOW:
        return ()
    if metric.sources == OF_OBJECT:
        return (OBJECT_ID, *SESSION_DIMENSIONS)
    return (*SESSION_DIMENSIONS, *(_ONLY_BY[s] for s in metric.sources if s in _ONLY_BY))


def is_of_shown(metric: Metric) -> bool:
    """Whether it counts results, which declared paths of their metas tell apart."""
    return any(source in _ONLY_BY for source in metric.sources)


def paths_of(metric: Metric, declared: Sequence[str]) -> list[str]:
    """The declared paths by which it may be grouped."""
    if metric.sources == OF_NOW:
        return []
    return [path for path in declared if is_of_shown(metric) or not is_of_results(path)]


def source_of(metrics: Sequence[Metric], by: Sequence[str]) -> Source | None:
    """The one view that has all of these, grouped so; None when there is none."""
    wanted = next((source for source, name in _ONLY_BY.items() if name in by), None)
    if wanted is None and any(map(is_of_results, by)):
        wanted = Source.OBJECTS
    if wanted is None:
        candidates: tuple[Source, ...] = SESSION
    elif POSITION in by and OBJECT_ID in by:
        return None
    else:
        candidates = (wanted,)
    return next(
        (each for each in candidates if all(each in metric.sources for metric in metrics)), None
    )
