"""msgspec shapes in the OpenAPI document, for routes that read and write bytes themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from core.http.problem import MEDIA_TYPE, Problem

# OpenAPI parts are open-ended JSON; FastAPI types `responses` and `openapi_extra` the same way.
Part = dict[str, Any]


def schema_of(shape: type) -> Part:
    """The JSON Schema of a msgspec struct in one piece: a route cannot add components."""
    (schema,), components = msgspec.json.schema_components([shape], ref_template="{name}")
    inlined: Part = _inlined(schema, components)
    return inlined


def request_body(shape: type, example: Part) -> Part:
    """`openapi_extra` of a route that reads its JSON body itself."""
    content = {"application/json": {"schema": schema_of(shape), "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def response_docs(shape: type, example: Part, headers: Part | None = None) -> dict[int | str, Part]:
    """`responses` of a route that answers 200 with `shape`."""
    schema = schema_of(shape)
    return {
        200: {
            "description": schema.get("description", "OK"),
            "content": {"application/json": {"schema": schema, "example": example}},
            **({"headers": headers} if headers else {}),
        }
    }


def problems() -> dict[int | str, Part]:
    """`responses` that every route of a role has."""
    content = {MEDIA_TYPE: {"schema": schema_of(Problem)}}
    return {
        "4XX": {"description": "The request is refused; the document says why", "content": content},
        "5XX": {"description": "Not now: see Retry-After, then try again", "content": content},
    }


def _inlined(schema: Any, components: Part) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(components[schema["$ref"]], components)
        return {key: _inlined(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(value, components) for value in schema]
    return schema
