"""The driver: in order within a session, patient with 503, honest about the rest."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

import httpx
import pytest

from clickstream.demo import drive
from clickstream.demo.drive import Delivery, Driver
from clickstream.demo.schedule import SESSION, Post
from clickstream.position import HEADER

Handler = Callable[[httpx.Request], httpx.Response]


def send(handler: Handler, posts: list[Post]) -> Delivery:
    async def go() -> Delivery:
        transport = httpx.MockTransport(handler)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            return await Driver(client, _nothing).send(posts, lambda: None)

    return asyncio.run(go())


async def _nothing(post: Post) -> None:
    """No one is interested in the acknowledgement."""


def post(session_id: str, number: int = 0) -> Post:
    return Post(SESSION, session_id, {"session_id": session_id, "number": number})


def test_posts_of_one_session_are_sent_in_their_order() -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    def handler(request: httpx.Request) -> httpx.Response:
        body = httpx.Response(200, content=request.content).json()
        seen[body["session_id"]].append(body["number"])
        return httpx.Response(200)

    posts = [post(f"s{n % 3}", n) for n in range(300)]
    delivery = send(handler, posts)
    assert len(delivery.acknowledged) == 300
    assert all(numbers == sorted(numbers) for numbers in seen.values())


def test_a_503_is_tried_again_after_the_time_it_names() -> None:
    answers = iter([httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(200)])
    delivery = send(lambda _: next(answers), [post("a")])
    assert (len(delivery.acknowledged), delivery.retries) == (1, 1)


def test_a_broken_connection_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "_PAUSE_SECONDS", 0.0)
    outcomes = iter([True, False])

    def handler(request: httpx.Request) -> httpx.Response:
        if next(outcomes):
            raise httpx.ReadError("cut", request=request)
        return httpx.Response(200)

    delivery = send(handler, [post("a")])
    assert (len(delivery.acknowledged), delivery.retries) == (1, 1)


def test_a_post_that_never_gets_an_answer_is_not_counted_as_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drive, "_GIVE_UP_SECONDS", 0.0)
    delivery = send(lambda _: httpx.Response(503, headers={"Retry-After": "0"}), [post("a")])
    assert (delivery.acknowledged, len(delivery.unanswered)) == ([], 1)


def test_a_refusal_is_told_and_not_tried_again() -> None:
    delivery = send(lambda _: httpx.Response(422, text="rank"), [post("a")])
    assert delivery.refused == ["/session 422: rank"]
    assert delivery.retries == 0


def test_the_furthest_position_of_each_partition_is_kept() -> None:
    headers = iter(["t/0@5", "t/0@3", "t/1@1"])
    delivery = send(
        lambda _: httpx.Response(200, headers={HEADER: next(headers)}),
        [post("a", n) for n in range(3)],
    )
    assert sorted(map(str, delivery.positions.values())) == ["t/0@5", "t/1@1"]
