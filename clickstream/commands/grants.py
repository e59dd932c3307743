"""`clickstream grants`: ClickHouse roles with the rights of each process, as SQL."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.grants import Role


def grants(
    roles: Annotated[
        list[Role] | None, typer.Argument(help="Whose rights; all of them when none is named.")
    ] = None,
) -> None:
    """Print SQL that makes a ClickHouse role for each process, with the least it needs.

    Changes nothing. Pipe it into `clickhouse client --multiquery` as a user who may grant, then
    give the roles to users of yours: docs/clickhouse-users.md.
    """
    from core.clickhouse.layout import Layout
    from core.settings import Settings
    from schemas.grants import script

    layout = Layout.of(Settings())
    for role in roles or list(Role):
        typer.echo(f"-- {role}")
        typer.echo(script(role, layout))
