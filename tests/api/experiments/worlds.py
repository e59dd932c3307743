"""Small random worlds of experiments: few users and variants, so that all meet each other."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import strategies as st

from tests.api.stored import Event, Search, World
from tests.api.worlds import worlds as plain_worlds

VARIANTS = st.sampled_from(["A", "B", "C"])
# Not all of them name a variant.
METAS = st.one_of(
    st.none(),
    VARIANTS.map(lambda name: {"variant": name}),
    VARIANTS.map(lambda name: {"variant": name, "ui": "new", "nested": {"variant": "D"}}),
    st.sampled_from([{"variant": ""}, {"variant": None}, {"Variant": "A"}, {"ui": "A"}]),
)
TEAMS = st.sampled_from([None, "x", "x", "y", "y", "z"])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds of other tests, whose searches took part in something."""
    world = draw(plain_worlds())
    changed: dict[Search, Search] = {}
    for search in world.searches:
        meta = draw(METAS)
        teams = draw(st.lists(TEAMS, min_size=len(search.results), max_size=len(search.results)))
        results = tuple(
            (object_id, rank, None if team is None else json.dumps({"team": team, "score": 1}))
            for (object_id, rank, _), team in zip(search.results, teams, strict=True)
        )
        text = None if meta is None else json.dumps(meta, separators=(",", ":"))
        changed[search] = replace(search, search_meta=text, results=results)

    def of(event: Event) -> Event:
        return replace(event, search=changed.get(event.search, event.search))

    return replace(
        world,
        searches=tuple(changed[search] for search in world.searches),
        events=tuple(map(of, world.events)),
        unjoined=tuple(map(of, world.unjoined)),
    )
