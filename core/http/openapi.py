"""msgspec shapes in the OpenAPI document, for routes that read and write bytes themselves."""

from __future__ import annotations

from inspect import getdoc
from typing import Any

import msgspec
from fastapi import FastAPI

from core.http.problem import MEDIA_TYPE, Problem

# OpenAPI parts are open-ended JSON; FastAPI types `responses` and `openapi_extra` the same way.
Part = dict[str, Any]


_DEFINITIONS = "$defs"


class DocumentedApp(FastAPI):
    """FastAPI whose document has the schemas of `schema_of` among its components.

    Routes cannot add components: each brings its definitions with it, and they are moved here.
    """

    def openapi(self) -> Part:
        is_made = self.openapi_schema is not None
        document = super().openapi()
        if not is_made:
            schemas: Part = {}
            _move_definitions(document, schemas)
            document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        return document


def schema_of(shape: type) -> Part:
    """A reference to the JSON Schema of a msgspec struct, with the definitions that it needs."""
    (schema,), definitions = msgspec.json.schema_components(
        [shape], ref_template="#/components/schemas/{name}"
    )
    return {**schema, _DEFINITIONS: definitions}


def request_body(shape: type, example: Part, *, is_open: bool = False) -> Part:
    """`openapi_extra` of a route that reads its JSON body itself. `is_open`: it takes further
    fields, although the decoder of its shape does not."""
    schema = schema_of(shape)
    if is_open:
        for each in schema[_DEFINITIONS].values():
            each.pop("additionalProperties", None)
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def response_docs(shape: type, example: Part, headers: Part | None = None) -> dict[int | str, Part]:
    """`responses` of a route that answers 200 with `shape`."""
    return {
        200: {
            "description": getdoc(shape) or "OK",
            "content": {"application/json": {"schema": schema_of(shape), "example": example}},
            **({"headers": headers} if headers else {}),
        }
    }


def problems() -> dict[int | str, Part]:
    """`responses` that every route of a component has."""
    content = {MEDIA_TYPE: {"schema": schema_of(Problem)}}
    return {
        "4XX": {"description": "The request is refused; the document says why", "content": content},
        "5XX": {"description": "Not now: see Retry-After, then try again", "content": content},
    }


def _move_definitions(part: Any, schemas: Part) -> None:
    if isinstance(part, dict):
        schemas.update(part.pop(_DEFINITIONS, {}))
        for value in part.values():
            _move_definitions(value, schemas)
    elif isinstance(part, list):
        for value in part:
            _move_definitions(value, schemas)
