"""Send the posts as correct clients do: many at once, retrying what was not answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay

from clickstream.local.demo.api_client import Response, Writer
from clickstream.local.demo.disorder import Post
from clickstream.progress import Advance
from core.consistency.position import POSITION_HEADER, Position, parse_positions

# Requests under way at once: enough to keep the edge busy, few enough for two cores.
CONCURRENCY = 32
# How long one post is tried before it is written off as unanswered.
_GIVE_UP_SECONDS = 60.0
# Waited where an answer names no time: the connection broke.
_PAUSE_SECONDS = 1.0

Acknowledged = Callable[[Post], Awaitable[None]]


class _RetryableError(Exception):
    """The outcome is unknown; `after` is how many seconds the server asks for."""

    def __init__(self, after: float, why: str) -> None:
        super().__init__(why)
        self.after = after


@dataclass(slots=True)
class SendResult:
    """What became of the posts. `acknowledged` is in order within each session."""

    acknowledged: list[Post] = field(default_factory=list)
    unanswered: list[Post] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    positions: dict[tuple[str, int], Position] = field(default_factory=dict)
    retries: int = 0

    def note(self, header: str) -> None:
        """Keep the furthest position of each partition."""
        for position in parse_positions(header):
            place = (position.topic, position.partition)
            self.positions[place] = max(position, self.positions.get(place, position))


class LoadGenerator:
    """One run. `acknowledged` is awaited after each 200, before the session's next post."""

    def __init__(self, http: Writer, acknowledged: Acknowledged) -> None:
        self._http = http
        self._acknowledged = acknowledged
        self._session_locks: dict[str, asyncio.Lock] = {}
        self._result = SendResult()

    async def send(self, posts: Sequence[Post], progress: Advance) -> SendResult:
        """Send all; `progress` is told after each. Never raises for what a server answers."""
        waiting = iter(posts)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONCURRENCY):
                tasks.create_task(self._work(waiting, progress))
        return self._result

    async def _work(self, waiting: Iterator[Post], progress: Advance) -> None:
        for post in waiting:
            # Locks are fair, and nothing is awaited between taking a post and queueing for its
            # session's lock: so the posts of a session go out in their order.
            async with self._session_locks.setdefault(post.session_id, asyncio.Lock()):
                await self._deliver(post)
            progress(1)

    async def _deliver(self, post: Post) -> None:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_RetryableError),
            wait=_as_asked,
            stop=stop_after_delay(_GIVE_UP_SECONDS),
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            response: Response = await attempts(self._post, post)
        except _RetryableError:
            self._result.unanswered.append(post)
            return
        if not response.ok:
            self._result.refused.append(f"{post.path} {response.status}: {response.text()[:200]}")
            return
        self._result.note(response.headers.get(POSITION_HEADER, ""))
        self._result.acknowledged.append(post)
        await self._acknowledged(post)

    async def _post(self, post: Post) -> Response:
        try:
            response = await self._http.post(post.path, post.body)
        except ConnectionError as error:
            raise _RetryableError(_PAUSE_SECONDS, str(error)) from error
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise _RetryableError(
                float(response.headers.get("Retry-After", _PAUSE_SECONDS)), response.text()
            )
        return response

    def _count_retry(self, _: RetryCallState) -> None:
        self._result.retries += 1


def _as_asked(state: RetryCallState) -> float:
    """Seconds to wait: what the server asked for."""
    error = state.outcome.exception() if state.outcome else None
    return error.after if isinstance(error, _RetryableError) else _PAUSE_SECONDS
