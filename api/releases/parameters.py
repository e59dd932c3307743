"""The body of POST /releases. What is wrong is an InvalidRequest that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.releases.manifest import Order, check_name
from api.selection import FROM_DESCRIPTION, TO_DESCRIPTION, parse_times
from api.training.formats import TrainingFormat
from api.training.parameters import parse_features
from api.training.question import SplitBy
from core.errors import FieldError, InvalidRequest

T = TypeVar("T")

_Text = Annotated[str | None, Field(max_length=2_000)]


class NewRelease(BaseModel):
    """A release that is to be made."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    name: str = Field(description="Lower-case letters, digits, '.', '_' and '-', at most 64")
    start: str | int = Field("", alias="from", description=FROM_DESCRIPTION)
    end: str | int = Field("", alias="to", description=TO_DESCRIPTION)
    query: _Text = Field(None, description="Only searches for exactly this text")
    query_prefix: str | None = Field(None, max_length=1_000)
    query_regex: str | None = Field(
        None, max_length=200, description="Only texts in which this is found (RE2 syntax)"
    )
    sort_field: str | None = Field(None, max_length=512)
    dimensions: dict[str, str] = Field(
        {}, max_length=16, description="Declared path and value, such as search_meta.device: phone"
    )
    training: bool = Field(False, description="Whether to add the long table of lists")
    judgments: bool = Field(False, description="Whether to add judgments and propensities")
    event_type: str = Field("click", min_length=1, max_length=512)
    features: list[str] = Field(
        [], max_length=200, description="Of the long table: rank, or paths such as meta.price"
    )
    split_by: SplitBy = Field(
        SplitBy.TIME,
        description="Of the long table: time (the latest lists are for testing), or all lists of a "
        "user, or of a query, in one part",
    )


def order_of(asked: NewRelease, declared: Sequence[str]) -> Order:
    """Raises InvalidRequest."""
    check_name("$.name", asked.name)
    from_ms, to_ms = _fields(lambda: parse_times(str(asked.start), str(asked.end)))
    if asked.query_regex is not None:
        try:
            re.compile(asked.query_regex)
        except re.error as error:
            raise _refusal("query_regex", f"is no regular expression: {error}") from None
    _check_dimensions(asked.dimensions, declared)
    _fields(lambda: parse_features(",".join(asked.features), TrainingFormat.PARQUET))
    return Order(
        from_ms=from_ms,
        to_ms=to_ms,
        query=asked.query,
        query_prefix=asked.query_prefix,
        query_regex=asked.query_regex,
        sort_field=asked.sort_field,
        dimensions=asked.dimensions,
        with_training=asked.training,
        with_judgments=asked.judgments,
        event_type=asked.event_type,
        features=tuple(name.strip() for name in asked.features),
        split_by=asked.split_by,
    )


def _fields(parse: Callable[[], T]) -> T:
    """What parses query parameters, for fields of a body of the same names."""
    try:
        return parse()
    except InvalidRequest as error:
        found = [
            FieldError(each.path.replace("query.", "$.", 1), each.message) for each in error.errors
        ]
        raise InvalidRequest(found) from None


def _check_dimensions(dimensions: Mapping[str, str], declared: Sequence[str]) -> None:
    for path, value in dimensions.items():
        if path not in declared:
            known = ", ".join(declared) or "none"
            raise _refusal(
                f"dimensions.{path[:64]}", f"is not in CLICKSTREAM_DIMENSIONS: there are {known}"
            )
        if len(value.encode()) > 128:
            raise _refusal(f"dimensions.{path}", "has more than 128 bytes")


def _refusal(field: str, message: str) -> InvalidRequest:
    return InvalidRequest([FieldError(f"$.{field}", message)])
