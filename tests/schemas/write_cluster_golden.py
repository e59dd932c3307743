"""Write cluster.sql, the statements of the whole schema for a cluster: `make golden`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from core.clickhouse.layout import Layout
from schemas.cluster_sql import statements
from schemas.sql_files import load

GOLDEN: Final = Path(__file__).with_name("cluster.sql")

# Columns are those of schemas/tables: what is between the brackets changes nothing here.
_COLUMNS: Final = re.compile(r"^\(\n.*?^\)$", re.MULTILINE | re.DOTALL)


def golden() -> str:
    """The text of the file: without columns, which are the same on one server."""
    files = load()
    layout = Layout("clickstream", "blue")
    texts = (
        _COLUMNS.sub("(…)", statement)
        for file in (*files.tables, *files.views)
        for statement in statements(file, layout, {})
    )
    return "".join(f"{text};\n\n" for text in texts)


if __name__ == "__main__":
    GOLDEN.write_text(golden(), encoding="utf-8")
