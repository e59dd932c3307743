"""The house: what the Makefile, the README and the pages say is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clickstream.commands.main import app
from tests.deploy.shell import ROOT, run

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize(
    "script",
    [
        "docs/write_settings.py",
        "docs/write_schema.py",
        "docs/write_metrics.py",
        "docs/write_scale.py",
        "docs/write_catalogue.py",
        "deploy/observability/write_dashboards.py",
    ],
)
def test_what_is_written_from_code_is_current(script: str) -> None:
    done = run(sys.executable, script, "--check")
    assert done.returncode == 0, done.stderr


def test_make_help_names_every_target() -> None:
    done = run("make", "--no-print-directory", "help")
    named = set(re.findall(r"^  make ([\w-]+)", done.stdout, re.M))
    phony = set(re.findall(r"^\.PHONY: ([\w-]+)$", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert named == phony
    assert {
        "help",
        "install",
        "demo",
        "up",
        "test",
        "lint",
        "types",
        "e2e",
        "bench",
        "clean",
    } <= named


def test_make_says_what_is_missing_when_there_is_no_python(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    done = run("make", "--no-print-directory", "PYTHON=", f"VENV={venv}", f"{venv}/bin/python")
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_command_on_the_pages_exists() -> None:
    blocks = [
        b for page in PAGES for b in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)
    ]
    lines = {
        tuple(line.split("#")[0].split())
        for block in blocks
        for line in block.splitlines()
        if line.startswith("clickstream ")
    }
    assert len(lines) >= 8
    for line in lines:
        said = CliRunner().invoke(app, [*line[1:], "--help"])
        assert said.exit_code == 0, (line, said.output)
