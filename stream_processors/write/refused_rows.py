"""Finds the rows that ClickHouse refuses though it takes others: they must not hold those up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import pyarrow as pa

from core.errors import StatementRefused

# Refusals before a row is taken, and in all. Beyond, the table is at fault and not its rows: half
# a second, and half a minute. A table that refuses everything is not asked row by row.
_MOST_BEFORE_ONE_IS_TAKEN: Final = 100
_MOST_REFUSALS: Final = 10_000


class RefusedRow(NamedTuple):
    """A table of one row, and what ClickHouse says of it."""

    row: pa.Table
    error: str


def write_all_but_refused(
    parts: Iterable[pa.Table], write: Callable[[pa.Table], object]
) -> list[RefusedRow]:
    """Write all parts; what is refused is halved, until the culprits stand alone.

    Returns those, each refused once more after others were taken. Raises StatementRefused when no
    row is taken: then nothing tells a wrong row from a table that takes none. Raises what else
    `write` raises. Rows may be written more than once.
    """
    waiting, alone = deque(parts), list[pa.Table]()
    refusals, is_one_taken = 0, False
    while waiting:
        part = waiting.popleft()
        refused = _refusal(write, part)
        if refused is None:
            is_one_taken = True
            continue
        refusals += 1
        waiting.extend(_halves(part))
        alone += [part] * (part.num_rows == 1)
        most = _MOST_REFUSALS if is_one_taken else _MOST_BEFORE_ONE_IS_TAKEN
        if refusals > most or not (is_one_taken or waiting):
            raise refused
    again = ((row, _refusal(write, row)) for row in alone)
    return [RefusedRow(row, str(refused)) for row, refused in again if refused is not None]


def _refusal(write: Callable[[pa.Table], object], rows: pa.Table) -> StatementRefused | None:
    try:
        write(rows)
    except StatementRefused as error:
        return error
    return None


def _halves(rows: pa.Table) -> list[pa.Table]:
    half = rows.num_rows // 2
    return [rows.slice(0, half), rows.slice(half)] if half else []
