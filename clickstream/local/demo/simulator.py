"""One session: a search, the list that was shown, and what the visitor did. Pure and seeded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from clickstream.local.demo.catalog import Catalog, Offer, Query

Json = dict[str, Any]

_SHOWN = (10, 20)
# How much the shop's ranking differs from the visitors' taste; 0 would be a perfect ranker.
_RANKING_NOISE = 0.25
# The chance to look at position p is p to this power: the classic examination curve.
_EXAMINATION_EXPONENT = -1.0
_CLICK_GIVEN_LOOK = 0.9
_CART_GIVEN_CLICK = 0.3
_PURCHASE_GIVEN_CART = 0.4
# An object that the list never held: a deep link, or another tab.
_STRAY_CLICK = 0.01
_KNOWN_USER = 0.7


@dataclass(frozen=True, slots=True)
class SimulatedSession:
    """The bodies that a search front end would post. `events` may be empty."""

    session_id: str
    body: Json
    events: tuple[Json, ...]


class Traffic:
    """An endless stream of sessions; equal arguments give equal sessions."""

    def __init__(self, run_id: str, seed: int, start_ms: int) -> None:
        """`run_id` begins every session id, so that runs on the same data do not mix.

        The n-th session searches at `start_ms` + n: a run has its own stretch of time.
        """
        self._run_id = run_id
        self._start_ms = start_ms
        self._random = Random(seed)  # noqa: S311 - traffic, not secrets
        self._catalog = Catalog(self._random)

    def sessions(self, count: int) -> Iterator[SimulatedSession]:
        for number in range(count):
            yield self._simulate(number)

    def _simulate(self, number: int) -> SimulatedSession:
        session_id = f"{self._run_id}-{number:06d}"
        created_at = self._start_ms + number
        query = self._catalog.draw(self._random)
        shown = self._rank(query)
        return SimulatedSession(
            session_id,
            self._session_body(session_id, query, shown, created_at),
            tuple(self._events(shown, created_at)),
        )

    def _rank(self, query: Query) -> list[tuple[float, Offer]]:
        """The list as shown: the shop's score of each offer, best first."""
        scored = [
            (offer.relevance + self._random.gauss(0, _RANKING_NOISE), offer)
            for offer in query.offers
        ]
        scored.sort(key=lambda pair: -pair[0])
        return scored[: self._random.randint(*_SHOWN)]

    def _session_body(
        self, session_id: str, query: Query, shown: list[tuple[float, Offer]], created_at: int
    ) -> Json:
        session: Json = {
            "session_id": session_id,
            "search_query": query.text,
            "search_results": [
                {
                    "object_id": offer.object_id,
                    "rank": round(score, 4),
                    "meta": {"price_cents": offer.price_cents, "source": "demo"},
                }
                for score, offer in shown
            ],
            "search_meta": {"latency_ms": self._random.randint(3, 180), "total": len(query.offers)},
            "created_at": created_at,
        }
        if self._random.random() < _KNOWN_USER:
            session["user_id"] = f"user-{self._random.randint(1, 5_000)}"
        if self._random.random() < 0.2:
            session["payload_filter"] = {"price_cents": {"lte": self._random.randint(500, 50_000)}}
        if self._random.random() < 0.1:
            session["sort_by"] = {"field": "price_cents", "order": "asc"}
        return session

    def _events(self, shown: list[tuple[float, Offer]], created_at: int) -> Iterator[Json]:
        """Down the list: look, and for what appeals click, put in the cart, buy."""
        at = created_at
        number = 0

        def event(event_type: str, object_id: str, position: int) -> Json:
            nonlocal at, number
            at += self._random.randint(300, 9_000)
            number += 1
            return {
                "event_id": f"evt-{number}",
                "object_id": object_id,
                "event_type": event_type,
                "created_at": at,
                "meta": {"rank_position": position, "after_ms": at - created_at},
            }

        for position, (_, offer) in enumerate(shown, 1):
            if self._random.random() >= position**_EXAMINATION_EXPONENT:
                continue
            yield event("hover", offer.object_id, position)
            if self._random.random() >= _CLICK_GIVEN_LOOK * offer.relevance:
                continue
            yield event("click", offer.object_id, position)
            if self._random.random() < _CART_GIVEN_CLICK:
                yield event("add_to_cart", offer.object_id, position)
                if self._random.random() < _PURCHASE_GIVEN_CART:
                    yield event("purchase", offer.object_id, position)
        if shown:
            yield event("dwell", shown[0][1].object_id, 1)
        if self._random.random() < _STRAY_CLICK:
            yield event("click", "obj-from-elsewhere", 0)
