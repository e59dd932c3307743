"""GET /analytics/experiment on real ClickHouse: by hand, and against plain Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

from api.experiments.comparison import METRICS
from api.queries import EXPERIMENT, EXPERIMENT_USERS, Query
from api.selection import Relevance, Selection
from core.clickhouse.client import connect
from stream_processors.write.clickhouse import ClickHouseSink
from stream_processors.write.facts import touched
from tests.api.experiments import reference
from tests.api.experiments.worlds import worlds
from tests.api.reference import Asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, store
from tests.api.test_views import parts_read
from tests.api.worlds import asked
from tests.examples import examples

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

LIST = (("a", None, None), ("b", None, None), ("c", None, None))


def search(id_: str, variant: object, user: str | None, **more: Any) -> Search:
    meta = json.dumps({"latency_ms": 4, "variant": variant})
    return Search(id_, **{"results": LIST, "search_meta": meta, "user_id": user, **more})


ANN, ANN_TOO = search("1", "A", "ann"), search("2", "A", "ann", results=())
BOB, NOBODY = search("3", "A", "bob"), search("4", "A", None)
CAT, DAN, DAN_TOO = (
    search("5", "B", "cat"),
    search("6", "B", "dan", results=LIST[:2]),
    search("7", "B", "dan"),
)
MARKED = search("8", "B", "cat")
NOT_IN_IT = Search("9", results=LIST, user_id="ann")
BY_HAND = World(
    (ANN, ANN_TOO, BOB, NOBODY, CAT, DAN, DAN_TOO, MARKED, NOT_IN_IT),
    (
        Event(ANN, "e1", "b"),
        Event(ANN, "e2", "b"),
        Event(ANN, "e3", "c"),
        Event(BOB, "e1", "a", "purchase"),
        Event(CAT, "e1", "a"),
        Event(DAN, "e1", "elsewhere"),
        Event(DAN_TOO, "e1", "c"),
        Event(MARKED, "e1", "a"),
        Event(NOT_IN_IT, "e1", "a"),
    ),
    (Mark("8"),),
)


@pytest.fixture
def by_hand(read_settings: Settings) -> World:
    store(read_settings, BY_HAND)
    return BY_HAND


def ask(client: TestClient, **params: object) -> dict[str, Any]:
    answer = client.get("/analytics/experiment", params={"control": "A", **params})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def counted(body: dict[str, Any], metric: str) -> dict[str, tuple[object, ...]]:
    return {
        row["variant"]: (row["numerator"], row["denominator"], row["value"])
        for row in body["metrics"]
        if row["metric"] == metric
    }


@pytest.mark.usefixtures("by_hand")
def test_variants_counted_by_hand(client: TestClient) -> None:
    body = ask(client)
    assert body["variants"] == [
        {
            "variant": variant,
            "users": users,
            "outlier_users": 0,
            "sessions": sessions,
            "anonymous_sessions": anonymous,
            "expected_share": 0.5,
        }
        for variant, users, sessions, anonymous in (("A", 3, 4, 1), ("B", 2, 3, 0))
    ]
    assert {metric: counted(body, metric) for metric in METRICS} == {
        "session_ctr": {"A": (1, 4, 0.25), "B": (3, 3, 1.0)},
        "clicks_per_search": {"A": (3, 4, 0.75), "B": (3, 3, 1.0)},
        "position_ctr": {"A": (2, 9, 2 / 9), "B": (2, 8, 0.25)},
        "mean_reciprocal_rank": {
            "A": (0.5, 4, 0.125),
            "B": (pytest.approx(4 / 3), 3, pytest.approx(4 / 9)),
        },
        "mean_first_click_position": {"A": (2, 1, 2.0), "B": (4, 2, 2.0)},
        "zero_result_rate": {"A": (1, 4, 0.25), "B": (0, 3, 0.0)},
        "no_click_rate": {"A": (2, 3, 2 / 3), "B": (0, 3, 0.0)},
        "searches_per_user": {"A": (4, 3, 4 / 3), "B": (3, 2, 1.5)},
    }
    assert body["sample_ratio"] == {"p": pytest.approx(0.6547, abs=1e-4), "is_mismatch": False}
    assert body["outliers"] == {"rule": "keep", "most_sessions": None}
    assert body["users_in_several_variants"] == 0


@pytest.mark.usefixtures("by_hand")
def test_difference_of_means_counted_by_hand(client: TestClient) -> None:
    """Searches per user: 2, 1, 1 and 1, 2. Variances 1/3 and 1/2, so 1/9 + 1/4 = 13/36; Welch's
    degrees of freedom are (13/36)² / ((1/9)² / 2 + (1/4)² / 1) = 1.8989."""
    control, treatment = ask(client, metrics="searches_per_user")["metrics"]
    assert control["difference"] is control["p"] is control["is_significant"] is None
    assert treatment["difference"] == pytest.approx(1 / 6)
    half = (treatment["difference_high"] - treatment["difference_low"]) / 2
    assert half == pytest.approx(4.5325 * (13 / 36) ** 0.5, rel=1e-3)
    assert treatment["relative_difference"] == pytest.approx(1 / 8)
    assert treatment["p"] == treatment["p_adjusted"] == pytest.approx(0.8088, abs=1e-4)
    assert treatment["is_significant"] is False


@pytest.mark.usefixtures("by_hand")
def test_another_type_of_event_is_another_goal(client: TestClient) -> None:
    body = ask(client, event_type="purchase", metrics="session_ctr")
    assert counted(body, "session_ctr") == {"A": (1, 4, 0.25), "B": (0, 3, 0.0)}
    alone = body["metrics"][1]
    assert (alone["low"], alone["high"]) == (None, None)  # nobody of B differs from the others


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(
    ("outliers", "ctr", "outlier_users"),
    [
        ("leave_out", {"A": (0, 2, 0.0), "B": (1, 1, 1.0)}, [1, 1]),
        # Ann counts half: half a search with a click of one search.
        ("winsorise", {"A": (0.5, 3, 0.5 / 3), "B": (2, 2, 1.0)}, [1, 1]),
    ],
)
def test_users_who_search_more_than_most_can_be_left_out_or_counted_less(
    client: TestClient, outliers: str, ctr: dict[str, object], outlier_users: list[int]
) -> None:
    body = ask(client, outliers=outliers, outlier_quantile=0.5, metrics="session_ctr")
    assert body["outliers"] == {"rule": outliers, "most_sessions": 1}
    assert counted(body, "session_ctr") == ctr
    assert [each["outlier_users"] for each in body["variants"]] == outlier_users
    # They came to their variants as all others did.
    assert body["sample_ratio"]["p"] == pytest.approx(0.6547, abs=1e-4)


@pytest.mark.usefixtures("by_hand")
def test_split_and_sample_size(client: TestClient) -> None:
    body = ask(client, split="A:3,B:1,C:1", effect=0.1, metrics="searches_per_user")
    assert [(each["variant"], each["expected_share"]) for each in body["variants"]] == [
        ("A", 0.6),
        ("B", 0.2),
        ("C", 0.2),
    ]
    assert body["sample_ratio"]["p"] == pytest.approx(0.3679, abs=1e-4)
    # 2 · 1/3 · (1.95996 + 0.84162)² / (4/30)²
    assert [row["users_needed"] for row in body["metrics"]] == [295, 295]


def test_users_of_several_variants_are_counted(read_settings: Settings, client: TestClient) -> None:
    store(read_settings, World((ANN, search("x", "B", "ann"), BOB, NOBODY, CAT)))
    body = ask(client)
    assert body["users_in_several_variants"] == 1
    assert [each["users"] for each in body["variants"]] == [3, 2]


@pytest.mark.usefixtures("read_settings")
def test_nothing_stored_is_no_variants(client: TestClient) -> None:
    body = ask(client)
    assert (body["variants"], body["metrics"]) == ([], [])
    assert body["sample_ratio"] == {"p": None, "is_mismatch": False}


@pytest.mark.usefixtures("by_hand")
def test_control_that_was_not_found_is_named_with_those_that_were(client: TestClient) -> None:
    answer = client.get("/analytics/experiment", params={"control": "a"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == "query.control"
    assert error["message"].endswith("there are 'A', 'B'")


def test_variants_may_be_numbers_and_too_long_ones_are_none(
    read_settings: Settings, client: TestClient
) -> None:
    store(
        read_settings,
        World((search("1", 1, "ann"), search("2", True, "bob"), search("3", "x" * 129, "cat"))),
    )
    body = ask(client, control="1")
    assert [each["variant"] for each in body["variants"]] == ["1", "true"]


def test_later_events_and_another_setting_leave_the_variant_of_a_session(
    read_settings: Settings, client: TestClient
) -> None:
    """What a session showed is read from its facts, once it has some."""
    store(read_settings, World((ANN, CAT)))
    with connect(read_settings) as sql:
        sql.command("TRUNCATE TABLE sessions")
    posted = pa.table(
        {
            "session_id": [ANN.session_id],
            "session_day": [ANN.day],
            "created_at": pa.array([ANN.created_at]),
        }
    )
    later = ClickHouseSink(read_settings.model_copy(update={"variant_fields": ("ui",)}))
    store(read_settings, World(events=(Event(ANN, "e"),)), refresh=False)
    later.refresh_facts(touched(posted, "created_at", is_posted=False))
    assert counted(ask(client), "session_ctr") == {"A": (1, 1, 1.0), "B": (0, 1, 0.0)}


@pytest.fixture
def four_days(read_settings: Settings) -> Settings:
    days = [search(str(n), "A", "ann", created_at=NOON_MS + n * DAY_MS) for n in range(4)]
    store(read_settings, World(tuple(days)))
    return read_settings


@pytest.mark.parametrize("query", [EXPERIMENT, EXPERIMENT_USERS], ids=lambda query: query.name)
def test_endpoint_reads_only_the_days_asked_for(four_days: Settings, query: Query[Any]) -> None:
    values: dict[str, object] = {
        **Selection(NOON_MS, NOON_MS + 1, Relevance.EXCLUDE).times(),
        "event_type": "click",
        "variant_field": "variant",
        "quantile": "0.99",
        "outliers": "winsorise",
        "most_sessions": 9,
        "limit": 10,
    }
    with connect(four_days) as sql:
        assert parts_read(sql, query.sql, values) == 1


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
    wanted = reference.by_variant(world, request)
    control = min(wanted, default="A")
    body = ask(client, **request.params(), control=control)
    assert [(each["variant"], each["users"], each["sessions"]) for each in body["variants"]] == [
        (name, len(users), sum(map(len, users.values()))) for name, users in sorted(wanted.items())
    ]
    rows = {(row["metric"], row["variant"]): row for row in body["metrics"]}
    assert len(rows) == len(body["metrics"]) == len(METRICS) * len(wanted)
    for name, users in wanted.items():
        for metric, pairs in reference.user_sums(world, request, users).items():
            row = rows[metric, name]
            value, error = reference.value_and_error(pairs)
            assert row["numerator"] == pytest.approx(sum(x for x, _ in pairs))
            assert row["denominator"] == sum(y for _, y in pairs)
            assert row["value"] == pytest.approx(value)
            assert (row["low"] is None) == (not error or error < 1e-9)
