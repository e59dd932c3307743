"""What a person asks of the month: every ready-made endpoint, and every public view of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TWO_FILTERS: Final = {"search_meta.device": "d0", "search_meta.country": "c3"}
_EXPERIMENT: Final = "experiment"

# Name → path below /analytics, parameters.
ENDPOINTS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "overview": ("overview", {}),
    "overview, the month before": ("overview", {"compare": "previous"}),
    "overview, two filters": ("overview", _TWO_FILTERS),
    "overview of purchases": ("overview", {"event_type": "purchase"}),
    "queries": ("queries", {}),
    "queries, two filters": ("queries", _TWO_FILTERS),
    "queries of purchases": ("queries", {"event_type": "purchase"}),
    "queries: low_ctr": ("queries", {"list": "low_ctr", "min_sessions": "10"}),
    "queries: rising": ("queries", {"list": "rising"}),
    "queries: no_result": ("queries", {"list": "no_result"}),
    "queries: no_click": ("queries", {"list": "no_click"}),
    "positions": ("positions", {}),
    "positions, two filters": ("positions", _TWO_FILTERS),
    "positions of purchases": ("positions", {"event_type": "purchase"}),
    "objects": ("objects", {}),
    "objects: never_clicked": ("objects", {"list": "never_clicked"}),
    "objects, two filters": ("objects", _TWO_FILTERS),
    "funnel": ("funnel", {"steps": "click,add_to_cart,purchase"}),
    "series by day": ("series", {}),
    "series by hour": ("series", {"granularity": "hour"}),
    "typing runs": ("query", {"metric": "intents,intent_ctr,reformulation_rate"}),
    "texts that begin so": (
        "query",
        {"metric": "session_ctr,ndcg_10", "query_prefix": "query about 1"},
    ),
    "by device and country": (
        "query",
        {"metric": "session_ctr,ndcg_10", "by": "search_meta.device,search_meta.country"},
    ),
    "sessions": ("sessions", {}),
    "health": ("health", {}),
    _EXPERIMENT: ("experiment", {"control": "A", "variant_field": "variant"}),
}

_RANGE: Final = "from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}"
_CLICKS: Final = f"{_RANGE}, relevance = 'exclude', event_type = 'click'"
_DAYS: Final = "session_day >= toDate({from_day:UInt32}) AND session_day < toDate({to_day:UInt32})"

# Name → SQL with the four parameters that `parameters_of` makes.
VIEWS: Final[Mapping[str, str]] = {
    "relevant_sessions": f"SELECT session_day, count() FROM relevant_sessions WHERE {_DAYS}"  # noqa: S608 - our own
    " GROUP BY session_day",
    "relevant_events": f"SELECT event_type, count() FROM relevant_events WHERE {_DAYS}"  # noqa: S608
    " GROUP BY event_type",
    "impressions": f"SELECT position, count() FROM impressions WHERE {_DAYS} GROUP BY position",  # noqa: S608
    "session_outcomes": "SELECT count(), sum(clicks), avg(reciprocal_rank) FROM session_outcomes"  # noqa: S608
    f" WHERE {_DAYS}",
    "analytics_daily": f"SELECT * FROM analytics_daily WHERE {_DAYS}",  # noqa: S608
    "analytics_queries": "SELECT search_query, sum(sessions) AS n FROM analytics_queries"  # noqa: S608
    f" WHERE {_DAYS} GROUP BY search_query ORDER BY n DESC LIMIT 20",
    "analytics_positions": "SELECT position, sum(analytics_positions.clicked_impressions)"  # noqa: S608
    f" FROM analytics_positions WHERE {_DAYS} GROUP BY position",
    "session_measures": "SELECT sum(sessions), sum(clicks), sum(ndcg_sum_10)"  # noqa: S608
    f" FROM session_measures({_CLICKS})",
    "session_positions": "SELECT position, sum(lists_ending), sum(at.clicked_impressions)"  # noqa: S608
    f" FROM session_positions({_CLICKS}) AS at GROUP BY position",
    "session_intents": f"SELECT sum(intents) FROM session_intents({_CLICKS})",  # noqa: S608
    "session_objects": "SELECT object_id, count() AS n"  # noqa: S608
    f" FROM session_objects({_CLICKS}) GROUP BY object_id ORDER BY n DESC LIMIT 20",
    "metrics_overview": f"SELECT * FROM metrics_overview({_CLICKS})",  # noqa: S608
    "metrics_queries": f"SELECT * FROM metrics_queries({_CLICKS}) ORDER BY sessions DESC LIMIT 20",  # noqa: S608
    "metrics_positions": f"SELECT * FROM metrics_positions({_CLICKS}, limit = 50)",  # noqa: S608
    "metrics_experiment": "SELECT * FROM metrics_experiment"  # noqa: S608
    f"({_CLICKS}, variant_field = 'variant', outliers = 'keep', most_sessions = 0)",
}

EXPERIMENTS: Final = frozenset({_EXPERIMENT, "metrics_experiment"})
"""They may take longer."""


def is_filtered(name: str) -> bool:
    """Whether it has the two declared filters."""
    return name.endswith("two filters")


def is_of_objects(name: str) -> bool:
    return name.startswith("objects")


def parameters_of(from_ms: int, to_ms: int) -> dict[str, int]:
    """Of the SQL of `VIEWS`. Days are whole."""
    day_ms = 86_400_000
    return {
        "from_ms": from_ms,
        "to_ms": to_ms,
        "from_day": from_ms // day_ms,
        "to_day": to_ms // day_ms,
    }
