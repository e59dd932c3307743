"""Both formats: one record is one line, and URLs lose their credentials."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import SetupError
from core.logging import LogFormat, configure_logging

FORMATS: list[LogFormat] = ["console", "json"]


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def log_a_failure() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("some.place").exception("it\nfailed")


def test_on_the_console_a_record_is_one_line_also_with_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO")
    log_a_failure()
    line, rest = capsys.readouterr().err.split("\n")
    assert "ERROR some.place: it\\nfailed" in line
    assert "ValueError: two\\nlines" in line
    assert not rest


def test_as_json_a_record_is_one_object_also_with_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO", "json")
    log_a_failure()
    line, rest = capsys.readouterr().err.split("\n")
    assert not rest
    logged = json.loads(line)
    assert logged.keys() == {"timestamp", "level", "logger", "message", "exception"}
    assert (logged["level"], logged["logger"]) == ("error", "some.place")
    assert logged["message"] == "it\nfailed"
    assert logged["exception"].startswith("Traceback (most recent call last):\n")
    assert logged["exception"].endswith("ValueError: two\nlines")
    written = datetime.fromisoformat(logged["timestamp"])
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)


def test_the_id_of_a_request_is_a_field_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    extra = {"request_id": "r-1", "password": "not ours to log"}
    logging.getLogger("some.place").info("refused", extra=extra)
    logged = json.loads(capsys.readouterr().err)
    assert logged.keys() == {"timestamp", "level", "logger", "message", "request_id"}
    assert logged["request_id"] == "r-1"


def test_a_record_without_a_failure_has_no_exception(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    logging.getLogger("aiokafka.conn").info("broker %d of %s", 3, "a cluster")
    logged = json.loads(capsys.readouterr().err)
    assert logged.keys() == {"timestamp", "level", "logger", "message"}
    assert logged["message"] == "broker 3 of a cluster"


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("at http://user:secret@host:8123/db", "at http://***@host:8123/db"),
        ("at http://host:8123/a@b", "at http://host:8123/a@b"),
        ("mail a@b.example", "mail a@b.example"),
    ],
)
def test_credentials_in_urls_are_struck_out(
    said: str, logged: str, log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO", log_format)
    try:
        raise ValueError(said)
    except ValueError:
        logging.getLogger("x").exception("failed %s", said)
    line = capsys.readouterr().err
    assert f"failed {logged}" in line
    assert f"ValueError: {logged}" in line
    assert "secret" not in line


@pytest.mark.parametrize("log_format", FORMATS)
def test_the_level_decides_what_is_logged(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("warning", log_format)
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").warning("loud")
    said = capsys.readouterr().err
    assert "loud" in said
    assert "quiet" not in said


@pytest.mark.parametrize("log_format", FORMATS)
def test_repeats_of_a_library_are_held_back(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO", log_format)
    for port in range(20_000, 20_040):
        logging.getLogger("aiokafka.conn").error("Unable to connect to port %d", port)
    assert capsys.readouterr().err.count("Unable to connect") == 1


def test_an_unknown_level_is_a_setup_error() -> None:
    with pytest.raises(SetupError, match="CLICKSTREAM_LOG_LEVEL"):
        configure_logging("chatty")
