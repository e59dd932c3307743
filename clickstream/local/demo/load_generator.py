"""Send the posts as correct clients do: many at once, retrying what was not answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
)

from clickstream.local.demo.disorder import Post
from clickstream.progress import Advance
from core.consistency.position import POSITION_HEADER, Position, parse_positions

# Requests under way at once: enough to keep the edge busy, few enough for two cores.
CONCURRENCY = 32
# How long one post is tried before it is counted as unanswered.
_GIVE_UP_SECONDS = 60.0
# Waited where an answer names no time, and after a broken connection.
_PAUSE_SECONDS = 1.0

Acknowledged = Callable[[Post], Awaitable[None]]


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

    def __init__(self, http: httpx.AsyncClient, acknowledged: Acknowledged) -> None:
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
            retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_is_temporary),
            wait=_retry_after,
            stop=stop_after_delay(_GIVE_UP_SECONDS),
            before_sleep=self._count_retry,
            retry_error_callback=lambda _: None,
        )
        response: httpx.Response | None = await attempts(self._http.post, post.path, json=post.body)
        if response is None:
            self._result.unanswered.append(post)
        elif not response.is_success:
            refused = f"{post.path} {response.status_code}: {response.text[:200]}"
            self._result.refused.append(refused)
        else:
            self._result.note(response.headers.get(POSITION_HEADER, ""))
            self._result.acknowledged.append(post)
            await self._acknowledged(post)

    def _count_retry(self, _: RetryCallState) -> None:
        self._result.retries += 1


def _is_temporary(response: httpx.Response) -> bool:
    """Whether the client is told to send it again."""
    again = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
    return response.status_code in again


def _retry_after(state: RetryCallState) -> float:
    """Seconds to wait: what the server asked for."""
    if state.outcome is None or state.outcome.failed:
        return _PAUSE_SECONDS
    response: httpx.Response = state.outcome.result()
    return float(response.headers.get("Retry-After", _PAUSE_SECONDS))
