"""User ids as they are stored: as they were sent, or as a keyed hash of that."""

from __future__ import annotations

import hmac
from typing import Final

from core.settings import Settings

# So that nobody takes a hash for an id, and no id that was sent for a hash.
PREFIX: Final = "hmac:"


class UserIds:
    """With a key, HMAC-SHA256 in hex behind a prefix: equal for equal ids, and of no use to whoever
    has the tables and not the key."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @classmethod
    def from_settings(cls, settings: Settings) -> UserIds:
        key = settings.user_id_key
        return cls(None if key is None else key.get_secret_value().encode())

    @property
    def enabled(self) -> bool:
        """Whether `pseudonymize` changes anything."""
        return self._key is not None

    def pseudonymize(self, user_id: str) -> str:
        """What is written for this user."""
        if self._key is None:
            return user_id
        return PREFIX + hmac.digest(self._key, user_id.encode(), "sha256").hex()

    def known_forms(self, user_id: str) -> tuple[str, ...]:
        """What may be stored of this user: also the id as it is, from before there was a key. A
        hash out of the tables is a form of itself, so that it can be erased without its id."""
        return tuple(dict.fromkeys((self.pseudonymize(user_id), user_id)))
