"""Keeps pandas out of a process.

Where pandas is installed, pyarrow imports it with the first array that it makes of a list, to see
whether that is one of pandas' own: 32 MB, and an eighth of the CPU of a worker's start.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("workers do without pandas", name=fullname)
        return None


def keep_pandas_out() -> None:
    """Call it before anything imports pandas: it is then as if it were not installed."""
    sys.meta_path.insert(0, _NoPandas())
