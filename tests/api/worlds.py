"""Small random worlds: few ids, few texts, few moments, so that everything meets everything."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.api.reference import Asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World

MIDNIGHT_MS = NOON_MS + DAY_MS // 2
MOMENTS = st.sampled_from(
    [NOON_MS, NOON_MS + 1, MIDNIGHT_MS - 1, MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS]
)
RESULTS = st.lists(st.sampled_from("abcd"), unique=True, max_size=4).map(
    lambda ids: tuple((object_id, None, None) for object_id in ids)
)
OFFSETS = st.integers(0, 100)


@st.composite
def searches(draw: st.DrawFn, session_id: str) -> tuple[Search, ...]:
    """A session, and perhaps a second post of it with other content, which must not count."""
    first = Search(
        session_id,
        draw(st.sampled_from(["shoes", "Shoes", "boots", ""])),
        draw(RESULTS),
        created_at=draw(MOMENTS),
        user_id=draw(st.sampled_from([None, "ann", "bob"])),
        overflow=draw(st.booleans()),
        offset=draw(OFFSETS),
    )
    if draw(st.booleans()):
        return (first,)
    later = replace(first, query="second post", results=(), offset=first.offset + 1)
    return (first, later) if draw(st.booleans()) else (later, first)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    posted = [draw(searches(f"s{n}")) for n in range(draw(st.integers(0, 5)))]
    kept = [min(posts, key=lambda s: s.offset) for posts in posted]
    events = tuple(
        Event(
            search,
            draw(st.sampled_from(["e1", "e2", "e3"])),
            draw(st.sampled_from("abcdx")),
            draw(st.sampled_from(["click", "click", "cart"])),
            offset=number,
        )
        for search in kept
        for number in range(draw(st.integers(0, 4)))
    )
    marks = tuple(
        Mark(search.session_id, draw(st.booleans()), number)
        for search in kept
        for number in range(draw(st.integers(0, 2)))
    )
    ghosts = tuple(Event(Search(f"ghost{n}"), "e") for n in range(draw(st.integers(0, 2))))
    adopted = events[: draw(st.integers(0, 2))]
    return World(tuple(s for posts in posted for s in posts), events, marks, ghosts + adopted)


def asked() -> st.SearchStrategy[Asked]:
    return st.builds(
        Asked,
        from_ms=st.none() | MOMENTS,
        to_ms=st.none() | st.just(MIDNIGHT_MS + 2 * DAY_MS),
        relevance=st.sampled_from(["exclude", "include", "only"]),
        event_type=st.sampled_from(["click", "cart"]),
    ) | st.builds(Asked, to_ms=MOMENTS)
