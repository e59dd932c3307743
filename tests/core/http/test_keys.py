"""The form of a key in the settings."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import SetupError
from core.http.keys import (
    SINGLE_WRITES,
    Key,
    Right,
    checked_origin,
    day_or_time,
    declaration,
    keys_of,
    moment,
    new_key,
    parse,
)
from core.settings import Settings

PLACE = "CLICKSTREAM_WRITE_KEYS: key 1"


def parsed(text: str) -> Key:
    return parse(text, Right.WRITE, PLACE)


def test_plain_text_and_its_hash_are_the_same_key() -> None:
    plain = "a-long-random-key"
    digest = hashlib.sha256(plain.encode()).digest()
    assert parsed(plain).digest == digest
    assert parsed(f"sha256:{digest.hex()}").digest == digest
    assert parsed(f"sha256:{digest.hex().upper()}").digest == digest


def test_attributes_say_who_from_where_and_until_when() -> None:
    key = parsed(
        "secret; name=shop ;origins=https://a.example|http://b.example:3000;expires=2027-01-31"
    )
    assert key.name == "shop"
    assert key.origins == {"https://a.example", "http://b.example:3000"}
    assert key.expires_ms is not None
    assert moment(key.expires_ms) == "2027-02-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2027-01-31", "2027-02-01 00:00:00 UTC"),
        ("20270131", "2027-02-01 00:00:00 UTC"),
        ("2027-W04-7", "2027-02-01 00:00:00 UTC"),
        ("20270131T12", "2027-01-31 12:00:00 UTC"),
        ("2027-01-31T12:00:00", "2027-01-31 12:00:00 UTC"),
        ("2027-01-31T12:00:00Z", "2027-01-31 12:00:00 UTC"),
        ("2027-01-31T12:00:00+02:00", "2027-01-31 10:00:00 UTC"),
    ],
)
def test_a_day_is_the_end_of_it_and_a_time_is_utc(text: str, end: str) -> None:
    assert moment(day_or_time(text)) == end


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";name=shop",
        "sha256:abc",
        "sha256:",
        "very-secret;very-secret-too",
        "very-secret;name=",
        "very-secret;name=a b",
        "very-secret;name=a\r\nx: y",
        "very-secret;origins=",
        "very-secret;origins=a.example",
        "very-secret;origins=https://a.example/",
        "very-secret;origins=https://A.example",
        "very-secret;origins=*",
        "very-secret;expires=soon",
        "very-secret;expires=",
        "very-secret;rights=admin",
    ],
)
def test_what_cannot_be_understood_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(SetupError, match=PLACE) as caught:
        parsed(text)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("origin", ["null", "file://", "https://a,b", "https://a;b", "https://"])
def test_an_origin_is_what_a_browser_sends_for_a_page(origin: str) -> None:
    with pytest.raises(ValueError, match=r"https://shop\.example"):
        checked_origin(origin)
    for fine in ("https://shop.example", "http://localhost:3000", "http://[::1]:8000"):
        assert checked_origin(fine) == fine


def test_one_key_in_two_lists_has_the_rights_of_both_if_all_else_is_equal() -> None:
    both = Settings(
        _env_file=None, write_keys=(SecretStr("k;name=n"),), read_keys=(SecretStr("k;name=n"),)
    )
    (key,) = keys_of(both)
    assert key.rights == {Right.WRITE, Right.READ, *SINGLE_WRITES}
    differing = Settings(
        _env_file=None, write_keys=(SecretStr("k;name=n"),), read_keys=(SecretStr("k"),)
    )
    with pytest.raises(SetupError, match="CLICKSTREAM_READ_KEYS: key 1"):
        keys_of(differing)


@given(
    st.sampled_from([Right.WRITE, Right.READ, Right.ADMIN]),
    st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
)
def test_a_new_key_is_known_by_what_the_settings_get(right: Right, name: str) -> None:
    key = new_key(right)
    assert re.fullmatch(rf"cs_{right.value}_[A-Za-z0-9_-]{{43}}", key)
    setting = declaration(key, {"name": name, "origins": "", "expires": "2027-01-31"})
    assert key not in setting
    again = parse(setting, right, PLACE)
    assert (again.digest, again.name) == (parse(key, right, PLACE).digest, name)


@pytest.mark.parametrize("wrong", ["rights=read", "rights=", "rights=events|admin"])
def test_a_write_key_takes_no_right_but_those_to_write(wrong: str) -> None:
    with pytest.raises(SetupError, match=r"rights= takes events, marks, sessions"):
        parsed(f"k;{wrong}")


@pytest.mark.parametrize(
    ("text", "sees"),
    [("k", True), ("k;rights=events", False), ("k;origins=https://a.example", False)],
)
def test_positions_are_told_to_keys_that_are_not_for_pages(text: str, sees: bool) -> None:
    assert parsed(text).sees_positions is sees
    assert parse("k", Right.READ, PLACE).sees_positions


def test_no_two_new_keys_are_the_same() -> None:
    assert len({new_key(Right.WRITE) for _ in range(1000)}) == 1000


def test_plain_text_that_can_be_guessed_is_told_apart() -> None:
    assert parsed("short").is_weak
    assert not parsed("0123456789abcdef").is_weak
    assert not parsed("sha256:" + "0" * 64).is_weak
