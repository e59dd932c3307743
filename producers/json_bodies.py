"""The JSON bodies as they travel: what is decoded, and what the OpenAPI document shows.

Types only. Limits, ranges and emptiness are checked by `producers.validation`, which lists all that
it finds; msgspec stops at the first. Metas stay the exact JSON text that was sent (`msgspec.Raw`).
Fields not named here are refused or ignored by `producers.field_by_field`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from core.ids import ID_BYTES

ABSENT = Raw()
"""The value of a metadata field that was not sent."""

_OBJECT = {"type": ["object", "null"]}

# The limits that are the default ones; said, not checked: `producers.validation_errors` does that.
_ID = {"minLength": 1, "maxLength": ID_BYTES}

Id = Annotated[
    str,
    Meta(
        description="1 to 512 bytes of UTF-8, not blank",
        examples=["sess-123"],
        extra_json_schema=_ID,
    ),
]
Millis = Annotated[
    int | None,
    Meta(description="Milliseconds since the epoch; absent: the time of receipt"),
]
ResultMeta = Annotated[
    Raw, Meta(description="Anything known of this result", extra_json_schema=_OBJECT)
]
EventMeta = Annotated[
    Raw, Meta(description="E.g. rank clicked, time to click", extra_json_schema=_OBJECT)
]
SearchMeta = Annotated[
    Raw, Meta(description="Search execution metadata, e.g. latency", extra_json_schema=_OBJECT)
]
PayloadFilter = Annotated[
    Raw, Meta(description="Payload constraints of the search", extra_json_schema=_OBJECT)
]
SortBy = Annotated[
    Raw,
    Meta(
        description="Sorting criteria of the search; further keys are kept",
        extra_json_schema={
            **_OBJECT,
            "required": ["field"],
            "properties": {
                "field": {"type": "string"},
                "order": {"enum": ["asc", "desc", None]},
            },
        },
    ),
]


class SortOrder(Struct, frozen=True):
    """What `sort_by` must have, if it is sent."""

    field: str
    order: Literal["asc", "desc"] | None = None


class SearchResultItem(Struct, frozen=True, forbid_unknown_fields=True):
    """One result shown; its place in the list is its position."""

    object_id: Annotated[str, Meta(description="What was shown", extra_json_schema=_ID)]
    rank: Annotated[
        float | None, Meta(description="Your own rank or score, as a double: exact up to 2^53")
    ] = None
    meta: ResultMeta = field(default_factory=lambda: ABSENT)


class SessionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A search: the query, and the list that was shown. The first post of a session_id wins."""

    session_id: Id
    search_query: Annotated[
        str,
        Meta(
            description="The query as the user issued it, at most 65,536 characters",
            extra_json_schema={"maxLength": 65_536},
        ),
    ]
    search_results: Annotated[
        list[SearchResultItem],
        Meta(
            description="All that was shown, in that order, at most 10,000: pages of one search "
            "are one list. Empty: a search without results"
        ),
    ]
    search_meta: SearchMeta = field(default_factory=lambda: ABSENT)
    payload_filter: PayloadFilter = field(default_factory=lambda: ABSENT)
    sort_by: SortBy = field(default_factory=lambda: ABSENT)
    user_id: Annotated[
        str | None, Meta(description="Who searched; an id as well: null or absent, but not empty")
    ] = None
    created_at: Millis = None


class EventItem(Struct, frozen=True, forbid_unknown_fields=True):
    """One interaction. The first post of an event_id within its session wins."""

    event_id: Annotated[str, Meta(description="Unique within the session", extra_json_schema=_ID)]
    object_id: Annotated[str, Meta(description="The result interacted with", extra_json_schema=_ID)]
    event_type: Annotated[str | None, Meta(description="`click` when absent")] = None
    created_at: Millis = None
    meta: EventMeta = field(default_factory=lambda: ABSENT)


class EventsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Interactions with one session's results; it may arrive before its session does."""

    session_id: Id
    events: Annotated[
        list[EventItem], Meta(description="1 to 10,000", extra_json_schema={"minItems": 1})
    ]


class MarkBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The session to leave out of analytics and training data."""

    session_id: Id
    irrelevant: Annotated[bool | None, Meta(description="`false` takes the mark back")] = None
    is_irrelevant: Annotated[
        bool | None, Meta(description="The same, by the name that answers use")
    ] = None
