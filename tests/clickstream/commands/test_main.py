from __future__ import annotations

import pytest

from clickstream.commands import main


def test_a_setting_that_cannot_be_used_is_named_on_one_line_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["clickstream", "edge"])
    monkeypatch.setenv("CLICKSTREAM_HTTP__PORT", "s3cret")
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("clickstream: CLICKSTREAM_HTTP__PORT: ")
    assert "s3cret" not in said
    assert "Traceback" not in said


def test_an_expected_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["clickstream", "edge"])
    monkeypatch.setenv("CLICKSTREAM_HTTP__HOST", "0.0.0.0")  # noqa: S104 - must be refused
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
