"""A store whose tables are lists of rows in memory, by the name of the query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api.queries import Query, Row


class MemoryStore:
    """Answers each query with what `rows` has for its name; `asked` has the names, in order."""

    def __init__(self, rows: Mapping[str, Sequence[Any]] | None = None) -> None:
        self.tables: dict[str, Sequence[Any]] = dict(rows or {})
        self.asked: list[str] = []
        self.values: list[Mapping[str, Any]] = []
        self.after: dict[str, Callable[[], None]] = {}
        """What happens behind our back right after a query of this name."""

    async def rows(
        self,
        query: Query[Row],
        seconds: float,  # noqa: ARG002  (the protocol has it)
        **values: Any,
    ) -> list[Row]:
        self.asked.append(query.name)
        self.values.append(values)
        found = list(self.tables.get(query.name, ()))
        if then := self.after.get(query.name):
            then()
        return found

    def stream(self, query: Query[Any], **values: Any) -> Any:
        raise NotImplementedError

    def file(self, query: Query[bytes], format: str, **values: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        return
