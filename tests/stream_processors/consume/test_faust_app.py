"""What Faust is told of a worker's place in its group."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from core.settings import Settings, WorkerSettings
from stream_processors.consume.faust_app import build_app


def conf_of(worker: WorkerSettings) -> tuple[str | None, float, float]:
    """Name in the group, heartbeat and session timeout (seconds)."""

    async def nobody(_: object) -> None:
        """Takes batches."""

    async def go() -> tuple[str | None, float, float]:
        conf = build_app(Settings(_env_file=None, worker=worker), nobody).conf
        return (
            conf.consumer_group_instance_id,
            conf.broker_heartbeat_interval,
            conf.broker_session_timeout,
        )

    return asyncio.run(go())


def test_a_worker_has_the_name_of_its_settings_or_none() -> None:
    assert conf_of(WorkerSettings())[0] is None
    assert conf_of(WorkerSettings(instance_id="worker-3"))[0] == "worker-3"


def test_a_long_session_timeout_does_not_make_rebalances_slow() -> None:
    """All stand still until the last has heard of it, which is by its next heartbeat."""
    assert conf_of(WorkerSettings(session_timeout_seconds=60))[1:] == (1.0, 60.0)
    assert conf_of(WorkerSettings(session_timeout_seconds=4))[1:] == (0.5, 4.0)


@pytest.mark.parametrize("name", ["a b", "x" * 250, "w/1"])
def test_a_name_that_kafka_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        WorkerSettings(instance_id=name)
