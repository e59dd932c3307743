"""GET /analytics/interleaving on real ClickHouse: by hand, and against plain Python."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

from tests.api.experiments import reference
from tests.api.experiments.worlds import worlds
from tests.api.reference import Asked
from tests.api.stored import Event, Mark, Search, World, empty, store
from tests.api.worlds import asked
from tests.examples import examples

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines


def shown(id_: str, teams: str, user: str | None = "ann") -> Search:
    """`xy-`: a result of x, one of y, one of none; objects are called by their positions."""
    results = tuple(
        (str(place), None, None if team == "-" else json.dumps({"team": team}))
        for place, team in enumerate(teams, start=1)
    )
    return Search(id_, results=results, user_id=user)


WON, LOST, TIED, IDLE = shown("1", "xyxy"), shown("2", "yx"), shown("3", "xy"), shown("4", "xy")
ELSE, THREE, MARKED = shown("5", "-xx"), shown("6", "zxy", "bob"), shown("7", "xy")
LONG = shown("8", "xy" * 40, None)
BY_HAND = World(
    (WON, LOST, TIED, IDLE, ELSE, THREE, MARKED, LONG),
    (
        Event(WON, "e1", "2"),
        Event(WON, "e2", "4"),
        Event(WON, "e3", "1"),
        Event(LOST, "e1", "2"),
        Event(LOST, "e2", "2"),
        Event(LOST, "e3", "1", "purchase"),
        Event(TIED, "e1", "1"),
        Event(TIED, "e2", "2"),
        Event(IDLE, "e1", "nowhere"),
        Event(ELSE, "e1", "2"),
        Event(THREE, "e1", "1"),
        Event(THREE, "e2", "3"),
        Event(MARKED, "e1", "2"),
        Event(LONG, "e1", "80"),
    ),
    (Mark("7"),),
)


def ask(client: TestClient, **params: object) -> list[dict[str, Any]]:
    answer = client.get("/analytics/interleaving", params={"control": "x", **params})
    assert answer.status_code == 200, answer.text
    teams: list[dict[str, Any]] = answer.json()["teams"]
    return teams


def test_teams_counted_by_hand(read_settings: Settings, client: TestClient) -> None:
    """y against x: won 1, 6 and 8 (the click at position 80), lost 2, tied 3, nothing in 4.
    Δ = (3 + 1/2) / 5 - 1/2."""
    store(read_settings, BY_HAND)
    y, z = ask(client)
    counts = ("searches", "searches_without_credit", "won", "lost", "tied")
    users = ("users", "users_for", "users_against", "users_tied")
    assert [y[name] for name in counts] == [6, 1, 3, 1, 1]
    assert [y[name] for name in users] == [3, 2, 0, 1]  # ann has won one and lost one
    assert y["delta"] == pytest.approx(0.2)
    assert -0.5 <= y["delta_low"] < 0.2 < y["delta_high"] <= 0.5
    assert (y["p"], y["users_p"]) == (pytest.approx(0.625), pytest.approx(0.5))
    assert (y["team"], z["team"]) == ("y", "z")
    assert [z[name] for name in counts] == [1, 0, 1, 0, 0]
    assert (z["delta"], z["delta_low"], z["p"]) == (0.5, None, 1.0)


def test_another_type_of_event_gives_credit(read_settings: Settings, client: TestClient) -> None:
    store(read_settings, BY_HAND)
    y, z = ask(client, event_type="purchase")
    assert (y["won"], y["lost"], y["tied"], y["delta"]) == (1, 0, 0, 0.5)
    assert (z["searches"], z["searches_without_credit"], z["delta"], z["p"]) == (1, 1, None, None)


def test_control_that_nobody_saw_has_no_others(read_settings: Settings, client: TestClient) -> None:
    store(read_settings, BY_HAND)
    assert ask(client, control="w") == []


def test_lists_without_teams_are_not_interleaved(
    read_settings: Settings, client: TestClient
) -> None:
    metas = [None, '{"team":null}', '{"teams":"y"}', '{"nested":{"team":"y"}}', '{"score":1}']
    lists = tuple(
        Search(str(n), results=(("a", None, '{"team":"x"}'), ("b", None, meta)))
        for n, meta in enumerate(metas)
    )
    store(read_settings, World(lists, tuple(Event(each, "e", "b") for each in lists)))
    assert ask(client) == []


@effort(
    max_examples=examples(10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=worlds(), request=asked())
def test_answers_equal_plain_python(
    module_settings: Settings, client: TestClient, world: World, request: Asked
) -> None:
    empty(module_settings)
    store(module_settings, world)
    wanted = reference.interleaved(world, request, "x")
    found = ask(client, **request.params())
    assert [each["team"] for each in found] == sorted(wanted)
    for each in found:
        searches = wanted[each["team"]]
        outcomes = Counter(
            "none" if not team + control else (team > control) - (team < control)
            for _, team, control in searches
        )
        assert each["searches"] == len(searches)
        assert each["searches_without_credit"] == outcomes["none"]
        assert (each["won"], each["lost"], each["tied"]) == (
            outcomes[1],
            outcomes[-1],
            outcomes[0],
        )
        assert each["users"] == len({user for user, team, control in searches if team + control})
        if each["won"] + each["lost"] + each["tied"]:
            share = (each["won"] + each["tied"] / 2) / (each["won"] + each["lost"] + each["tied"])
            assert each["delta"] == pytest.approx(share - 0.5)
