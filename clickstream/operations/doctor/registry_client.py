"""What the checks ask of the schema registry. `schemas.registry.ConfluentRegistry` answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.registry import RegisteredSchema


class RegistryClient(Protocol):
    """A schema registry.

    Every method asks it anew and blocks for a bounded time. Raises RegistryUnavailable without an
    answer.
    """

    def subjects(self) -> Sequence[str]:
        """The names of all subjects."""
        ...

    def latest(self, subject: str) -> RegisteredSchema | None:
        """The newest version of the subject; None for an unknown subject."""
        ...

    def compatibility(self, subject: str) -> str:
        """The compatibility level of the subject: its own, or that of the registry."""
        ...
