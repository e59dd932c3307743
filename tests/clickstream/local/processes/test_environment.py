"""Children get a list of names, and none of our secrets."""

from __future__ import annotations

import pytest

from clickstream.local.processes.environment import AWS, SETTINGS, child_environment

SECRETS = {
    "CLICKSTREAM_ADMIN_KEYS": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "GITHUB_TOKEN": "c",
    "DATABASE_URL": "d",
    "PGPASSWORD": "e",
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, "LC_ALL": "C", "PATH": "/bin"}.items():
        monkeypatch.setenv(name, value)


def test_secrets_stay_with_us() -> None:
    given = child_environment()
    assert not SECRETS.keys() & given.keys()
    assert (given["PATH"], given["LC_ALL"]) == ("/bin", "C")


def test_each_child_gets_what_it_inherits_by_name() -> None:
    assert SECRETS.keys() & child_environment((SETTINGS,)).keys() == {"CLICKSTREAM_ADMIN_KEYS"}
    assert SECRETS.keys() & child_environment((AWS,)).keys() == {"AWS_SECRET_ACCESS_KEY"}


def test_options_of_java_reach_kafka_and_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    assert child_environment()["JDK_JAVA_OPTIONS"] == "-XX:TieredStopAtLevel=1"
