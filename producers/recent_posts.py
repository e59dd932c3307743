"""`RecentPosts`: ids that were posted lately, so that another post of them is told that it is
ignored.

The first post of an id stands, and only the worker knows which one it was. But when this process
has seen one acknowledged with other content, a later one is certainly not the first. It is a hint:
other edges know of other posts, and what is forgotten is not hinted at.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

# Ids in each of two generations. Both have some 8 MB; at 1,000 searches a second, half a minute.
_MOST: Final = 32_768


class RecentPosts:
    """Hashes of ids, and of the content with which each was acknowledged first. For one thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def has_other(self, id_: Hashable, content: Hashable) -> bool:
        """Whether this id was acknowledged with other content."""
        key = hash(id_)
        known = self._new.get(key)
        if known is None:
            known = self._old.get(key)
        return known is not None and known != hash(content)

    def acknowledged(self, id_: Hashable, content: Hashable) -> None:
        """Remember it. The first content of an id stays."""
        key = hash(id_)
        if key in self._new or key in self._old:
            return
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}
        self._new[key] = hash(content)
