"""Thirty searches of three days, of which two do not count. Their numbers were computed by hand
(`test_by_hand.py`): each line here is short enough to be counted with a finger."""

from __future__ import annotations

from typing import Final

from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World

SOURCE: Final = "search_results.meta.source"
DIMENSIONS: Final = ("search_meta.device", "payload_filter.shop.id", SOURCE)
EVENT_VALUE: Final = "meta.amount"

D1, D2, D3 = NOON_MS, NOON_MS + DAY_MS, NOON_MS + 2 * DAY_MS


def _search(
    number: int,
    at: int,
    query: str,
    results: int,
    user: str | None,
    device: str | None,
    *,
    is_reversed: bool = False,
) -> Search:
    """Results are o1, o2, …; or the same from the last one up. To mobiles, o1, o3, … are shown by
    ourselves, o2, o4, … are ads."""
    metas = ('{"source":"ads"}', '{"source":"own"}') if device == "mobile" else (None, "{}")
    shown = [(f"o{place}", None, metas[place % 2]) for place in range(1, results + 1)]
    return Search(
        f"s{number}",
        query,
        tuple(reversed(shown) if is_reversed else shown),
        created_at=at,
        user_id=user,
        search_meta=None if device is None else f'{{"device":"{device}"}}',
        payload_filter='{"shop":{"id":7}}' if number == 6 else None,
        sort_by='{"field":"price","order":"asc"}' if is_reversed else None,
        offset=number,
    )


ANN = [
    _search(1, D1, "sho", 5, "ann", "mobile"),
    _search(2, D1 + 5_000, "shoe", 5, "ann", "mobile"),
    _search(3, D1 + 12_000, "shoes", 10, "ann", "mobile"),
    _search(4, D1 + 100_000, "shoes", 10, "ann", "mobile"),
    _search(5, D1 + 110_000, "boots", 5, "ann", "mobile"),
]
BOB = [
    _search(6, D1, "boots", 5, "bob", "desktop"),
    _search(7, D1 + 40_000, "boot", 5, "bob", "desktop"),
    _search(8, D1 + 60_000, "Boots ", 0, "bob", "desktop"),
    _search(9, D1 + 70_000, "botos", 0, "bob", "desktop"),
]
CAT = [
    _search(10, D1, "xyzzy", 0, "cat", "desktop"),
    _search(11, D1 + 10_000, "abc", 0, "cat", "desktop"),
    _search(12, D1 + 20_000, "", 12, "cat", "desktop"),
]
NOBODY = [
    _search(13, D1, "shoes", 10, None, None),
    _search(14, D1 + 1_000, "shoes", 10, None, None),
    _search(15, D1 + 1_000, "shoes", 10, None, None),
    _search(16, D1 + 2_000, "hat", 1, None, None),
]
DAN = [
    _search(17, D2, "hat", 1, "dan", "mobile"),
    _search(18, D2 + 20_000, "hats", 2, "dan", "mobile"),
    _search(19, D2 + 3_600_000, "hats", 2, "dan", "mobile"),
    _search(20, D2 + 7_200_000, "hats", 2, "dan", "mobile"),
]
EVE = [
    _search(21, D2, "shoes", 70, "eve", "tablet"),
    _search(22, D2 + 60_000, "shoes", 70, "eve", "tablet"),
    _search(23, D2 + 100_000, "gloves", 3, "eve", "tablet"),
    _search(24, D2 + 200_000, "gloves", 3, "eve", "tablet"),
    _search(25, D2 + 300_000, "gloves", 3, "eve", "tablet"),
]
MARKED = [
    _search(26, D1 + 50_000, "shoes", 10, "ann", "mobile"),
    _search(27, D2, "junk", 0, "fay", None),
    _search(28, D1, "spam", 5, "spammer", "desktop"),
]
GUS = [
    _search(29, D3, "shoes", 10, "gus", None, is_reversed=True),
    _search(30, D3 + 10_000, "shoes red", 10, "gus", None, is_reversed=True),
]
SEARCHES = (*ANN, *BOB, *CAT, *NOBODY, *DAN, *EVE, *MARKED, *GUS)
_BY_NUMBER = {int(search.session_id[1:]): search for search in SEARCHES}


def _event(
    number: int,
    position: int,
    after_ms: int,
    event_type: str = "click",
    amount: str | None = None,
    event_id: str | None = None,
    offset: int = 0,
) -> Event:
    """Position 0: on an object that was not listed."""
    search = _BY_NUMBER[number]
    return Event(
        search,
        event_id or f"{event_type}-{position}-{after_ms}",
        search.results[position - 1][0] if position else "elsewhere",
        event_type,
        created_at=search.created_at + after_ms,
        meta=None if amount is None else f'{{"amount":{amount}}}',
        offset=offset,
    )


EVENTS = (
    _event(3, 1, 3_000, event_id="first"),
    _event(3, 7, 1_000, event_id="first", offset=9),  # posted again: it does not count
    _event(4, 2, 2_000),
    _event(4, 4, 9_000),
    _event(6, 3, 10_000),
    _event(6, 3, 60_000, "purchase", "20.5"),
    _event(7, 1, 1_000),
    _event(12, 12, 5_000, "add_to_cart"),
    _event(13, 10, 4_000),
    _event(14, 0, 1_000),
    _event(16, 1, -500),
    _event(17, 1, 8_000),
    _event(17, 1, 20_000, "purchase", "5"),
    _event(18, 1, 2_000),
    _event(18, 1, 2_500),
    _event(18, 2, 3_000),
    _event(19, 1, 9_000, "purchase"),
    _event(21, 65, 30_000),
    _event(21, 70, 40_000),
    _event(22, 3, 6_000),
    _event(25, 2, 7_000, "add_to_cart", "3.25"),
    _event(26, 1, 1_000),
    _event(28, 1, 1_000, "purchase", "99"),
    _event(29, 2, 2_000),
    _event(30, 1, 1_000),
)
AGAIN = Search("s4", "posted again", (), created_at=D1, offset=99)
MARKS = (Mark("s26"), Mark("s27"), Mark("s27", is_irrelevant=False, offset=1), Mark("s28"))
WORLD = World((*SEARCHES, AGAIN), EVENTS, MARKS, (Event(Search("never came"), "e"),))
