"""Wherever a swap is cut, the live tables become whole: all old, or all new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clickstream.operations.rebuild.databases import TABLES
from clickstream.operations.rebuild.swap import Remedy, Whereabouts, remedy
from core.errors import SetupError

ALL = frozenset(TABLES)


def cuts() -> Iterator[tuple[Whereabouts, Remedy]]:
    """Every state between two renamings of a single table, and what mends it."""
    for moved in range(len(TABLES) + 1):
        away = frozenset(TABLES[:moved])
        yield (
            Whereabouts(live=ALL - away, shadow=ALL, retired=away),
            Remedy.PUT_BACK if moved else Remedy.NOTHING,
        )
    for moved in range(1, len(TABLES) + 1):
        placed = frozenset(TABLES[:moved])
        yield Whereabouts(live=placed, shadow=ALL - placed, retired=ALL), Remedy.GO_ON


@pytest.mark.parametrize(("found", "needed"), list(cuts()))
def test_every_cut_has_its_remedy(found: Whereabouts, needed: Remedy) -> None:
    assert remedy(found) is needed


def test_half_dropped_old_tables_do_not_come_back() -> None:
    found = Whereabouts(live=ALL, shadow=frozenset(), retired=frozenset(TABLES[3:]))
    assert remedy(found) is Remedy.GO_ON


def test_a_table_that_somebody_removed_is_told() -> None:
    found = Whereabouts(live=frozenset(TABLES[:1]), shadow=frozenset(TABLES[2:]), retired=ALL)
    with pytest.raises(SetupError, match=TABLES[1]):
        remedy(found)


def test_sessions_move_last() -> None:
    assert TABLES[-1] == "sessions"
