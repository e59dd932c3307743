"""What every command that writes a file says of a name that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from clickstream.commands.main import app


@pytest.mark.parametrize(
    "command",
    [["export", "sessions"], ["export", "events"], ["export", "training"], ["judgments"]],
    ids=" ".join,
)
@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "a directory"])
def test_a_file_is_asked_for(command: list[str], is_empty: bool, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, [*command, "--output", "" if is_empty else str(tmp_path)])
    assert run.exit_code == 2
    assert "name a file in it" in " ".join(run.output.replace("│", " ").split())


@pytest.mark.parametrize("command", [["export", "training"], ["judgments"]], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "format"), [("a.csv", "parquet"), ("a.ndjson", "parquet"), ("a.parquet", "csv")]
)
def test_a_name_of_another_format_is_refused(
    command: list[str], name: str, format: str, tmp_path: Path
) -> None:
    output = tmp_path / name
    run = CliRunner().invoke(app, [*command, "--output", str(output), "--format", format])
    assert run.exit_code == 2
    said = " ".join(run.output.replace("│", " ").split())
    assert f"would be written as {format}" in said
    assert not output.exists()
