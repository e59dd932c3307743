"""The replay of a selection, put together from the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clickstream.operations.dead_letters.dead_letter import Letter, Selection
from clickstream.operations.dead_letters.examine import Looker
from clickstream.operations.dead_letters.republish import (
    Kept,
    Replayed,
    Replayer,
    Superseded,
    why_not,
)
from clickstream.operations.dead_letters.store import LetterStore
from core.clock import Clock
from core.settings import Settings
from schemas.registry import ConfluentRegistry


def replay(
    settings: Settings,
    clock: Clock,
    selection: Selection,
    *,
    key: str | None = None,
    value: bytes | None = None,
) -> Replayed:
    """Put the selected letters back; `key` and `value` replace theirs where given. Blocks.

    Raises Unavailable for the server that does not answer; what was done until then is remembered.
    """
    with (
        LetterStore(settings, clock) as store,
        ConfluentRegistry.from_settings(settings) as registry,
    ):
        replayer = Replayer(settings, store, Superseded(settings, store, registry))
        return replayer.replay(_amended(store.letters(selection), key, value))


def preview(settings: Settings, clock: Clock, selection: Selection) -> Replayed:
    """What the workers would do with them today: `sent` would be stored, `kept` would not.

    Changes nothing.
    """
    sent: list[Letter] = []
    kept: list[Kept] = []
    with (
        LetterStore(settings, clock) as store,
        ConfluentRegistry.from_settings(settings) as registry,
    ):
        superseded = Superseded(settings, store, registry)
        looker = Looker(settings, registry)
        for block in store.letters(selection):
            for letter in block:
                why = why_not(letter) or superseded(letter) or looker.verdict(letter)
                if why is None:
                    sent.append(letter.without_content())
                else:
                    kept.append(Kept(letter.without_content(), why))
    return Replayed(sent, kept)


def _amended(
    blocks: Iterator[Sequence[Letter]], key: str | None, value: bytes | None
) -> Iterator[Sequence[Letter]]:
    for block in blocks:
        yield [_with(letter, key, value) for letter in block]


def _with(letter: Letter, key: str | None, value: bytes | None) -> Letter:
    if key is not None:
        letter = replace(letter, key=key.encode())
    if value is not None:
        letter = replace(letter, value=value, entry=replace(letter.entry, cut_bytes=0))
    return letter
