from __future__ import annotations

import itertools
import re
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from clickstream.commands import main
from clickstream.commands.main import COMMANDS, app
from core.errors import LeaseHeld, SetupError, SinkUnavailable

NARROW_TERMINAL = {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}


def test_the_version_is_printed() -> None:
    assert (
        CliRunner().invoke(app, ["--version"]).stdout == f"clickstream {version('clickstream')}\n"
    )


def test_the_list_of_commands_says_what_each_does_in_whole_sentences() -> None:
    listed = CliRunner().invoke(app, ["--help"], env=NARROW_TERMINAL).stdout
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", listed, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_text_in_paragraphs_and_flags_have_no_type(name: str) -> None:
    page = CliRunner().invoke(app, [name, "--help"], env=NARROW_TERMINAL)
    assert page.exit_code == 0
    assert "<bool>" not in page.stdout
    prose = page.stdout.partition("\nOptions:")[0].partition("\nArguments:")[0]
    for line, following in itertools.pairwise(prose.splitlines()):
        if line.startswith("  ") and following.startswith("  "):
            assert len(line) + 1 + len(following.split()[0]) > 78, "broken in mid-line"


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


@pytest.mark.parametrize(
    ("error", "status"),
    [(LeaseHeld("later"), 75), (SinkUnavailable("away"), 75), (SetupError("no"), 1)],
)
def test_what_may_pass_by_itself_has_another_exit_status_than_what_does_not(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setitem(main.__globals__, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status


def test_an_expected_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["clickstream", "edge"])
    monkeypatch.setenv("CLICKSTREAM_HTTP__HOST", "0.0.0.0")  # noqa: S104 - must be refused
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
