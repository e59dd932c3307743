"""Write schemas/golden.json from a database that the files of schemas/ made: `make golden`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from pydantic import SecretStr

from clickstream.local.engines.local_servers import run_local_servers
from core.clickhouse.client import connect, database_of
from core.settings import Settings
from schemas.drift import GOLDEN, Described, describe
from schemas.migrate import migrate

DATABASE = "golden"


def golden(settings: Settings) -> str:
    """The text of the file. Makes the database of the settings."""
    migrate(settings)
    with connect(settings) as client:
        tables, columns = describe(client, database_of(settings))
    return f'{{"tables": {{\n{_lines(tables)}\n}},\n"columns": {{\n{_lines(columns)}\n}}}}\n'


def _lines(parts: Described) -> str:
    """One line a part, so that a changed column is a changed line."""
    return ",\n".join(
        f"{json.dumps(name)}: {json.dumps(properties, ensure_ascii=False)}"
        for name, properties in parts.items()
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, run_local_servers(Path(folder)) as engines:
        url = SecretStr(engines.clickhouse_database_url(DATABASE))
        GOLDEN.write_text(golden(Settings(_env_file=None, clickhouse_url=url)), encoding="utf-8")


if __name__ == "__main__":
    main()
