"""`Answer`: a whole HTTP response as data, sent by the hot path itself or handed to FastAPI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Send


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in ASGI's form (lower-case bytes) and body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @classmethod
    def of(
        cls, status: int, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An answer with its content-type and content-length set; `headers` are added to them."""
        added = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (headers or {}).items()
        ]
        return cls(
            status,
            (
                (b"content-type", media_type.encode("latin-1")),
                (b"content-length", str(len(body)).encode("latin-1")),
                *added,
            ),
            body,
        )

    async def send(self, send: Send) -> None:
        """As ASGI messages."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})

    def response(self) -> Response:
        """As Starlette's response."""
        response = Response(self.body, self.status)
        response.raw_headers = list(self.headers)
        return response
