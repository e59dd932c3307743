"""Logging set-up of every process: one record a line on stderr, as text or as JSON.

Modules log by `logging.getLogger(__name__)`, as libraries do. structlog formats all of it in one
place; repeated warnings of client libraries are held back by `core.log_throttle`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog
from structlog.types import Processor

from core.errors import SetupError
from core.log_throttle import ThrottleFilter

LogFormat = Literal["console", "json"]

_CREDENTIALS_IN_URL: Final = re.compile(r"(?<=://)[^/\s@\"]*@")

# What a log call may give as `extra=`: a field of its own in JSON.
_FIELDS: Final = ("request_id",)

# Their INFO is one line for each request that we make.
_CHATTY_LIBRARIES: Final = ("httpx", "httpx2", "httpcore", "clickhouse_connect", "urllib3")


def configure_logging(level: str, log_format: LogFormat = "console") -> None:
    """Send every logger to stderr at `level`; SetupError when there is no such level.

    Each command calls it once before anything logs; a second call replaces the first.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise SetupError(f"CLICKSTREAM_LOG_LEVEL={level!r}: use DEBUG, INFO, WARNING or ERROR")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(log_format))
    handler.addFilter(ThrottleFilter())
    logging.basicConfig(level=number, handlers=[handler], force=True)
    for name in _CHATTY_LIBRARIES:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def make_formatter(log_format: LogFormat) -> logging.Formatter:
    """A formatter whose every record is one line without the credentials that URLs may carry.

    `console`: time, level, logger and message; line breaks of a traceback are written as \\n.
    `json`: an object with timestamp, level, logger, message and, after a failure, exception; of a
    line about a request also request_id.
    """
    rendering: list[Processor] = [_console_line]
    if log_format == "json":
        rendering = [
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(allow=_FIELDS),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _strike_credentials,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )


def _strike_credentials(
    _logger: Any, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in record.items():
        if isinstance(value, str):
            record[name] = _CREDENTIALS_IN_URL.sub("***@", value)
    return record


def _console_line(_logger: Any, _method: str, record: MutableMapping[str, Any]) -> str:
    head = f"{record['timestamp']} {record['level'].upper()} {record['logger']}: {record['event']}"
    details = (record[name] for name in ("exception", "stack") if name in record)
    return "\n".join([head, *details]).replace("\r", "\\r").replace("\n", "\\n")
