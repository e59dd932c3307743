from __future__ import annotations

import pytest
from typer.testing import CliRunner

from clickstream.commands.dlq import app


@pytest.mark.parametrize("name", ["list", "show", "republish", "purge"])
def test_every_command_has_help(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0
    assert "--json" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--reason", "wrong_kee"], "use one of"),
        (["list", "--since", "yesterday"], "use an age"),
        (["list", "--state", "shut"], "use pending"),
        (["show", "nothing"], "no dead letter's name"),
        (["republish"], "select dead letters"),
        (["purge"], "select dead letters"),
        (["republish", "--all", "--key", "s"], "for one dead letter"),
    ],
)
def test_a_mistake_is_said_before_any_server_is_asked(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert said in str(done.exception)
