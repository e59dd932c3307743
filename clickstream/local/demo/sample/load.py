"""Send the sample month through the public API."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from clickstream.local.demo.api_client import http_client, refusal
from clickstream.local.demo.disorder import SESSION, Post
from clickstream.local.demo.load_generator import LoadGenerator
from clickstream.local.demo.sample.month import BOT_USER, Month
from clickstream.local.demo.verification import ApiReader
from clickstream.progress import ProgressReporter
from core.clock import Clock
from core.errors import ClickstreamError
from core.http.keys import plain_text
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Loaded:
    """What has been sent, and can be read."""

    sessions: int
    posts: int


async def load(
    sessions: int,
    http_url: str,
    settings: Settings,
    clock: Clock,
    progress: ProgressReporter,
) -> Loaded:
    """Send about so many sessions.

    Raises ClickstreamError when they are there already, or when a post was refused or not answered.
    """
    posts = list(Month(sessions, clock.now_ms()).posts())
    keys = (*settings.admin_keys, *settings.write_keys)
    async with http_client(http_url, plain_text(keys[0]) if keys else None) as http:
        if await _has_sample(http):
            raise ClickstreamError(
                "the sample data is loaded already; `clickstream demo --remove` deletes it"
            )
        with progress.over("sending sample data", len(posts)) as advance:
            sent = await LoadGenerator(http, _nothing).send(posts, advance)
        if sent.refused or sent.unanswered:
            why = sent.refused[0] if sent.refused else f"{len(sent.unanswered)} posts unanswered"
            raise ClickstreamError(f"the sample data is not complete: {why}")
        progress.say("waiting until it can be read")
        await ApiReader(http).wait_until_readable(list(sent.positions.values()))
    return Loaded(sum(post.path == SESSION for post in posts), len(posts))


async def _has_sample(http: httpx.AsyncClient) -> bool:
    of_one_user = {"user": BOT_USER, "relevance": "include"}
    answer = await http.get("/analytics/overview", params=of_one_user)
    if not answer.is_success:
        raise refusal(answer)
    return bool(answer.json()["sessions"])


async def _nothing(_: Post) -> None:
    """Nothing is measured."""
