"""Pages of a release, as clients of embedding_studio read them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from api.releases.service import ReleaseService
from tests.api.releases.world import IN_RELEASE, make
from tests.api.stored import Mark, World, store
from tests.local_client import LocalClient

pytestmark = pytest.mark.engines


class _Theirs(BaseModel):
    """What they read, written down from their public sources; here nothing else may be there."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Result(_Theirs):
    object_id: str
    rank: float | None
    meta: dict[str, Any] | None


class Event(_Theirs):
    event_id: str
    object_id: str
    event_type: str
    created_at: int
    meta: dict[str, Any] | None


class Session(_Theirs):
    session_id: str
    search_query: str
    search_results: list[Result]
    search_meta: dict[str, Any] | None
    payload_filter: dict[str, Any] | None
    sort_by: dict[str, Any] | None
    user_id: str | None
    created_at: int
    is_irrelevant: bool
    events: list[Event]
    session_number: int


class Batch(_Theirs):
    batch_id: str
    last_number: int | None
    sessions: list[Session]


def page(api: LocalClient, after: int, limit: int, more: str = "") -> Batch:
    path = "/api/v1/clickstream/internal/batch/sessions"
    answer = api.get(f"{path}?batch_id=first&after_number={after}&limit={limit}{more}")
    assert answer.status_code == 200, answer.text
    return Batch.model_validate_json(answer.content)


def read_through(api: LocalClient, limit: int) -> list[Session]:
    found: list[Session] = []
    after: int | None = 0
    while after is not None:
        batch = page(api, after, limit)
        assert len(batch.sessions) <= limit
        found += batch.sessions
        after = batch.last_number
    return found


def test_pages_are_the_release_whatever_their_size(
    released: ReleaseService, api: LocalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("files", "batches"):
        monkeypatch.setattr(f"api.releases.{module}.ROWS_PER_GROUP", 6)
    make(released, "first")
    found = read_through(api, 100)
    assert [each.session_id for each in found] == [each.session_id for each in IN_RELEASE]
    assert [each.session_number for each in found] == list(range(1, len(found) + 1))
    for limit in (1, 7):
        assert read_through(api, limit) == found
    by_id = {each.session_id: each for each in found}
    assert [event.event_id for event in by_id["s02"].events] == ["e1", "e0"]
    assert by_id["s02"].search_results[1] == Result(object_id="o1", rank=0.5, meta={"n": 1})
    number = by_id["s02"].session_number
    (short,) = page(api, number - 1, 1, "&events_limit=1").sessions
    assert [event.event_id for event in short.events] == ["e1"]

    # What is superseded is passed over.
    store(released.settings, World(marks=(Mark(IN_RELEASE[25].session_id, offset=2_000),)))
    left = read_through(api, 7)
    assert left == [each for each in found if not 20 < each.session_number <= 40]


def test_what_is_asked_wrongly_is_told_by_name(api: LocalClient) -> None:
    for query, status, path in (
        ("", 422, "query.batch_id"),
        ("batch_id=UP", 422, "query.batch_id"),
        ("batch_id=a&limit=0", 422, "query.limit"),
        ("batch_id=a&after=3", 422, "query.after"),
    ):
        answer = api.get(f"/batch/sessions?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (status, path)
    assert api.get("/batch/sessions?batch_id=none").status_code == 404
