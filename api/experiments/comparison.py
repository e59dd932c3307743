"""Sums of the variants of an experiment → what they differ in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.experiments.responses import SampleRatio, Variant, VariantMetric
from api.experiments.rows import VariantMetricRow
from api.statistics.false_discovery import benjamini_hochberg
from api.statistics.ratios import Difference, Ratio, UserSums, difference, ratio
from api.statistics.sample_ratio import MISMATCH_BELOW, sample_ratio_p
from api.statistics.sample_size import users_needed

# Every metric, in the order of the view, and the most that it can be.
METRICS: Final[Mapping[str, float | None]] = {
    "session_ctr": 1.0,
    "clicks_per_search": None,
    "position_ctr": 1.0,
    "mean_reciprocal_rank": 1.0,
    "mean_first_click_position": None,
    "zero_result_rate": 1.0,
    "no_click_rate": 1.0,
    "searches_per_user": None,
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about an experiment. `effect` is a part of the control's value; None: the
    sample size is not asked for. `split` are the expected proportions; None: all alike."""

    control: str
    metrics: Sequence[str]
    confidence: float
    power: float
    effect: float | None
    split: Mapping[str, float] | None


def variants(rows: Iterable[VariantMetricRow], split: Mapping[str, float] | None) -> list[Variant]:
    """One of each variant that has users or is expected to have some, in the order of names."""
    found = {row.variant: row for row in rows}
    expected = split if split is not None else dict.fromkeys(found, 1.0)
    total = sum(expected.values())
    made = []
    for name in sorted({*found, *expected}):
        row, share = found.get(name), expected.get(name, 0.0) / total
        made.append(
            Variant(name, row.users, row.outlier_users, row.sessions, row.anonymous_sessions, share)
            if row is not None
            else Variant(name, 0, 0, 0, 0, share)
        )
    return made


def sample_ratio(of: Sequence[Variant], *, outliers_left_out: bool) -> SampleRatio:
    """Also of the users that were left out: they came as all others did."""
    p = sample_ratio_p(
        {each.variant: each.users + each.outlier_users * outliers_left_out for each in of},
        {each.variant: each.expected_share for each in of},
    )
    return SampleRatio(p, p is not None and p < MISMATCH_BELOW)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A row, the control of its metric, and the difference: the control has none."""

    row: VariantMetricRow
    ratio: Ratio | None
    control: Ratio | None
    difference: Difference | None


def metrics(rows: Iterable[VariantMetricRow], question: Question) -> list[VariantMetric]:
    """One of each metric that is asked for and each variant; the control is the first of a metric.

    The control is one of the variants.
    """
    by_metric: dict[str, list[VariantMetricRow]] = {name: [] for name in question.metrics}
    for row in rows:
        if row.metric in by_metric:
            by_metric[row.metric].append(row)
    compared = [each for of_metric in by_metric.values() for each in _compare(of_metric, question)]
    adjusted = benjamini_hochberg(
        [each.difference.p if each.difference else None for each in compared]
    )
    return [_metric(each, p, question) for each, p in zip(compared, adjusted, strict=True)]


def _compare(rows: list[VariantMetricRow], question: Question) -> Iterator[_Compared]:
    control = None
    for row in sorted(rows, key=lambda row: (row.variant != question.control, row.variant)):
        found = ratio(
            UserSums(
                users=row.users,
                x=row.numerator,
                y=row.denominator,
                xx=row.numerator_squares,
                yy=row.denominator_squares,
                xy=row.products,
                parts=row.parts,
            )
        )
        if row.variant == question.control:
            control = found
            yield _Compared(row, found, control, None)
            continue
        told = difference(control, found, question.confidence) if control and found else None
        yield _Compared(row, found, control, told)


def _metric(of: _Compared, p_adjusted: float | None, question: Question) -> VariantMetric:
    row, told = of.row, of.difference
    around = of.ratio.interval(question.confidence) if of.ratio else None
    possible = around.within(0.0, METRICS[row.metric]) if around else None
    needed = None
    if question.effect is not None and of.control is not None:
        needed = users_needed(of.control, question.effect, question.confidence, question.power)
    return VariantMetric(
        metric=row.metric,
        variant=row.variant,
        numerator=_whole(row.numerator, row.parts * row.weight),
        denominator=_whole(row.denominator, row.weight),
        value=row.value,
        low=possible.low if possible else None,
        high=possible.high if possible else None,
        difference=told.value if told else None,
        difference_low=told.interval.low if told else None,
        difference_high=told.interval.high if told else None,
        relative_difference=told.relative if told else None,
        relative_low=told.relative_interval.low if told and told.relative_interval else None,
        relative_high=told.relative_interval.high if told and told.relative_interval else None,
        p=told.p if told else None,
        p_adjusted=p_adjusted,
        is_significant=is_significant(p_adjusted, question.confidence),
        users_needed=needed,
    )


def _whole(number: int, parts: int) -> float:
    return number if parts == 1 else number / parts


def is_significant(p: float | None, confidence: float) -> bool | None:
    """None without a p."""
    # 1 - 0.95 is a little more than 0.05, and 1 - 0.99 a little less than it should be.
    return None if p is None else p <= round(1 - confidence, 12)
