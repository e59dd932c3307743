"""`clickstream keys`: make keys, or check one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clickstream.commands.options import AsJson

if TYPE_CHECKING:
    from core.http.keys import Key

app = typer.Typer(help="Make API keys, or check one.", no_args_is_help=True)

RightName = Literal["write", "sessions", "events", "marks", "read", "admin"]


@app.command()
def new(
    right: Annotated[
        RightName,
        typer.Option(help="What the key may do. `write`: sessions, events and marks."),
    ] = "write",
    name: Annotated[str, typer.Option(help="Its name in logs and in the trail of marks.")] = "",
    origins: Annotated[
        str, typer.Option(help="Only for pages of https://a.example|https://b.example.")
    ] = "",
    expires: Annotated[str, typer.Option(help="Last day, 2027-01-31, or an ISO time.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once; the settings get its hash, which is no secret."""
    from core.http.keys import SINGLE_WRITES, Right, declaration, new_key, parse

    key = new_key(Right(right))
    kind, rights = (Right.WRITE, right) if Right(right) in SINGLE_WRITES else (Right(right), "")
    attributes = {"name": name, "origins": origins, "rights": rights, "expires": expires}
    setting = declaration(key, attributes)
    variable = f"CLICKSTREAM_{kind.name}_KEYS"
    parse(setting, kind, "keys new")
    if as_json:
        print(json.dumps({"key": key, "variable": variable, "value": setting}))
        return
    print(f"key, shown this once:  {key}")
    print(f"setting, no secret:    {variable}='{setting}'")
    print("Several keys are separated by commas. Restart the processes to put a key into use.")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Read a key from stdin and print what it may do.

    Exit status 1 when the settings do not have this key, or when it has expired."""
    from core.clock import SystemClock
    from core.http.keys import digest_of, keys_of
    from core.settings import Settings

    digest = digest_of(_key_from_stdin().encode())
    found = next((key for key in keys_of(Settings()) if key.digest == digest), None)
    now_ms = SystemClock().now_ms()
    is_expired = found is not None and found.expires_ms is not None and found.expires_ms <= now_ms
    if as_json:
        print(json.dumps({"known": found is not None, "expired": is_expired, **_said(found)}))
    elif found is None:
        print("this key is not known", file=sys.stderr)
    else:
        for what, value in _said(found).items():
            said = ", ".join(value) if isinstance(value, list) else value
            print(f"{what + ':':9} {said or '-'}")
        if is_expired:
            print("this key has expired", file=sys.stderr)
    if found is None or is_expired:
        raise typer.Exit(1)


def _key_from_stdin() -> str:
    from getpass import getpass

    # Typed at a terminal it must not be shown; piped, the line's end is not a part of it.
    return getpass("key: ").strip() if sys.stdin.isatty() else sys.stdin.readline().strip()


def _said(key: Key | None) -> dict[str, str | list[str] | None]:
    from core.http.keys import moment

    if key is None:
        return {}
    return {
        "name": key.name,
        "rights": sorted(right.value for right in key.rights),
        "origins": sorted(key.origins),
        "expires": None if key.expires_ms is None else moment(key.expires_ms),
    }
