"""Whatever is wrong with a command line or its settings, every command ends with a few lines that
say so, and never with a traceback.

The cases come from the list of commands itself, so that a new command or option has its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from clickstream.commands.main import app

NOWHERE = {
    "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "CLICKSTREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    "CLICKSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:1/clickstream",
}
WRONG_SETTINGS = [
    {"CLICKSTREAM_CLICKHOUSE_URL": "nonsense"},
    {"CLICKSTREAM_SCHEMA_REGISTRY_URL": "nonsense"},
    {"CLICKSTREAM_HTTP__PORT": "nonsense"},
    {"CLICKSTREAM_HTTPS_CA_FILE": "/nonexistent/ca.pem"},
    {"CLICKSTREAM_NONSENSE": "1"},
    {"CLICKSTREAM_KAFKA__nonsense": "1"},
]
# `file` is a file and `folder` a directory. Some of these are right for some options: then a server
# is missing.
WRONG_VALUES = ["nonsense", "", "{dir}/file/below"]
# What a required option or argument needs before the rest is looked at.
REQUIRED = {"output": "{dir}/x.parquet", "origin": "earliest", "target": "{dir}/backup"}
# These would start something when all of their input is right, or wait for the servers: each has an
# option that is always wrong.
STARTS = {
    "up": ["--data-dir", "{dir}/file/below"],
    "demo": ["--data-dir", "{dir}/file/below"],
    "bench": ["--only", "nonsense"],
    "edge": ["--host", "nonsense.invalid"],
    "api": ["--host", "nonsense.invalid"],
    "worker": ["--nonsense"],
}
LINES = 4  # as Click writes them: usage, hint, an empty line, the error


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its whole name; groups are not commands."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(app)))


def cases(name: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Command lines with the settings beside those of servers that are away."""
    parameters = [each for each in COMMANDS[name].params if each.name != "help"]
    needed = {each.name: REQUIRED.get(each.name, "x") for each in parameters if each.required}
    blocked = STARTS.get(name, [])

    def line(**values: str) -> list[str]:
        words = name.split()
        for each in parameters:
            if (value := {**needed, **values}.get(each.name)) is not None:
                words += [value] if each.param_type_name == "argument" else [each.opts[0], value]
        return words

    yield line() + blocked, {}
    yield [*line(), "--no-such-option"], {}
    yield [*line(), *["extra"] * 20, *blocked], {}
    for each in parameters:
        if getattr(each, "is_flag", False):
            yield [*line(), each.opts[0], *blocked], {}
        elif each.opts[0] not in blocked:
            for value in WRONG_VALUES:
                yield line(**{each.name: value}) + blocked, {}
    for wrong in WRONG_SETTINGS:
        yield line() + blocked, wrong


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_is_wrong_is_told_in_a_few_lines(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    asked = [
        {"words": [word.format(dir=tmp_path) for word in words], "environment": settings}
        for words, settings in cases(name)
    ]
    (tmp_path / "ran").mkdir()
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run_cases.py")), str(tmp_path / "ran")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if "CLICKSTREAM_" not in name},
            "PYTHONPATH": str(Path.cwd()),
            "HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
            **NOWHERE,
        },
        check=True,
    )
    wrong = [
        f"{case['words']} {case['environment']}: {why}\n{(ended['out'] + ended['err'])[-2000:]}"
        for case, ended in zip(asked, json.loads(ran.stdout), strict=True)
        if (why := what_is_wrong(ended))
    ]
    assert not wrong, f"{len(wrong)} of {len(asked)}:\n" + "\n".join(wrong)


def what_is_wrong(ended: dict[str, Any]) -> str | None:
    if ended["status"] not in (0, 1, 2, 75):
        return f"exit status {ended['status']}"
    if "Traceback" in ended["out"] + ended["err"]:
        return "a traceback"
    if len(ended["err"].strip().splitlines()) > LINES:
        return "too many lines"
    if not (ended["err"].strip() or ended["out"].strip()):
        return "nothing is said"
    return None
