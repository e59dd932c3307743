"""A component whose every part a test can see and set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.http.scope_keys import CALLER

Handler = Callable[[], Awaitable[Response]]


class FakeComponent:
    """One route, `/thing`, for GET and POST; `diary` lists what happened to the component."""

    def __init__(self, name: str = "fake", diary: list[str] | None = None) -> None:
        self.name = name
        self.diary = [] if diary is None else diary
        self.reasons: list[str] = []
        self.is_hanging = False
        self.start_error: Exception | None = None
        self.handler: Handler | None = None

    def routers(self) -> Sequence[APIRouter]:
        router = APIRouter()

        @router.get("/thing")
        async def get_thing(request: Request, number: int = 0) -> Response:
            if self.handler is not None:
                return await self.handler()
            return Response(f"{request.scope.get(CALLER)} {number}")

        @router.post("/thing")
        async def post_thing(request: Request) -> Response:
            return Response(f"{request.scope.get(CALLER)}")

        return (router,)

    async def start(self) -> None:
        self.diary.append(f"start {self.name}")
        if self.start_error is not None:
            raise self.start_error

    async def stop(self) -> None:
        self.diary.append(f"stop {self.name}")

    async def ready(self) -> Sequence[str]:
        if self.is_hanging:
            await asyncio.Event().wait()
        return self.reasons
