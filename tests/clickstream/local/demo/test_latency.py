"""Percentiles by nearest rank, of reads that may break off."""

from __future__ import annotations

import asyncio

import httpx

from clickstream.local.demo.disorder import SESSION, Post
from clickstream.local.demo.latency import Percentiles, WriteToReadSampler, percentiles
from core.errors import SinkUnavailable


def test_percentiles_are_values_that_were_measured() -> None:
    seconds = [n / 1000 for n in range(100, 0, -1)]
    assert percentiles(seconds) == Percentiles(100, 50.0, 99.0)


def test_one_measurement_is_all_percentiles() -> None:
    assert percentiles([0.25]) == Percentiles(1, 250.0, 250.0)


def test_a_read_that_breaks_off_is_tried_again() -> None:
    breaks = {"GET session": [httpx.ReadError("broke")], "SQL session": [SinkUnavailable("broke")]}

    def get(_: httpx.Request) -> httpx.Response:
        if breaks["GET session"]:
            raise breaks["GET session"].pop()
        return httpx.Response(200, json={})

    async def has_session(_: str) -> bool:
        if breaks["SQL session"]:
            raise breaks["SQL session"].pop()
        return True

    async def sampled() -> set[str]:
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(get), base_url="http://a"
        ) as http:
            sampler = WriteToReadSampler(http, has_session, every=1)
            await sampler.acknowledged(Post(SESSION, "s", {"session_id": "s"}))
            await sampler.finish()
            return set(sampler.freshness.times)

    assert asyncio.run(sampled()) == {"GET session", "SQL session"}
