"""A question of the catalogue: which metrics, of which sessions, grouped how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from api.metrics.catalogue import Granularity, Metric, Source
from api.metrics.cursors import Place, read_cursor, write_cursor
from core.declared_paths import is_of_results


@dataclass(frozen=True, slots=True)
class Filters:
    """Only sessions for which all of these hold; None: whatever it is."""

    query: str | None = None
    query_prefix: str | None = None
    query_regex: str | None = None
    user: Sequence[str] | None = None
    """The forms in which the user may be stored."""
    sort_field: str | None = None
    declared: Mapping[str, str] = field(default_factory=dict)
    """Declared path → value. Of results' metas: where results are counted, only those for which it
    holds, elsewhere searches that showed one."""

    @property
    def has_paths_of_results(self) -> bool:
        return any(map(is_of_results, self.declared))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which groups, in which order. Both are in SQL of ours, with `{column}` for each sum,
    `{overall}`, `{least}` and `{min_impressions}`."""

    order: str
    having: str = "1"
    ascending: bool = False
    min_impressions: int = 0
    needs_overall: bool = False
    bound: str | None = None
    """Of descending ones: a sum of what is never below 0, with `{column}` for each sum, that is at
    least as large as `order` for every group. None: there is none."""
    least: int = 0
    """`order` is at least that in every group that is told."""
    bounded_by: str | None = None
    """Whether a row adds to `bound`: a condition that few rows meet. None: many do."""


@dataclass(frozen=True, slots=True)
class Question:
    """`source` has the columns of all metrics."""

    metrics: Sequence[Metric]
    source: Source
    times: tuple[int, int]
    """From and to: created_at at or after the first, and before the second, in milliseconds."""
    relevance: str
    event_types: Sequence[str]
    """More than one: the question is grouped by them."""
    by: Sequence[str] = ()
    granularity: Granularity | None = None
    time_zone: str = "UTC"
    filters: Filters = Filters()
    compare_previous: bool = False
    ranking: Ranking | None = None
    min_sessions: int = 1
    """More than 1: `sessions` must be among the columns."""
    positions: int = 50
    """The last position that is told, when grouped by it."""
    limit: int = 100
    after: Place | None = None
    """The last row of the page before; None: this is the first page."""
    more_columns: Sequence[str] = ()
    """Sums that the ranking names, besides those of the metrics."""
    overall: float = 0.0
    """The session_ctr of all sessions together, if the ranking needs it."""

    one_of: int = 1
    """A part of the sessions, or of the users: one in so many. `AUTOMATIC`: as the range asks."""
    buckets: Sequence[int] = ()
    """Only query texts of these buckets; empty: all."""

    @property
    def period_ms(self) -> int:
        """How long the range is."""
        return self.times[1] - self.times[0]

    @property
    def counts_results(self) -> bool:
        """Whether a row is read of each result. Positions are counted by the lengths of lists where
        nothing is asked of single results."""
        if self.source is Source.POSITIONS:
            return self.filters.has_paths_of_results or any(map(is_of_results, self.by))
        return self.source is Source.OBJECTS

    @property
    def is_sampled(self) -> bool:
        """Whether a part of it can be read: one search in so many, or one user in so many."""
        return self.counts_results or self.source is Source.INTENTS

    def on_page(self, cursor: str) -> Question:
        """This question at the page that a cursor names. Raises InvalidRequest for one of another
        question."""
        return replace(self, after=read_cursor(cursor, self._of_all_pages))

    def cursor_behind(self, place: Place) -> str:
        """Of the page that begins behind this row."""
        return write_cursor(self._of_all_pages, place)

    @property
    def _of_all_pages(self) -> Question:
        return replace(self, after=None, limit=0, overall=0.0)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every sum that is needed, once."""
        named = [column for metric in self.metrics for column in metric.columns]
        return tuple(dict.fromkeys([*named, *self.more_columns]))
