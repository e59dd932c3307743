from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from prometheus_client.metrics import MetricWrapperBase

from core import telemetry
from core.errors import SetupError
from core.telemetry import LineFormatter, configure_logging


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_record_is_one_line_also_with_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("some.place").exception("it\nfailed")
    line, rest = capsys.readouterr().err.split("\n")
    assert "ERROR some.place: it\\nfailed" in line
    assert "ValueError: two\\nlines" in line
    assert not rest


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("at http://user:secret@host:8123/db", "at http://***@host:8123/db"),
        ("at http://host:8123/a@b", "at http://host:8123/a@b"),
        ("mail a@b.example", "mail a@b.example"),
    ],
)
def test_credentials_in_urls_are_struck_out(said: str, logged: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, said, None, None)
    assert LineFormatter().format(record).endswith(f"INFO x: {logged}")


def test_the_level_decides_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").warning("loud")
    said = capsys.readouterr().err
    assert "loud" in said
    assert "quiet" not in said


def test_an_unknown_level_is_the_operator_s_to_mend() -> None:
    with pytest.raises(SetupError, match="CLICKSTREAM_LOG_LEVEL"):
        configure_logging("chatty")


def test_every_metric_is_named_after_us_and_documented() -> None:
    metrics = [each for each in vars(telemetry).values() if isinstance(each, MetricWrapperBase)]
    assert len(metrics) > 20
    for metric in metrics:
        (family,) = metric.describe()
        assert family.name.startswith("clickstream_")
        assert family.documentation
