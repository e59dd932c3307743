from __future__ import annotations

import hashlib
import hmac

import pytest
from pydantic import SecretStr, ValidationError

from core.settings import Settings
from core.user_ids import UserIds
from schemas.contracts import SESSION
from tests.producers.write_side import write_side

KEY = "a secret of some length"
SETTINGS = Settings(_env_file=None, user_id_key=SecretStr(KEY))
HASHED = "hmac:" + hmac.new(KEY.encode(), b"user-456", hashlib.sha256).hexdigest()


def test_without_a_key_ids_are_stored_as_they_are() -> None:
    ids = UserIds.from_settings(Settings(_env_file=None))
    assert not ids.enabled
    assert ids.pseudonymize("user-456") == "user-456"
    assert ids.known_forms("user-456") == ("user-456",)


def test_with_a_key_only_the_hash_is_stored_and_both_are_erased() -> None:
    ids = UserIds.from_settings(SETTINGS)
    assert ids.pseudonymize("user-456") == HASHED
    assert ids.known_forms("user-456") == (HASHED, "user-456")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, user_id_key=SecretStr("short"))


@pytest.mark.parametrize("user", ["user-456", None])
def test_the_edge_publishes_the_hash_alone(user: str | None) -> None:
    body = {"session_id": "s", "search_query": "boots", "search_results": [], "user_id": user}
    with write_side(SETTINGS) as side:
        assert side.client.post("/session", json=body).status_code == 200
        (record,) = side.written(SESSION)
    assert record["user_id"] == (HASHED if user else None)
