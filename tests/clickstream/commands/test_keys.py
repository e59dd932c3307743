"""`clickstream keys`: a key is shown once, and never by `check`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clickstream.commands.keys import app
from core.errors import SetupError
from core.http.keys import Right, parse


@pytest.fixture(autouse=True)
def no_keys_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for right in ("WRITE", "READ", "ADMIN"):
        monkeypatch.delenv(f"CLICKSTREAM_{right}_KEYS", raising=False)


def made(*options: str) -> dict[str, str]:
    """What `new --json` says."""
    result = CliRunner().invoke(app, ["new", "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0
    found: dict[str, str] = json.loads(result.stdout)
    return found


def test_a_new_key_comes_with_what_the_settings_need() -> None:
    new = made("--right", "read", "--name", "reports", "--expires", "2027-01-31")
    assert new["key"].startswith("cs_read_")
    assert new["variable"] == "CLICKSTREAM_READ_KEYS"
    assert new["key"] not in new["value"]
    key = parse(new["value"], Right.READ, "here")
    assert (key.name, key.digest) == ("reports", parse(new["key"], Right.READ, "here").digest)


def test_a_key_for_one_kind_of_write_is_a_write_key_with_its_right() -> None:
    new = made("--right", "events")
    assert new["key"].startswith("cs_events_")
    assert new["variable"] == "CLICKSTREAM_WRITE_KEYS"
    assert parse(new["value"], Right.WRITE, "here").rights == {Right.EVENTS}


def test_for_people_it_says_the_same() -> None:
    result = CliRunner().invoke(app, ["new", "--origins", "https://a.example"])
    assert "cs_write_" in result.stdout
    assert "CLICKSTREAM_WRITE_KEYS='sha256:" in result.stdout
    assert "origins=https://a.example" in result.stdout


@pytest.mark.parametrize(
    "options", [["--expires", "soon"], ["--origins", "a.example"], ["--name", "a,b"]]
)
def test_what_the_settings_could_not_read_is_refused(options: list[str]) -> None:
    with pytest.raises(SetupError):
        CliRunner().invoke(app, ["new", *options], catch_exceptions=False)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_check_says_what_a_key_may_do_and_does_not_show_it(
    form: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = made("--name", "shop")
    monkeypatch.setenv(new["variable"], new["value"])
    result = CliRunner().invoke(app, ["check", *form], input=new["key"] + "\n")
    assert result.exit_code == 0
    assert "shop" in result.stdout
    assert "write" in result.stdout
    assert new["key"] not in result.output


def test_check_fails_for_a_key_that_is_unknown_or_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert CliRunner().invoke(app, ["check"], input="unknown\n").exit_code == 1
    new = made("--expires", "2020-01-31")
    monkeypatch.setenv(new["variable"], new["value"])
    result = CliRunner().invoke(app, ["check"], input=new["key"] + "\n")
    assert result.exit_code == 1
    assert "expired" in result.output
