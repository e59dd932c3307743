"""A schema registry in memory."""

from __future__ import annotations

import json

from core.errors import SchemaIncompatible
from schemas.compatibility import FULL_TRANSITIVE, find_clash, parse
from schemas.registry import RegisteredSchema, another_registry


class MemoryRegistry:
    """The promises of `SchemaRegistry` without a server."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._subjects: dict[str, list[int]] = {}
        self._levels: dict[str, str] = {}

    def register(self, subject: str, schema: str) -> int:
        parse(schema)  # raises when it is no Avro schema
        text = _compact(schema)
        versions = self._subjects.get(subject, [])
        for schema_id in versions:
            if self.schema(schema_id) == text:
                return schema_id
        if not self.is_compatible(subject, schema):
            raise SchemaIncompatible(f"{subject}: an earlier version cannot be read or read this")
        if text not in self._texts:
            self._texts.append(text)
        schema_id = self._texts.index(text) + 1
        self._subjects[subject] = [*versions, schema_id]
        return schema_id

    def schema(self, schema_id: int) -> str:
        if not 1 <= schema_id <= len(self._texts):
            raise LookupError(f"schema {schema_id} not found")
        return self._texts[schema_id - 1]

    def confirm(self, schema_id: int, schema: str) -> None:
        if self._texts[schema_id - 1 : schema_id] != [_compact(schema)]:
            raise another_registry("(memory)", schema_id)

    def latest(self, subject: str) -> RegisteredSchema | None:
        versions = self._subjects.get(subject)
        if not versions:
            return None
        return RegisteredSchema(subject, len(versions), versions[-1], self.schema(versions[-1]))

    def is_compatible(self, subject: str, schema: str) -> bool:
        if self._levels.get(subject) != FULL_TRANSITIVE:
            return True
        earlier = [self.schema(schema_id) for schema_id in self._subjects.get(subject, [])]
        return not any(find_clash(schema, text) or find_clash(text, schema) for text in earlier)

    def set_compatibility(self, subject: str, level: str) -> None:
        if level not in (FULL_TRANSITIVE, "NONE"):
            raise ValueError(f"only FULL_TRANSITIVE and NONE are known here, not {level}")
        self._levels[subject] = level


def _compact(schema: str) -> str:
    return json.dumps(json.loads(schema), ensure_ascii=False, separators=(",", ":"))
