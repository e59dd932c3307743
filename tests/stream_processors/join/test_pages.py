"""The pages of one search (docs/decisions/0024-pages-of-one-search.md).

A list that is posted once it is complete gives clicks on every page their position; pages that are
posted one by one do not.
"""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.stream_processors.flushing import World
from tests.stream_processors.memory_sink import clean_up
from tests.stream_processors.records import event, session

PAGES = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def shown_of(pages: list[int]) -> list[list[str]]:
    """The objects of each page."""
    return [[f"o{page}-{place}" for place in range(count)] for page, count in enumerate(pages)]


@given(pages=PAGES, seed=st.integers(0, 2**32))
def test_a_list_that_is_posted_once_it_is_complete_gives_every_click_its_true_position(
    pages: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    whole = [object_id for page in shown_of(pages) for object_id in page]
    clicked = chance.choices([*whole, "elsewhere"], k=12)
    records = [event("s", f"e{number}", object_id) for number, object_id in enumerate(clicked)]
    # Whenever the list comes: before all clicks, after all, or between any two.
    records.insert(chance.randrange(len(records) + 1), session("s", whole))
    world = World(index_bytes=chance.choice([0, 10_000_000]))
    while records:
        size = chance.randrange(1, len(records) + 1)
        world.post_together(records[:size])
        records = records[size:]
        if chance.random() < 0.3:
            world.restart()
    clean_up(world.sink)
    assert not world.unjoined()
    positions = {event_id: row["position"] for (_, event_id), row in world.events().items()}
    assert positions == {
        f"e{number}": whole.index(object_id) + 1 if object_id in whole else 0
        for number, object_id in enumerate(clicked)
    }


@given(pages=st.lists(st.integers(1, 5), min_size=2, max_size=4), seed=st.integers(0, 2**32))
def test_of_pages_that_are_posted_under_one_id_the_first_post_is_the_list(
    pages: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    shown = shown_of(pages)
    posts = chance.sample(shown, len(shown))
    clicks = [event("s", f"e-{object_id}", object_id) for page in shown for object_id in page]
    world = World()
    for page in posts:
        world.post(session("s", page))
    world.post_together(chance.sample(clicks, len(clicks)))
    assert list(world.sessions()["s"]["search_results.object_id"]) == posts[0]
    for (_, event_id), row in world.events().items():
        object_id = event_id.removeprefix("e-")
        assert row["position"] == (posts[0].index(object_id) + 1 if object_id in posts[0] else 0)
