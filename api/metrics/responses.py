"""The JSON bodies of the answers, with the descriptions that OpenAPI shows, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from api.metrics.answer import Row, column_names
from api.metrics.catalogue import BY_NAME, METRICS, Source
from api.metrics.question import Question
from api.metrics.sample import Sample
from api.responses import Range, Rate

AsOf = Annotated[
    int | None,
    Meta(
        description="When a worker last noted that the numbers are whole, in milliseconds since "
        "the epoch; null before any has"
    ),
]
Rows = Annotated[
    list[dict[str, str | int | float | None]],
    Meta(
        description="Each has the dimensions of its group, and the value of each metric with its "
        "numerator and denominator under their own names; of a rate, Wilson's interval of 95 % as "
        "…_low and …_high. null: nothing to divide by; 0: nothing happened"
    ),
]
Next = Annotated[
    str | None, Meta(description="`cursor` of the next page; null when this is the last one")
]

SampleField = Annotated[
    Sample | None, Meta(description="What the numbers are of; null: of all that was selected")
]


class Answer(msgspec.Struct, frozen=True):
    """The groups of a question, in order."""

    range: Range
    as_of: AsOf
    rows: Rows
    next: Next
    sample: SampleField


class Queries(msgspec.Struct, frozen=True):
    """Queries in the requested order."""

    range: Range
    as_of: AsOf
    min_sessions: Annotated[int, Meta(description="Queries with fewer sessions are omitted")]
    queries: Rows
    next: Next


class Positions(msgspec.Struct, frozen=True):
    """The positions of the list, from the top."""

    range: Range
    as_of: AsOf
    positions: Rows
    sample: SampleField


class Objects(msgspec.Struct, frozen=True):
    """Objects in the requested order."""

    range: Range
    as_of: AsOf
    objects: Rows
    next: Next
    sample: SampleField


class Step(msgspec.Struct, frozen=True):
    """One step of a funnel."""

    step: Annotated[str, Meta(description="search, or a type of event")]
    sessions: Annotated[int, Meta(description="Searches with this step and all before it")]
    rate: Rate
    rate_low: Rate
    rate_high: Rate
    of_previous: Annotated[Rate, Meta(description="Share of those with the step before")]


STEP_NAMES: Final = Step.__struct_fields__


class Funnel(msgspec.Struct, frozen=True):
    """How many searches came how far."""

    range: Range
    as_of: AsOf
    steps: list[Step]


class MetricDescription(msgspec.Struct, frozen=True):
    """One metric of the catalogue."""

    name: str
    kind: Annotated[str, Meta(description="count, rate, mean, quantile, distribution or now")]
    formula: str
    population: Annotated[str, Meta(description="What it is about: the denominator in words")]
    unit: str
    null: Annotated[str, Meta(description="When it has no value")]
    dimensions: Annotated[list[str], Meta(description="What `by` may name")]
    filters: Annotated[list[str], Meta(description="Parameters that narrow the sessions")]
    source: Annotated[list[str], Meta(description="Views that have its columns")]
    numerator: Annotated[str, Meta(description="Column that is summed up")]
    denominator: str | None


class Catalogue(msgspec.Struct, frozen=True):
    """Every metric that can be asked for."""

    metrics: list[MetricDescription]
    declared_dimensions: Annotated[list[str], Meta(description="CLICKSTREAM_DIMENSIONS")]


OVERVIEW_METRICS: Final = tuple(each.name for each in METRICS if Source.SESSIONS in each.sources)

OVERVIEW_QUESTION: Final = Question(
    metrics=[BY_NAME[name] for name in OVERVIEW_METRICS],
    source=Source.SESSIONS,
    times=(0, 1),
    relevance="exclude",
    event_types=["click"],
)
"""Of any range: its rows have the names of an overview."""

_NUMBER: Final = Annotated[float | None, Meta(description="See /analytics/metrics")]

Overview = msgspec.defstruct(
    "Overview",
    [
        ("range", Range),
        ("as_of", AsOf),
        *((name, _NUMBER) for name in column_names(OVERVIEW_QUESTION)),
        ("irrelevant_sessions", Annotated[int, Meta(description="In the range, all marked ones")]),
        ("unjoined_events", Annotated[int, Meta(description="Waiting now, of any time")]),
        ("dead_letters", Annotated[int, Meta(description="Stored now, of any time")]),
    ],
    namespace={
        "__doc__": "The metrics of all selected sessions together, each with its numerator, its "
        "denominator and its interval."
    },
    frozen=True,
)


def csv_text(names: Sequence[str], rows: Sequence[Row]) -> str:
    """RFC 4180: a line of names, then one a row. Nothing is an empty field."""
    written = io.StringIO()
    writer = csv.DictWriter(written, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()
