"""`/docs`: Swagger UI over the OpenAPI document, all of it served from here. No key needed: it
shows what the product can do, not what is stored. Requests sent from the page need a key."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>clickstream</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="docs"></div>
<noscript>This needs JavaScript; <a href="openapi.json">openapi.json</a> says the same.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START: Final = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null,
});
"""

# They change with a release alone.
_CACHED: Final = {"cache-control": "max-age=3600"}


def docs_router() -> APIRouter:
    """The page, its three parts, and `/`, which leads to it where there is no other page; not in
    the document itself."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def root() -> Response:
        # Relative: a proxy may serve us below a path of its own.
        return RedirectResponse("docs", status_code=HTTPStatus.TEMPORARY_REDIRECT)

    @router.get("/docs")
    async def page() -> Response:
        return Response(_PAGE, media_type="text/html")

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_CACHED)

    @router.get("/docs/swagger-ui-bundle.js")
    async def script() -> Response:
        return _part("swagger-ui-bundle.js", "text/javascript")

    @router.get("/docs/swagger-ui.css")
    async def style() -> Response:
        return _part("swagger-ui.css", "text/css")

    return router


def _part(name: str, media_type: str) -> Response:
    return Response(_content(name), media_type=media_type, headers=_CACHED)


@cache
def _content(name: str) -> bytes:
    # 1.7 MB of them: read anew for each request, they would keep others waiting.
    return files("fastapi_swagger.resources").joinpath(name).read_bytes()
