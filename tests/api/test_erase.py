"""DELETE /users/{id}: who may, and what it answers; what it does is in tests/erasure."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.component import ReadComponent
from api.erase import Erased, erase_router
from clickstream.operations.erasure.eraser import eraser_of
from core.http.app import build_app
from core.settings import Settings
from tests.local_client import LocalClient

ERASED = Erased("ab" * 32, 1_700_000_000_000, 2, {"sessions": 2}, 0, 0, [], 0.5)
NOWHERE = Settings(
    _env_file=None,
    kafka_bootstrap_servers="127.0.0.1:1",
    clickhouse_url=SecretStr("http://127.0.0.1:1/clickstream"),
    read_keys=(SecretStr("r-key"),),
    write_keys=(SecretStr("w-key"),),
    admin_keys=(SecretStr("a-key"),),
)


@pytest.mark.parametrize("user", ["user-456", "a/b", "ünï c", "x:y?z&a=1#b"])
def test_the_answer_counts_and_does_not_name_the_user(user: str) -> None:
    asked: list[str] = []

    def erase(user_id: str, _: str | None) -> Erased:
        asked.append(user_id)
        return ERASED

    app = FastAPI()
    app.include_router(erase_router(erase))
    with LocalClient(app) as client:
        answer = client.delete(f"/users/{quote(user, safe='')}")
    assert answer.status_code == 200
    assert asked == [user]
    assert answer.json() == {
        "user_hash": "ab" * 32,
        "cut_off": 1_700_000_000_000,
        "sessions": 2,
        "deleted": {"sessions": 2},
        "left": 0,
        "release_files": 0,
        "kept": [],
        "seconds": 0.5,
    }


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("x", 401), ("r-key", 403), ("w-key", 403), ("a-key", 503)]
)
def test_only_an_admin_key_may_and_servers_that_are_down_are_a_503(
    key: str | None, status: int
) -> None:
    with LocalClient(build_app(NOWHERE, [ReadComponent(NOWHERE, eraser_of(NOWHERE))])) as client:
        answer = client.delete("/users/ann", headers={"X-API-Key": key} if key else {})
    assert answer.status_code == status
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1
