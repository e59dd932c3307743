"""The query parameters of experiments.

What FastAPI cannot check by itself is checked here: each function raises InvalidRequest, which
names the parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Annotated, Final

from fastapi import Query

from api.experiments.comparison import METRICS
from api.metrics.route_parameters import EventType
from api.queries import CLICK
from core.errors import FieldError, InvalidRequest
from core.nearest_name import hint

# Names that an error lists, and characters of one that it shows.
_MOST_NAMED: Final = 10
_LONGEST_SHOWN: Final = 64

# More values are no variants of an experiment but, say, ids; and each is compared with the control.
MOST_VARIANTS: Final = 50


class OutlierRule(StrEnum):
    """What to do with users who search more than most."""

    KEEP = "keep"
    LEAVE_OUT = "leave_out"
    WINSORISE = "winsorise"


Control = Annotated[str, Query(min_length=1, max_length=128)]
Confidence = Annotated[
    float, Query(ge=0.5, le=0.9999, description="Of intervals, and 1 - the level of significance")
]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is asked of an experiment. None: what its parameter says of leaving it out."""

    control: str | None
    variant_field: str | None
    event_type: str
    metrics: Sequence[str]
    confidence: float
    split: Mapping[str, float] | None
    outliers: OutlierRule
    outlier_quantile: float
    effect: float | None
    power: float


def parse_parameters(
    control: Annotated[
        Control | None,
        Query(
            description="The variant to compare the others with; left out: the one named "
            "`control`, or else the first by name"
        ),
    ] = None,
    variant_field: Annotated[
        str | None,
        Query(
            description="The field of search_meta that names the variant, one of "
            "CLICKSTREAM_VARIANT_FIELDS; left out: the first of them"
        ),
    ] = None,
    event_type: EventType = CLICK,
    metrics: Annotated[
        str,
        Query(
            max_length=1_000,
            description=f"Separated by commas; left out, all: {', '.join(METRICS)}",
        ),
    ] = "",
    confidence: Confidence = 0.95,
    split: Annotated[
        str,
        Query(
            max_length=8_000,
            description="The shares of users that were meant, such as control:50,treatment:50; "
            "left out: all alike",
        ),
    ] = "",
    outliers: Annotated[
        OutlierRule,
        Query(
            description="Users with more searches than those at outlier_quantile: keep, leave "
            "out, or count them as if they had made so many (winsorise)"
        ),
    ] = OutlierRule.KEEP,
    outlier_quantile: Annotated[
        float, Query(ge=0.5, lt=1, description="Share of users that are no outliers")
    ] = 0.99,
    effect: Annotated[
        float | None,
        Query(
            gt=0,
            le=10,
            description="A relative difference that one wants to find, 0.02 for 2 %: the "
            "answer then has the users that each variant needs",
        ),
    ] = None,
    power: Annotated[
        float, Query(ge=0.5, le=0.999, description="Probability with which it is found")
    ] = 0.8,
) -> Parameters:
    """The query parameters, as a FastAPI dependency."""
    return Parameters(
        control=control,
        variant_field=variant_field,
        event_type=event_type,
        metrics=parse_metrics(metrics),
        confidence=confidence,
        split=parse_split(split),
        outliers=outliers,
        outlier_quantile=outlier_quantile,
        effect=effect,
        power=power,
    )


def parse_metrics(text: str) -> Sequence[str]:
    """Names separated by commas, each once, in the order of the catalogue; all when it is empty."""
    asked = {name.strip() for name in text.split(",")} if text else set(METRICS)
    for name in sorted(asked - METRICS.keys()):
        raise _refusal("metrics", f"{_shown(name)} is not known: {hint(name, METRICS)}")
    return [name for name in METRICS if name in asked]


def parse_split(text: str) -> Mapping[str, float] | None:
    """`control:50,treatment:50` → the proportions; None when it is empty."""
    if not text:
        return None
    split: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().rpartition(":")
        try:
            split[name] = float(share)
        except ValueError:
            split[name] = -1.0
        if not name or not isfinite(split[name]) or split[name] < 0:
            raise _refusal(
                "split", f"{_shown(part)} is not a variant and its share, such as control:50"
            )
    if len(split) != text.count(",") + 1:
        raise _refusal("split", "names a variant twice")
    if sum(share > 0 for share in split.values()) < 2 or len(split) > MOST_VARIANTS:
        raise _refusal("split", f"must have shares of 2 to {MOST_VARIANTS} variants")
    return split


def check_variant_field(field: str | None, declared: Sequence[str]) -> str:
    """The first one that is declared when none is asked for."""
    if not declared:
        raise _refusal("variant_field", "none is declared: set CLICKSTREAM_VARIANT_FIELDS")
    if field is None:
        return declared[0]
    if field not in declared:
        raise _refusal(
            "variant_field",
            f"{_shown(field)} is not declared in CLICKSTREAM_VARIANT_FIELDS: "
            f"there are {', '.join(declared)}",
        )
    return field


USUAL_CONTROL: Final = "control"


def check_variants(found: Iterable[str], field: str, control: str | None) -> str:
    """The control, with which these can be compared. None at all can."""
    names = sorted(set(found))
    if len(names) > MOST_VARIANTS:
        raise _refusal(
            "variant_field",
            f"search_meta.{field} has more than {MOST_VARIANTS} values in this range: "
            "it does not name variants",
        )
    if control is None:
        return USUAL_CONTROL if USUAL_CONTROL in names or not names else names[0]
    if names and control not in names:
        listed = ", ".join(_shown(name) for name in names[:_MOST_NAMED])
        raise _refusal(
            "control",
            f"{_shown(control)} has no sessions in this range: there are {listed}"
            + (" and more" if len(names) > _MOST_NAMED else ""),
        )
    return control


def _shown(text: str) -> str:
    return repr(text[:_LONGEST_SHOWN])


def _refusal(parameter: str, message: str) -> InvalidRequest:
    return InvalidRequest([FieldError(f"query.{parameter}", message)])
