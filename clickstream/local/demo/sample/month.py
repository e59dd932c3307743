"""Thirty days of the shop's searches, as the posts that its front end would have made.

Pure and seeded. Every session has a user of `USERS`, so that erasing these users removes all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from clickstream.local.demo.disorder import EVENTS, IRRELEVANT, SESSION, Post
from clickstream.local.demo.sample.shop import PROMOTED, Item, Shop, Topic
from clickstream.local.demo.simulator import Json
from core.clock import SystemClock

BOT_USER: Final = "sample-user-bot"
_PEOPLE: Final = tuple(f"sample-user-{number:03d}" for number in range(400))
USERS: Final = (*_PEOPLE, BOT_USER)

_DAY_MS: Final = 86_400_000
_DAYS: Final = 30
_LATE_DAYS: Final = 6
_HOURS: Final = (1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 13, 11, 12, 13, 13, 12, 11, 9, 8, 7, 5, 3, 2)
_WEEKEND: Final = 0.45

_TYPING_RUN: Final = 0.10
_LATER_SEARCH: Final = 0.45
_MARKED: Final = 0.01
_BOT: Final = 0.01
_INTERLEAVED: Final = 0.25
_SHOWN: Final = (8, 20)
# How much a ranking differs from people's taste. The treatment and the hybrid are better.
_NOISE: Final = {"control": 0.42, "treatment": 0.14}
_TEAM_NOISE: Final = {"bm25": 0.40, "hybrid": 0.22}
_CLICK_GIVEN_LOOK: Final = 0.55
# The chance to look at position p is p to this power.
_EXAMINATION: Final = -0.75


@dataclass(slots=True)
class _Visit:
    """One person's few minutes; `at`: the time of the next search, milliseconds."""

    user: str
    variant: str
    device: str
    at: int


SAMPLE_SESSIONS: Final = 3_000


def sample_posts() -> Iterator[Json]:
    """The month until now, as the console sends it."""
    for post in Month(SAMPLE_SESSIONS, SystemClock().now_ms()).posts():
        yield {"path": post.path, "body": post.body}


class Month:
    """Equal arguments give equal posts."""

    def __init__(self, sessions: int, now_ms: int, seed: int = 1) -> None:
        """About so many sessions, created in the thirty days before `now_ms`."""
        self._sessions = sessions
        self._now_ms = now_ms
        self._random = Random(seed)  # noqa: S311 - traffic, not secrets
        self._shop = Shop(self._random)
        # Another one each time: what was erased never comes back under its old ids.
        self._prefix = f"sample-{now_ms // 1000:x}"
        self._made = 0

    def posts(self) -> Iterator[Post]:
        """Those of one session in their order."""
        yield from self._bot_visit(self._visit())  # however few there are
        while self._made < self._sessions:
            visit = self._visit()
            if self._random.random() < _BOT:
                yield from self._bot_visit(visit)
            else:
                yield from self._person_visit(visit)

    def _visit(self) -> _Visit:
        random = self._random
        user = random.choice(_PEOPLE)
        midnight = self._now_ms - self._now_ms % _DAY_MS
        while True:
            day = midnight - random.randint(0, _DAYS) * _DAY_MS
            is_weekend = datetime.fromtimestamp(day / 1000, UTC).weekday() > 4
            if is_weekend and random.random() > _WEEKEND:
                continue
            hour = random.choices(range(24), _HOURS)[0]
            at = day + hour * 3_600_000 + random.randrange(3_600_000)
            if self._now_ms - _DAYS * _DAY_MS < at < self._now_ms - 600_000:
                break
        number = _PEOPLE.index(user)
        return _Visit(
            user,
            "treatment" if number % 2 else "control",
            ("mobile", "desktop", "desktop", "tablet")[number % 4],
            at,
        )

    def _bot_visit(self, visit: _Visit) -> Iterator[Post]:
        """Marked irrelevant, as a shop's own filter would."""
        visit.user, visit.device = BOT_USER, "bot"
        for _ in range(4):
            topic = self._draw(visit.at)
            session_id, post = self._search(visit, topic.text, topic)
            yield post
            yield Post(IRRELEVANT, session_id, {"session_id": session_id})
            visit.at += 900

    def _person_visit(self, visit: _Visit) -> Iterator[Post]:
        random = self._random
        topic = self._draw(visit.at)
        if random.random() < _TYPING_RUN and len(topic.text) > 4:
            yield from self._typed(visit, topic)
        yield from self._searched(visit, topic)
        while random.random() < _LATER_SEARCH or not topic.items:
            meant = self._shop.after(topic)
            visit.at += random.randint(4_000, 20_000) if meant else random.randint(12_000, 140_000)
            topic = meant or self._draw(visit.at)
            if visit.at > self._now_ms - 60_000:
                return
            yield from self._searched(visit, topic)
            if topic.items and random.random() < _MARKED:
                last = f"{self._prefix}-{self._made:05d}"
                yield Post(IRRELEVANT, last, {"session_id": last})

    def _typed(self, visit: _Visit, topic: Topic) -> Iterator[Post]:
        """A search for every few letters: nobody clicks in these lists."""
        length = self._random.randint(3, len(topic.text) - 1)
        while length < len(topic.text):
            _, post = self._search(visit, topic.text[:length], topic)
            yield post
            visit.at += self._random.randint(400, 2_500)
            length += self._random.randint(1, 3)

    def _searched(self, visit: _Visit, topic: Topic) -> Iterator[Post]:
        session_id, post = self._search(visit, topic.text, topic)
        yield post
        events = list(self._events(visit.at, post.body["search_results"], topic))
        if events:
            yield Post(EVENTS, session_id, {"session_id": session_id, "events": events})

    def _draw(self, at: int) -> Topic:
        is_late = at > self._now_ms - _LATE_DAYS * _DAY_MS
        return self._shop.draw(self._random, is_late=is_late)

    def _search(self, visit: _Visit, text: str, topic: Topic) -> tuple[str, Post]:
        self._made += 1
        session_id = f"{self._prefix}-{self._made:05d}"
        random = self._random
        meta: Json = {
            "source": "sample",
            "device": visit.device,
            "variant": visit.variant,
            "latency_ms": random.randint(8, 160),
        }
        body: Json = {
            "session_id": session_id,
            "search_query": text,
            "search_results": self._shown(topic, visit.variant),
            "search_meta": meta,
            "user_id": visit.user,
            "created_at": visit.at,
        }
        if random.random() < 0.1:
            body["sort_by"] = {"field": "price", "order": "asc"}
        return session_id, Post(SESSION, session_id, body)

    def _shown(self, topic: Topic, variant: str) -> list[Json]:
        """The list: the ranking's score of each item, best first, so items move about."""
        random = self._random
        if not topic.items:
            return []
        count = random.randint(*_SHOWN)
        if random.random() < _INTERLEAVED:
            shown = self._interleaved(topic, count)
        else:
            shown = [
                _result(item, score) for item, score in self._ranked(topic, _NOISE[variant])[:count]
            ]
        if random.random() < 0.1:
            shown.insert(2, {"object_id": PROMOTED, "rank": 9.0, "meta": {"promoted": True}})
        return shown

    def _ranked(self, topic: Topic, noise: float) -> list[tuple[Item, float]]:
        scored = [(item, item.relevance + self._random.gauss(0, noise)) for item in topic.items]
        return sorted(scored, key=lambda pair: -pair[1])

    def _interleaved(self, topic: Topic, count: int) -> list[Json]:
        """Team draft: in each round, in a random order, each ranking adds its best unused item."""
        rankings = {team: self._ranked(topic, noise) for team, noise in _TEAM_NOISE.items()}
        used: set[str] = set()
        shown: list[Json] = []
        while len(shown) < min(count, len(topic.items)):
            for team in self._random.sample(sorted(rankings), len(rankings)):
                best = next((p for p in rankings[team] if p[0].object_id not in used), None)
                if best is not None:
                    used.add(best[0].object_id)
                    shown.append(_result(*best, team=team))
        return shown[:count]

    def _events(self, at: int, shown: list[Json], topic: Topic) -> Iterator[Json]:
        random = self._random
        relevance = {item.object_id: item for item in topic.items}
        number = 0

        def event(event_type: str, object_id: str, when: int, meta: Json | None = None) -> Json:
            nonlocal number
            number += 1
            made: Json = {
                "event_id": f"{number}",
                "object_id": object_id,
                "event_type": event_type,
                "created_at": when,
            }
            return made if meta is None else {**made, "meta": meta}

        for position, result in enumerate(shown, 1):
            item = relevance.get(result["object_id"])
            if item is None or random.random() >= position**_EXAMINATION:
                continue
            at += random.randint(700, 6_000)
            if random.random() >= _CLICK_GIVEN_LOOK * item.relevance:
                continue
            yield event("click", item.object_id, at)
            if random.random() < 0.12:
                yield event("add_to_cart", item.object_id, at + random.randint(5_000, 60_000))
                # Some buy days later.
                late = at + int(random.expovariate(1 / _DAY_MS))
                if random.random() < 0.5 and late < self._now_ms:
                    yield event("purchase", item.object_id, late, {"amount": item.price})


def _result(item: Item, score: float, team: str | None = None) -> Json:
    meta: Json = {"price": item.price}
    return {
        "object_id": item.object_id,
        "rank": round(score, 4),
        "meta": meta if team is None else {**meta, "team": team},
    }
