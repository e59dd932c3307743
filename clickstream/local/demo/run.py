"""The demo from its first post to its result, against a system that is up."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from clickhouse_connect.driver.asyncclient import AsyncClient

from clickstream.local.demo.api_client import http_client
from clickstream.local.demo.disorder import IRRELEVANT, Post, schedule
from clickstream.local.demo.latency import Freshness, WriteToReadSampler
from clickstream.local.demo.load_generator import LoadGenerator, SendResult
from clickstream.local.demo.reconciliation import (
    ExpectedState,
    ObservedState,
    compare,
    expected_state,
    rows,
)
from clickstream.local.demo.result import DemoResult, MarkEffect
from clickstream.local.demo.simulator import Traffic
from clickstream.local.demo.verification import ApiReader, Relevant, SqlReader
from clickstream.progress import ProgressReporter
from core.clickhouse.client import connect_async
from core.clock import Clock
from core.http.keys import plain_text
from core.settings import Settings

# Measurements of freshness a run; each costs a few reads.
_SAMPLES = 150


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What is asked for."""

    sessions: int
    seed: int


async def run(
    options: DemoOptions,
    http_url: str,
    settings: Settings,
    clock: Clock,
    progress: ProgressReporter,
) -> DemoResult:
    """Drive, wait for the sink, read back, compare."""
    run_id = f"demo-{secrets.token_hex(4)}"  # runs on the same data must not meet
    start_ms = clock.now_ms()
    sessions = Traffic(run_id, options.seed, start_ms).sessions(options.sessions)
    posts = schedule(sessions, options.seed)
    async with http_client(http_url, _key(settings)) as http, _sql_client(settings) as sql_client:
        api, sql = ApiReader(http), SqlReader(sql_client)
        began = clock.monotonic()
        delivery, freshness = await _drive(posts, http, sql, progress)
        seconds = clock.monotonic() - began
        progress.say("waiting for the sink to reach the last write")
        await api.wait_until_readable(list(delivery.positions.values()))
        progress.say("reading everything back")
        sent = _Sent(run_id, start_ms, start_ms + options.sessions, posts, delivery, seconds)
        return await _reconcile(sent, freshness, http, api, sql)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A run that has been sent; its sessions were created in [start_ms, end_ms)."""

    run_id: str
    start_ms: int
    end_ms: int
    posts: list[Post]
    delivery: SendResult
    seconds: float


async def _drive(
    posts: list[Post], http: httpx.AsyncClient, sql: SqlReader, progress: ProgressReporter
) -> tuple[SendResult, Freshness]:
    sampler = WriteToReadSampler(http, sql.has_session, every=max(1, len(posts) // _SAMPLES))
    driver = LoadGenerator(http, sampler.acknowledged)
    with progress.over("sending", len(posts)) as advance:
        delivery = await driver.send(posts, advance)
    await sampler.finish()
    return delivery, sampler.freshness


async def _reconcile(
    sent: _Sent, freshness: Freshness, http: httpx.AsyncClient, api: ApiReader, sql: SqlReader
) -> DemoResult:
    delivery = sent.delivery
    expected = expected_state(delivery.acknowledged, delivery.unanswered)
    by_api = await api.read_all(sent.run_id, sent.start_ms, sent.end_ms)
    by_sql = await sql.read_all(sent.run_id)
    example = _example(expected, by_api)
    return DemoResult(
        run_id=sent.run_id,
        rows=rows(sent.posts, delivery.acknowledged, expected, by_sql),
        relevant=await _relevant(sent, expected, api, sql),
        api=compare(expected, by_api),
        sql=compare(expected, by_sql),
        unanswered=len(delivery.unanswered),
        refused=delivery.refused,
        retries=delivery.retries,
        seconds=sent.seconds,
        freshness=freshness.percentiles(),
        example=None if example is None else by_api.contents[example],
        # The last: it changes what was counted above.
        mark=await _mark(example, sent, http, api) if example is not None else None,
    )


async def _mark(
    session_id: str, sent: _Sent, http: httpx.AsyncClient, api: ApiReader
) -> MarkEffect:
    """Mark one session irrelevant, and see what that changes."""

    async def nothing_to_measure(_: Post) -> None:
        pass

    before = await api.relevant(sent.start_ms, sent.end_ms)
    mark = Post(IRRELEVANT, session_id, {"session_id": session_id})
    marked = await LoadGenerator(http, nothing_to_measure).send([mark], lambda _: None)
    await api.wait_until_readable(list(marked.positions.values()))
    return MarkEffect(session_id, before, await api.relevant(sent.start_ms, sent.end_ms))


async def _relevant(
    sent: _Sent, expected: ExpectedState, api: ApiReader, sql: SqlReader
) -> Mapping[str, Relevant]:
    kept = expected.sessions.keys() - expected.irrelevant
    return {
        "ledger": Relevant(len(kept), sum(key[0] in kept for key in expected.joined())),
        "API": await api.relevant(sent.start_ms, sent.end_ms),
        "SQL": await sql.relevant(sent.run_id),
    }


def _example(expected: ExpectedState, found: ObservedState) -> str | None:
    """A session worth showing: a short one with a few events, not marked irrelevant; None when the
    API has none."""

    def distance(session_id: str) -> int:
        content = found.contents[session_id]
        return abs(len(content["events"]) - 3) * 10 + abs(len(content["search_results"]) - 10)

    there = found.contents.keys() & expected.sessions.keys() - expected.irrelevant
    return min(there, key=lambda key: (distance(key), key), default=None)


def _key(settings: Settings) -> str | None:
    """A key that the system accepts; None where it asks for none."""
    keys = (*settings.write_keys, *settings.read_keys)
    return plain_text(keys[0]) if keys else None


@asynccontextmanager
async def _sql_client(settings: Settings) -> AsyncIterator[AsyncClient]:
    client = await connect_async(settings, role="demo")
    try:
        yield client
    finally:
        await client.close()
