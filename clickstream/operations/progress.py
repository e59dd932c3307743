"""The names of `clickstream.progress` under which operations know it."""

from __future__ import annotations

from clickstream.progress import Advance, ConsoleProgress
from clickstream.progress import ProgressReporter as Progress

__all__ = ["Advance", "ConsoleProgress", "Progress"]
