"""Whatever is wrong with a command line or its settings, every command ends with a few lines that
say so, and never with a traceback.

The cases come from the list of commands itself, so that a new command or option has its own. They
run in this process, where one takes a hundredth of a second of CPU; what would serve runs in its
own.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from clickstream.commands.main import app, main

NOWHERE = {
    "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "CLICKSTREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    "CLICKSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:1/clickstream",
}
WRONG_SETTINGS = [
    {"CLICKSTREAM_CLICKHOUSE_URL": "nonsense"},
    {"CLICKSTREAM_SCHEMA_REGISTRY_URL": "nonsense"},
    {"CLICKSTREAM_HTTPS_CA_FILE": "/nonexistent/ca.pem"},
    {"CLICKSTREAM_HTTP__PORT": "nonsense"},
    {"CLICKSTREAM_NONSENSE": "1"},
    {"CLICKSTREAM_KAFKA__nonsense": "1"},
]
# `file` is a file. Some of these are right for some options: then a server is missing.
WRONG_VALUES = ["nonsense", "", "{dir}/file/below"]
# What a required option or argument needs before the rest is looked at.
REQUIRED = {"output": "{dir}/x.parquet", "origin": "earliest", "target": "{dir}/backup"}
# These would start something when all of their input is right: each has an option that is always
# wrong.
STARTS = {
    "up": ["--data-dir", "{dir}/file/below"],
    "demo": ["--data-dir", "{dir}/file/below"],
    "bench": ["--only", "nonsense"],
    "edge": ["--host", "nonsense.invalid"],
    "api": ["--host", "nonsense.invalid"],
    "worker": ["--nonsense"],
}
SERVERS = {"edge", "api"}
# Their command lines here lack something else, or have it wrong, and that may be told instead.
LACKS = {*STARTS, "erase", "keys check", "dlq republish", "dlq purge", "release verify"}
# A client of Kafka waits so long even for a server that refuses connections at once.
KAFKA_SECONDS = [
    "schemas.topic_admin._TIMEOUT_SECONDS",
    "clickstream.operations.log_offsets._REQUEST_SECONDS",
    "api.events.log_follower._REQUEST_SECONDS",
    "clickstream.operations.doctor.runner.CHECK_SECONDS",
]
# What needs no server and is right all the same. An empty text stands for the default.
RIGHT: dict[str, list[list[str]]] = {
    "grants": [[]],
    "schemas check": [[], ["--json"]],
    "keys new": [
        [],
        ["--json"],
        ["--name", "nonsense"],
        ["--name", ""],
        ["--origins", ""],
        ["--expires", ""],
    ],
}
LINES = 4  # as Click writes them: usage, hint, an empty line, the error

BY_HAND = {
    "export as csv": "export -o {dir}/x.csv",
    "export into nowhere": "export -o /nonexistent/x.parquet",
    "restore a file": "restore {dir}/file",
    "no such command": "uq",
}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its whole name; groups are not commands."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, (*path, name))


COMMAND = typer.main.get_command(app)
COMMANDS = dict(leaves(COMMAND))


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

    if name not in SERVERS:
        yield line() + blocked, {}
    yield [*line(), "--no-such-option"], {}
    yield [*line(), *["extra"] * 20, *blocked], {}
    for each in parameters:
        if getattr(each, "is_flag", False):
            if name not in SERVERS:
                yield [*line(), each.opts[0], *blocked], {}
        elif each.opts[0] not in blocked:
            for value in WRONG_VALUES:
                yield line(**{each.name: value}) + blocked, {}
    for wrong in WRONG_SETTINGS:
        yield line() + blocked, wrong


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with a `file`; afterwards what a command changes in its process is as
    it was."""
    (tmp_path / "file").touch()
    for name in [each for each in os.environ if each.startswith("CLICKSTREAM_")]:
        monkeypatch.delenv(name)
    for constant in KAFKA_SECONDS:
        monkeypatch.setattr(constant, 0.2)
    # Building it takes longer than most of these cases.
    monkeypatch.setitem(main.__globals__, "app", COMMAND)
    for name, value in {**NOWHERE, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    root = logging.getLogger()
    logged = root.handlers[:], root.level
    # An earlier test may have left one whose stream is closed: each line would be a traceback.
    root.handlers[:] = [each for each in logged[0] if type(each) is not logging.StreamHandler]
    yield tmp_path
    root.handlers[:], root.level = logged
    for each, handler in handlers.items():
        signal.signal(each, handler)


def run_here(words: list[str], settings: Mapping[str, str]) -> int:
    """The exit status. Whatever would be a traceback is raised."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["clickstream", *words])
        for name, value in settings.items():
            patched.setenv(name, value)
        try:
            main()
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_is_wrong_is_told_in_a_few_lines(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = []
    for template, settings in cases(name):
        words = [word.format(dir=folder) for word in template]
        right = template[len(name.split()) :] in RIGHT.get(name, [])
        try:
            status = run_here(words, settings)
            out, err = capsys.readouterr()
            why = what_is_wrong(status, out, err, may_succeed=right)
            if status and name not in LACKS and not all(each in err for each in settings):
                why = f"the setting is not named: {err}"
        except Exception as error:
            why = f"a traceback: {error!r}"
        if why:
            wrong.append(f"{words} {settings}: {why}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", BY_HAND)
def test_what_people_get_wrong_is_told_in_a_few_lines(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run_here(BY_HAND[name].format(dir=folder).split(), {})
    assert what_is_wrong(status, *capsys.readouterr()) is None
    assert [each.name for each in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_server_that_cannot_listen_says_so_in_a_few_lines(name: str, folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "clickstream", name, *STARTS[name]],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )
    assert what_is_wrong(ended.returncode, ended.stdout, ended.stderr) is None, ended.stderr


def what_is_wrong(status: int, out: str, err: str, *, may_succeed: bool = False) -> str | None:
    if status not in ((0, 1, 2, 75) if may_succeed else (1, 2, 75)):
        return f"exit status {status}"
    if "Traceback" in out + err:
        return "a traceback"
    if len(err.strip().splitlines()) > LINES:
        return f"too many lines: {err}"
    if not (err.strip() or out.strip()):
        return "nothing is said"
    return None
