"""The driver: in order within a session, patient with 503, honest about the rest."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from clickstream.local.demo import load_generator
from clickstream.local.demo.disorder import SESSION, Post
from clickstream.local.demo.load_generator import LoadGenerator, SendResult
from core.consistency.position import POSITION_HEADER

Handler = Callable[[Any], httpx.Response]


def send(handler: Handler, posts: list[Post]) -> SendResult:
    """The server is a function of the body posted."""

    async def serve(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        for _ in range(body["number"] % 7):  # a network lets later requests overtake
            await asyncio.sleep(0)
        return handler(body)

    async def send_all() -> SendResult:
        transport = httpx.MockTransport(serve)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as http:
            return await LoadGenerator(http, _nothing).send(posts, lambda _: None)

    return asyncio.run(send_all())


async def _nothing(post: Post) -> None:
    """No one is interested in the acknowledgement."""


def post(session_id: str, number: int = 0) -> Post:
    return Post(SESSION, session_id, {"session_id": session_id, "number": number})


def test_posts_of_one_session_are_sent_in_their_order() -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    def handler(body: Any) -> httpx.Response:
        seen[body["session_id"]].append(body["number"])
        return httpx.Response(200)

    posts = [post(f"s{n % 3}", n) for n in range(300)]
    delivery = send(handler, posts)
    assert len(delivery.acknowledged) == 300
    assert all(numbers == sorted(numbers) for numbers in seen.values())


@pytest.mark.parametrize("status", [503, 429])
def test_what_will_pass_is_tried_again_after_the_time_it_names(status: int) -> None:
    answers = iter([httpx.Response(status, headers={"Retry-After": "0"}), httpx.Response(200)])
    delivery = send(lambda _: next(answers), [post("a")])
    assert (len(delivery.acknowledged), delivery.retries) == (1, 1)


def test_a_broken_connection_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_generator, "_PAUSE_SECONDS", 0.0)
    outcomes = iter([True, False])

    def handler(body: Any) -> httpx.Response:
        if next(outcomes):
            raise httpx.ReadError("cut")
        return httpx.Response(200)

    delivery = send(handler, [post("a")])
    assert (len(delivery.acknowledged), delivery.retries) == (1, 1)


def test_a_post_that_never_gets_an_answer_is_not_counted_as_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load_generator, "_GIVE_UP_SECONDS", 0.0)
    delivery = send(lambda _: httpx.Response(503, headers={"Retry-After": "0"}), [post("a")])
    assert (delivery.acknowledged, len(delivery.unanswered)) == ([], 1)


def test_a_refusal_is_told_and_not_tried_again() -> None:
    delivery = send(lambda _: httpx.Response(422, content=b"rank"), [post("a")])
    assert delivery.refused == ["/session 422: rank"]
    assert delivery.retries == 0


def test_the_furthest_position_of_each_partition_is_kept() -> None:
    headers = iter(["t/0@5", "t/0@3", "t/1@1"])
    delivery = send(
        lambda _: httpx.Response(200, headers={POSITION_HEADER: next(headers)}),
        [post("a", n) for n in range(3)],
    )
    assert sorted(map(str, delivery.positions.values())) == ["t/0@5", "t/1@1"]
