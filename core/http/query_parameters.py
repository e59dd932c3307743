"""Query parameters that a route does not have, or has only once, are refused: ignoring one of them
would answer another question than the one that was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from core.errors import FieldError, InvalidRequest
from core.nearest_name import hint

PATHS_ARE_DECLARED: Final = " (paths of what was sent are declared in CLICKSTREAM_DIMENSIONS)"
"""Behind a hint for a name that may be such a path, as search_meta.device is."""

_MOST_LISTED = 20
_LONGEST_NAME = 64


async def known_parameters_only(request: Request) -> None:
    """FastAPI dependency. Raises InvalidRequest, naming each wrong parameter."""
    sent = Counter(name for name, _ in request.query_params.multi_items())
    if not sent:
        return
    known = _parameters_of(request.scope["route"])
    errors = []
    for name, times in sent.items():
        if name not in known:
            errors.append(_unknown(name, known))
        elif times > 1:
            errors.append(FieldError(f"query.{name}", f"is there {times} times: send it once"))
    if errors:
        raise InvalidRequest(errors[:_MOST_LISTED])


def _unknown(name: str, known: tuple[str, ...]) -> FieldError:
    shown = name[:_LONGEST_NAME]
    declared = PATHS_ARE_DECLARED if "." in name else ""
    return FieldError(f"query.{shown}", f"is not known: {hint(shown, known)}{declared}")


def _parameters_of(route: APIRoute) -> tuple[str, ...]:
    return tuple(sorted(set(_names(route.dependant))))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for below in dependant.dependencies:
        yield from _names(below)
