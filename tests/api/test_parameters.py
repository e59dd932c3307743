"""Parameters and headers of reads, before anything is looked up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.component import ReadComponent
from clickstream.operations.erasure.eraser import eraser_of
from core.consistency.position import Position
from core.http.app import build_app
from tests.api.test_erase import NOWHERE
from tests.local_client import LocalClient
from tests.producers.write_side import FakeReader

KEY = {"X-API-Key": "a-key"}
PATHS = [
    *(f"/analytics/{name}" for name in ("overview", "queries", "positions", "objects", "funnel")),
    "/export/sessions",
]


@pytest.fixture(scope="module")
def client() -> Iterator[LocalClient]:
    app = build_app(NOWHERE, [ReadComponent(NOWHERE, eraser_of(NOWHERE))])
    with LocalClient(app) as shared:
        yield shared


@pytest.mark.parametrize(
    "path",
    [
        *PATHS,
        "/export/events",
        "/judgments",
        "/judgments/propensities",
        "/export/training",
        "/api/v1/clickstream/export/sessions",
    ],
)
@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("From=2026-11-28", {"query.From": "is not known: did you mean from?"}),
        ("relevence=only", {"query.relevence": "is not known: did you mean relevance?"}),
        ("from=2026-11-28&from=2026-11-01", {"query.from": "is there 2 times: send it once"}),
        ("x=&from=1&from=", {"query.x": None, "query.from": None}),
    ],
)
def test_unknown_and_repeated_parameters_are_refused(
    client: LocalClient, path: str, query: str, places: dict[str, str | None]
) -> None:
    answer = client.get(f"{path}?{query}", headers=KEY)
    assert answer.status_code == 422
    found = {error["path"]: error["message"] for error in answer.json()["errors"]}
    assert found.keys() == places.keys()
    assert all(found[place] == message for place, message in places.items() if message)


@pytest.mark.parametrize("more", ["x=1", "session_id=b"])
def test_so_are_those_of_one_session(client: LocalClient, more: str) -> None:
    assert client.get(f"/session?session_id=a&{more}", headers=KEY).status_code == 422
    assert client.delete("/users/ann?x=1", headers=KEY).status_code == 422


def test_the_lines_of_a_position_header_are_one_list() -> None:
    reader = FakeReader()
    component = ReadComponent(NOWHERE, eraser_of(NOWHERE), reader)
    with LocalClient(build_app(NOWHERE, [component])) as client:
        lines = [("Clickstream-Position", "t/0@1"), ("Clickstream-Position", "t/1@2, t/2@3")]
        client.get("/analytics/overview", headers=[*KEY.items(), *lines])
        assert reader.waited == [Position("t", n, n + 1) for n in range(3)]
        bogus = [*KEY.items(), lines[0], ("Clickstream-Position", "bogus")]
        assert client.get("/analytics/overview", headers=bogus).status_code == 422
