"""End a query whose caller has gone: nobody would see the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

# As web servers log it; the client does not see it.
_CLIENT_CLOSED_REQUEST = 499


async def while_connected(request: Request, response: Coroutine[Any, Any, Response]) -> Response:
    """The result of `response`, which is cancelled when the client closes its connection.

    The request must have no body that is still to be read. Raises what `response` raises.
    """
    work = asyncio.create_task(response)
    gone = asyncio.create_task(_client_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _client_gone(request: Request) -> None:
    """Returns when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
