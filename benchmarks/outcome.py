"""What a benchmark found: figures of each contender, medians over rounds, and targets."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table

OURS = "clickstream"
"""Name of the contender that is ours, in every benchmark."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one contender did. A figure's name ends in its unit: `cpu_us_per_event`."""

    benchmark: str
    contender: str
    figures: Mapping[str, float]
    note: str = ""
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """What was sampled over time: (seconds since the start, value), named as figures are."""


@dataclass(frozen=True, slots=True)
class Target:
    """What our figure must reach: at most or at least a limit.

    With `against`, the limit is on ours divided by that contender's figure of the same name, taken
    in the same run; the machine's speed then falls out of it. `of` is for a benchmark that measures
    us more than once.
    """

    figure: str
    at_most: float | None = None
    at_least: float | None = None
    against: str | None = None
    of: str = OURS

    def value(self, outcomes: Sequence[Outcome]) -> float | None:
        """Our figure, or its ratio; None when one of the two was not measured."""
        ours = _figure(outcomes, self.of, self.figure)
        if self.against is None or ours is None:
            return ours
        theirs = _figure(outcomes, self.against, self.figure)
        return ours / theirs if theirs else None

    def is_met(self, value: float) -> bool:
        above = self.at_least is not None and value < self.at_least
        return not above and not (self.at_most is not None and value > self.at_most)

    def __str__(self) -> str:
        sign = f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"
        against = f" × {self.against}" if self.against else ""
        whose = f" of {self.of}" if self.of != OURS else ""
        return f"{self.figure}{whose} {sign}{against}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target beside what was reached; `reached` is None when it could not be measured."""

    target: str
    reached: float | None
    is_met: bool | None

    @property
    def number(self) -> str:
        """What was reached, rounded for people."""
        return _number(self.reached)

    @property
    def word(self) -> str:
        """What to call it."""
        return {True: "met", False: "MISSED", None: "not measured"}[self.is_met]


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's medians and verdicts."""

    benchmark: str
    outcomes: Sequence[Outcome]
    verdicts: Sequence[Verdict] = field(default=())

    @classmethod
    def of(
        cls, benchmark: str, rounds: Iterable[Sequence[Outcome]], targets: Sequence[Target]
    ) -> Report:
        """The medians of some rounds, held against the targets."""
        outcomes = medians(rounds)
        verdicts = [_verdict(target, outcomes) for target in targets]
        return cls(benchmark, outcomes, verdicts)

    def to_json(self) -> str:
        """All of it on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def print(self, console: Console) -> None:
        """A table for people."""
        columns = list(dict.fromkeys(name for o in self.outcomes for name in o.figures))
        table = Table("", *columns, title=self.benchmark)
        for outcome in self.outcomes:
            cells = (_number(outcome.figures.get(name)) for name in columns)
            table.add_row(outcome.contender, *cells)
        console.print(table)
        for outcome in self.outcomes:
            if outcome.note:
                console.print(f"  {outcome.contender}: {outcome.note}", highlight=False)
        for verdict in self.verdicts:
            line = f"  {verdict.target}: {verdict.number} {verdict.word}"
            console.print(line, style="red" if verdict.is_met is False else None, highlight=False)


def medians(rounds: Iterable[Sequence[Outcome]]) -> list[Outcome]:
    """One outcome per contender, in the order in which they were first measured."""
    by_contender: dict[tuple[str, str], list[Outcome]] = {}
    for outcomes in rounds:
        for outcome in outcomes:
            by_contender.setdefault((outcome.benchmark, outcome.contender), []).append(outcome)
    return [
        Outcome(
            benchmark,
            contender,
            {
                name: statistics.median(o.figures[name] for o in several if name in o.figures)
                for name in dict.fromkeys(name for o in several for name in o.figures)
            },
            several[-1].note,
            several[-1].curves,
        )
        for (benchmark, contender), several in by_contender.items()
    ]


def _verdict(target: Target, outcomes: Sequence[Outcome]) -> Verdict:
    value = target.value(outcomes)
    return Verdict(str(target), value, None if value is None else target.is_met(value))


def _figure(outcomes: Sequence[Outcome], contender: str, name: str) -> float | None:
    return next((o.figures.get(name) for o in outcomes if o.contender == contender), None)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
