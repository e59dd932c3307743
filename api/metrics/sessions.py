"""GET /analytics/sessions and /next_queries: which searches the numbers are made of, and what was
searched for next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Meta, convert

from api.cancellation import while_connected
from api.metrics import examples
from api.metrics.catalogue import BY_NAME, Source
from api.metrics.cursors import Place, beyond, sorted_text
from api.metrics.parameters import check_range, filters_of
from api.metrics.question import Filters, Question
from api.metrics.responses import AsOf, Next, SampleField
from api.metrics.route_parameters import Cursor, EventType, Format, FormatParam, Limit, OneOf
from api.metrics.routes import csv_response, docs_of, json_response, range_of
from api.metrics.runner import Runner
from api.metrics.sample import AUTOMATIC, sample_of
from api.metrics.sql import Statement, conditions, rows_of
from api.queries import CLICK
from api.responses import Count, Milliseconds, Range
from api.selection import Relevance, Selection, SelectionParam
from api.store import Value
from core.settings import Settings
from core.user_ids import UserIds

T = TypeVar("T", bound=msgspec.Struct)


class Outcome(StrEnum):
    """What came of a search."""

    NO_RESULT = "no_result"
    NO_CLICK = "no_click"
    CLICK = "click"


_CONDITIONS: Final = {
    Outcome.NO_RESULT: "zero_result_sessions = 1",
    Outcome.NO_CLICK: "sessions_without_click = 1",
    Outcome.CLICK: "sessions_with_click = 1",
}


class SessionSummary(msgspec.Struct, frozen=True):
    """One search in numbers; GET /session has all of it."""

    session_id: str
    created_at: Milliseconds
    search_query: str
    user_id: str | None
    results: Annotated[Count, Meta(description="How many were shown")]
    clicks: Count
    events: Count
    first_click_position: Annotated[
        int | None, Meta(description="The smallest one clicked; null: none")
    ]
    is_irrelevant: bool


class Sessions(msgspec.Struct, frozen=True):
    """Searches, the latest first."""

    range: Range
    as_of: AsOf
    sessions: list[SessionSummary]
    next: Next


class NextQuery(msgspec.Struct, frozen=True):
    """Two texts of which one was searched for after the other."""

    search_query: Annotated[str, Meta(description="In lower case, without white space around it")]
    next_query: Annotated[str, Meta(description="The same user's next search")]
    sessions: Annotated[Count, Meta(description="How often")]
    users: Count
    reformulated_sessions: Annotated[
        Count, Meta(description="Of these, in one typing run: docs/metrics.md")
    ]
    zero_result_sessions: Annotated[Count, Meta(description="Of these, the first found nothing")]


class PlacedPair(NextQuery, frozen=True):
    """What is selected of a pair."""

    place: str


class NextQueries(msgspec.Struct, frozen=True):
    """Pairs of texts, the most frequent first."""

    range: Range
    as_of: AsOf
    queries: list[NextQuery]
    next: Next
    sample: SampleField


def add_session_routes(router: APIRouter, runner: Runner, settings: Settings) -> None:
    """The two routes, with the filters of every question."""
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))

    @router.get("/sessions", summary="Searches", responses=docs_of(Sessions, examples.SESSIONS))
    async def analytics_sessions(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventType = CLICK,
        outcome: Annotated[
            Outcome | None,
            Query(description="no_result; no_click: with results, and never a click; click"),
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = "",
        format: FormatParam = Format.JSON,
    ) -> Response:
        question = _question(selection, filters, event_type, limit, outcome or "sessions")
        question = question.on_page(cursor)

        async def respond() -> Response:
            as_of = await runner.as_of()
            asked = sessions_statement(question, outcome)
            rows, next = _page(question, await runner.rows(asked, SessionSummary), _of_session)
            if format is Format.CSV:
                return _csv(rows, SessionSummary, next)
            return json_response(Sessions(range_of(selection, question), as_of, rows, next))

        return await while_connected(request, respond())

    @router.get(
        "/next_queries",
        summary="What was searched for next",
        responses=docs_of(NextQueries, examples.NEXT_QUERIES),
    )
    async def analytics_next_queries(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        within_seconds: Annotated[
            int, Query(ge=1, le=86_400, description="Longest time between the two searches")
        ] = 300,
        next_query: Annotated[
            str | None,
            Query(max_length=2_000, description="Only pairs with this text as the second one"),
        ] = None,
        one_of: OneOf = AUTOMATIC,
        limit: Limit = 50,
        cursor: Cursor = "",
        format: FormatParam = Format.JSON,
    ) -> Response:
        question = _question(selection, filters, CLICK, limit, f"{within_seconds} {next_query}")
        question = replace(question, source=Source.INTENTS, one_of=one_of)
        question = question.on_page(cursor)

        async def respond() -> Response:
            as_of = await runner.as_of()
            sampled = await runner.sampled(question)
            asked = next_queries_statement(sampled, within_seconds, next_query)
            found, next = _page(question, await runner.rows(asked, PlacedPair), _of_pair)
            rows = [convert(each, NextQuery, from_attributes=True) for each in found]
            if format is Format.CSV:
                return _csv(rows, NextQuery, next)
            over = range_of(selection, question)
            sample = sample_of(sampled.source, sampled.one_of)
            return json_response(NextQueries(over, as_of, rows, next, sample))

        return await while_connected(request, respond())


def sessions_statement(question: Question, outcome: Outcome | None) -> Statement:
    """One row per session, as `SessionSummary` has it."""
    values = _values(question)
    where = [
        *conditions(question.filters, values),
        *([] if outcome is None else [_CONDITIONS[outcome]]),
    ]
    if (after := question.after) is not None:
        values["after_time"], values["after_text"] = after.time or 0, after.text.encode().hex()
        where.append(
            "(-toUnixTimestamp64Milli(every.created_at), session_id)"
            " > (-{after_time:Int64}, unhex({after_text:String}))"
        )
    selected = []
    for name, is_irrelevant in ((Relevance.EXCLUDE, "false"), (Relevance.ONLY, "true")):
        if question.relevance in (name, Relevance.INCLUDE):
            # All results are told of, whichever the filters are for.
            whole = rows_of(replace(question, filters=Filters()), values)
            of = whole.replace("{relevance:String}", f"'{name.value}'")
            selected.append(f"SELECT *, {is_irrelevant} AS is_irrelevant FROM {of}")  # noqa: S608
    return Statement(
        f"""
SELECT
    session_id, toUnixTimestamp64Milli(created_at) AS created_at, search_query, user_id,
    impressions AS results, clicks, events,
    nullIf(first_click_positions, 0) AS first_click_position, is_irrelevant
FROM ({" UNION ALL ".join(selected)}) AS every
WHERE {" AND ".join(["1", *where])}
ORDER BY every.created_at DESC, session_id
LIMIT {{limit:UInt32}}
""",  # noqa: S608 - fragments of ours
        values,
    )


def next_queries_statement(
    question: Question, within_seconds: int, next_query: str | None
) -> Statement:
    """One row per pair, as `PlacedPair` has it."""
    values = _values(question)
    values["within_ms"] = within_seconds * 1000
    filters = question.filters
    where = conditions(replace(filters, query=None), values)
    for name, text in (("this_text", filters.query), ("next_text", next_query)):
        if text is not None:
            values[name] = text
            where.append(f"{name} = lowerUTF8(trimBoth({{{name}:String}}))")
    after = question.after
    behind = "1" if after is None else beyond(after, values, descending=True)
    return Statement(
        f"""
SELECT
    this_text AS search_query, next_text AS next_query, rank AS sessions, users,
    reformulated AS reformulated_sessions, without_result AS zero_result_sessions, place
FROM
(
SELECT
    this_text, next_text, count() AS rank, uniqExact(user_hash) AS users,
    sum(reformulated_sessions) AS reformulated, sum(zero_result_sessions) AS without_result,
    {sorted_text(("this_text", "next_text"))} AS place
FROM {rows_of(question, values)} AS pairs
WHERE user_hash != 0 AND next_ms - this_ms BETWEEN 0 AND {{within_ms:Int64}}
    AND next_text != '' AND next_text != this_text AND {" AND ".join(["1", *where])}
GROUP BY this_text, next_text
)
WHERE {behind}
ORDER BY rank DESC, place
LIMIT {{limit:UInt32}}
""",  # noqa: S608 - fragments of ours
        values,
    )


def _question(
    selection: Selection, filters: Filters, event_type: str, limit: int, cursor_of: str
) -> Question:
    """`cursor_of`: what else a cursor belongs to."""
    return Question(
        metrics=[BY_NAME["sessions"]],
        source=Source.SESSIONS,
        times=check_range(selection, None, compares=False),
        relevance=selection.relevance.value,
        event_types=[event_type],
        filters=filters,
        limit=limit,
        more_columns=(cursor_of,),
    )


def _page(
    question: Question, rows: list[T], place_of: Callable[[T], Place]
) -> tuple[list[T], str | None]:
    """The rows of the page, and the cursor of the following one. One row more was asked for."""
    page = rows[: question.limit]
    has_more = len(rows) > question.limit
    return page, question.cursor_behind(place_of(page[-1])) if has_more else None


def _of_session(row: SessionSummary) -> Place:
    return Place(row.created_at, None, row.session_id)


def _of_pair(row: PlacedPair) -> Place:
    return Place(None, float(row.sessions), row.place)


def _csv(rows: Sequence[msgspec.Struct], shape: type[msgspec.Struct], next: str | None) -> Response:
    return csv_response(
        [msgspec.structs.asdict(row) for row in rows], shape.__struct_fields__, next
    )


def _values(question: Question) -> dict[str, Value]:
    return {
        "from_ms": question.times[0],
        "to_ms": question.times[1],
        "relevance": question.relevance,
        "one_of": question.one_of,
        "limit": question.limit + 1,
    }
