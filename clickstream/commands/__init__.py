"""The `clickstream` command: one file per subcommand, imported only when it is called."""

from __future__ import annotations

from clickstream.commands.main import main

__all__ = ["main"]
