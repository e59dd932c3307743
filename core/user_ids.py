"""User ids as they are stored: as they were sent, or as a keyed hash."""

from __future__ import annotations

import hmac
from typing import Final

from core.settings import Settings

# Tells hashes and ids apart.
PREFIX: Final = "hmac:"


class UserIds:
    """With a key, user ids are replaced by their HMAC-SHA256 in hex, after a prefix.

    Equal ids have equal hashes. Without the key, nobody can tell an id from its hash.
    """

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
        """What is stored for this user."""
        if self._key is None:
            return user_id
        return PREFIX + hmac.digest(self._key, user_id.encode(), "sha256").hex()

    def known_forms(self, user_id: str) -> tuple[str, ...]:
        """All values that may be stored for this user, the hash first.

        The id itself is one: it was stored before there was a key. `user_id` may also be a hash
        from the tables, so that a user can be erased without the id.
        """
        return tuple(dict.fromkeys((self.pseudonymize(user_id), user_id)))
