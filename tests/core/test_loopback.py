"""This machine is told apart from others by the text of its address."""

from __future__ import annotations

import pytest

from core.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", [None, "", "localhost.example.com", "10.0.0.1", "::"])
def test_another_machine_or_none(host: str | None) -> None:
    assert not is_loopback(host)
