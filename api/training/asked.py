"""The parameters of a request → what it asks, as a FastAPI dependency. Raises InvalidRequest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query

from api.metrics.question import Filters
from api.metrics.route_parameters import EventType
from api.queries import CLICK
from api.selection import SelectionParam
from api.training.formats import TrainingFormat
from api.training.parameters import (
    FeaturesParam,
    SharesParam,
    TitleParam,
    parse_features,
    parse_path,
    parse_shares,
)
from api.training.question import Lists, Split, SplitBy

FormatParam = Annotated[
    TrainingFormat,
    Query(
        description="parquet and csv are the long table; libsvm has qid; lightgbm goes "
        "with lightgbm_query and lightgbm_position; qrels and run are TREC's, each list a "
        "query; triples and conversations are lines of JSON; clax goes with clax_pairs; "
        "account says what is in the files and what is not"
    ),
]
SplitParam = Annotated[Split, Query(description="Only this part")]
SplitByParam = Annotated[
    SplitBy,
    Query(description="time: the latest lists are for testing; user, query: all of one"),
]


@dataclass(frozen=True, slots=True)
class AskedFile:
    """Which lists, and how they are written."""

    lists: Lists
    format: TrainingFormat


def asked_file(selected: Any, variant_field: str) -> Callable[..., Awaitable[AskedFile]]:
    """`selected`: the dependency of the filters."""

    async def asked(
        selection: SelectionParam,
        filters: Filters = selected,
        format: FormatParam = TrainingFormat.PARQUET,
        event_type: EventType = CLICK,
        features: FeaturesParam = "",
        title: TitleParam = "",
        split: SplitParam = Split.ALL,
        split_by: SplitByParam = SplitBy.TIME,
        shares: SharesParam = "80,10",
    ) -> AskedFile:
        times = selection.times()
        lists = Lists(
            times=(int(times["from_ms"]), int(times["to_ms"])),
            relevance=selection.relevance.value,
            event_type=event_type,
            filters=filters,
            features=parse_features(features, format),
            title=parse_path("title", title),
            variant_field=variant_field,
            split_by=split_by,
            split=split,
            shares=parse_shares(shares),
        )
        return AskedFile(lists, format)

    return asked
