from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SetupError
from core.http.client_address import ClientAddresses

PROXIES = ("10.0.0.0/8", "192.0.2.7")


def client(peer: str, forwarded: str, trusted: tuple[str, ...] = PROXIES) -> str:
    headers = {b"x-forwarded-for": forwarded.encode()} if forwarded else {}
    return ClientAddresses(trusted).of(peer, headers)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("10.1.1.1", "203.0.113.5", "203.0.113.5"),
        ("10.1.1.1", "8.8.8.8, 203.0.113.5, 192.0.2.7", "203.0.113.5"),  # 8.8.8.8 is made up
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", "unknown", "10.1.1.1"),
        ("10.1.1.1", "10.2.2.2", "10.2.2.2"),
        ("203.0.113.9", "8.8.8.8", "203.0.113.9"),  # no proxy of ours
        ("10.1.1.1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.5", "", "203.0.113.5"),
        ("", "", ""),
    ],
)
def test_the_client_is_the_first_that_is_no_proxy_of_ours(
    peer: str, forwarded: str, found: str
) -> None:
    assert client(peer, forwarded) == found


@given(st.text(st.characters(max_codepoint=255)))
def test_nobody_is_believed_unless_a_proxy_is_trusted(forwarded: str) -> None:
    headers = {b"x-forwarded-for": forwarded.encode("latin-1")}
    assert ClientAddresses().of("10.1.1.1", headers) == "10.1.1.1"
    assert ClientAddresses(PROXIES).of("10.1.1.1", headers)  # whatever it says


def test_a_proxy_that_is_no_address_is_refused_at_the_start() -> None:
    with pytest.raises(SetupError, match="TRUSTED_PROXIES"):
        client("10.1.1.1", "", ("proxy.internal",))
