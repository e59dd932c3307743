"""The query parameters of exports, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import Header, Query

from api.compression import Compression
from api.covered import Covered
from api.metrics.question import Filters
from api.selection import SelectionParam
from api.tables import BY_NAME, TableFormat
from api.watermark import WATERMARK_HEADER, Watermarks, write_token

# Two of them fit into a URL with everything else: 200 partitions.
_LONGEST_TOKEN: Final = 3_500
_REFUSED: Final = re.compile(r"q=0(\.0*)?")


class ExportFormat(StrEnum):
    """The formats of an export."""

    NDJSON = "ndjson"
    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"


TABLES: Final[dict[ExportFormat, TableFormat]] = {
    format: BY_NAME[format.value] for format in ExportFormat if format is not ExportFormat.NDJSON
}

FormatParam = Annotated[
    ExportFormat | None, Query(description="Overrides the Accept header; ndjson without either")
]
TableParam = Annotated[
    ExportFormat, Query(description="parquet, arrow or csv; in ndjson, events are part of sessions")
]
AcceptHeader = Annotated[str, Header(alias="accept", include_in_schema=False)]
WithEvents = Annotated[
    bool | None,
    Query(description="Whether each line of ndjson contains the events; true by default"),
]
BehindParam = Annotated[
    str,
    Query(
        max_length=512,
        description="Of ndjson at a watermark: only the lines behind this session_id, to go on "
        "with an export that was cut off",
    ),
]
AfterParam = Annotated[
    str,
    Query(
        max_length=_LONGEST_TOKEN,
        description=f"Only what came, or was marked, since the export with this {WATERMARK_HEADER};"
        " 0 is before everything",
    ),
]
UntilParam = Annotated[
    str,
    Query(
        max_length=_LONGEST_TOKEN,
        description=f"Only what came before this {WATERMARK_HEADER}, in the same order each time",
    ),
]
CompressionParam = Annotated[
    Compression, Query(description="Of ndjson and csv: the body is a file of this kind")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """The sessions that an export covers, and the watermark that its answer names."""

    covered: Covered
    watermark: str


def asked_of(watermarks: Watermarks, selected: Any) -> Callable[..., Awaitable[Asked]]:
    """A FastAPI dependency. `selected`: that of the filters."""

    async def asked(
        selection: SelectionParam,
        filters: Filters = selected,
        received_after: AfterParam = "",
        received_until: UntilParam = "",
    ) -> Asked:
        cut, reached = await watermarks.cut(received_after, received_until)
        return Asked(Covered(selection, cut, filters), write_token(reached))

    return asked


def format_of_header(accept: str) -> ExportFormat:
    """The first of our media types that the header allows. Weights (`q=`) are ignored, but for 0,
    which refuses (RFC 9110, 12.4.2)."""
    for named in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in named.split(";"))
        if any(_REFUSED.fullmatch(parameter) for parameter in parameters):
            continue
        for format, as_table in TABLES.items():
            if media_type == as_table.media_type.partition(";")[0]:
                return format
    return ExportFormat.NDJSON
