"""The read side while servers are down, and what it says of itself."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr, ValidationError

from api.component import ReadComponent
from clickstream.operations.erasure.eraser import eraser_of
from core.http.app import build_app
from core.settings import ReadSettings, Settings
from tests.local_client import LocalClient

# Port 1 of loopback: nothing listens there, and nothing may without being root.
NOWHERE = Settings(
    _env_file=None,
    kafka_bootstrap_servers="127.0.0.1:1",
    clickhouse_url=SecretStr("http://127.0.0.1:1/clickstream"),
    reads=ReadSettings(wait_seconds=0.5, query_seconds=1),
)


def test_clickhouse_that_is_down_is_a_503_with_retry_after() -> None:
    with LocalClient(build_app(NOWHERE, [ReadComponent(NOWHERE, eraser_of(NOWHERE))])) as client:
        for path in (
            "/session?session_id=x",
            "/events/lookup?session_id=x&event_id=y",
            "/events/waiting",
            "/analytics/overview",
            "/analytics/queries",
            "/analytics/positions",
            "/analytics/objects",
            "/analytics/funnel",
            "/analytics/health",
            "/analytics/series?from=2026-01-01&to=2026-01-02",
            "/analytics/query?metric=session_ctr&by=search_query&format=csv",
            "/judgments",
            "/judgments?format=csv",
            "/judgments/propensities",
            "/export/training",
            "/export/training?format=account",
            "/export/sessions",
        ):
            answer = client.get(path)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["type"] == "urn:clickstream:problem:sink-unavailable"


def test_address_that_cannot_be_one_is_refused_before_anything_is_served() -> None:
    with pytest.raises(ValidationError, match="should look like http://user:pass@host:8123"):
        Settings(_env_file=None, clickhouse_url=SecretStr("clickhouse:8123"))


def test_role_without_its_servers_starts_says_why_it_is_not_ready_and_stops() -> None:
    async def test() -> None:
        role = ReadComponent(NOWHERE, eraser_of(NOWHERE))
        await role.start()
        assert any("ClickHouse" in reason for reason in await role.ready())
        await role.stop()

    asyncio.run(test())


def test_routes_live_at_the_root_and_under_the_prefix_of_embedding_studio() -> None:
    with LocalClient(build_app(NOWHERE, [ReadComponent(NOWHERE, eraser_of(NOWHERE))])) as client:
        for prefix in ("", "/api/v1/clickstream"):
            assert client.get(f"{prefix}/session").status_code == 422


def test_document_describes_every_answer() -> None:
    with LocalClient(build_app(NOWHERE, [ReadComponent(NOWHERE, eraser_of(NOWHERE))])) as client:
        document = client.get("/openapi.json").json()
    paths, schemas = document["paths"], document["components"]["schemas"]
    analytics = (
        "overview", "queries", "positions", "objects", "funnel", "series", "query", "metrics",
        "health",
    )  # fmt: skip
    for path in ("/session", "/events/waiting", *(f"/analytics/{name}" for name in analytics)):
        answer = paths[path]["get"]["responses"]["200"]["content"]["application/json"]
        shape = schemas[answer["schema"]["$ref"].rpartition("/")[2]]
        # FastAPI leaves nulls out of an example.
        absent = {"next"} if path == "/events/waiting" else set()
        assert set(answer["example"]) | absent == set(shape["properties"])
    lookup = paths["/events/lookup"]["get"]["responses"]["200"]["content"]["application/json"]
    told = [each["value"] for each in lookup["examples"].values()]
    for example, shape in zip(told, lookup["schema"]["oneOf"], strict=True):
        properties = schemas[shape["$ref"].rpartition("/")[2]]["properties"]
        assert set(properties) - set(example) <= {"waiting", "dead_letter"}
        assert set(example) <= set(properties)
    names = {each["name"] for each in paths["/export/sessions"]["get"]["parameters"]}
    selecting = {"from", "to", "relevance", "Clickstream-Position"}
    filters = {"query", "query_prefix", "query_regex", "user", "sort_field"}
    cut = {"received_after", "received_until", "behind"}
    assert names == {*selecting, *filters, *cut, "with_events", "format", "compression"}
