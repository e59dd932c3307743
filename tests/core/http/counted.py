"""What the metrics of this process have counted."""

from __future__ import annotations

from prometheus_client import REGISTRY


def counted(name: str, **labels: str) -> float:
    """The value of one series; 0 before it exists."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
