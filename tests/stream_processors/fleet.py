"""Several real workers of one group, and what Kafka says of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, ConsumerGroupState, TopicPartition
from confluent_kafka.admin import AdminClient
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from clickstream.local.data_directory import DataDirectory
from clickstream.local.processes.ports import free_port
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, stop_all
from clickstream.local.up.app_services import PYTHON_MODULE, worker_service
from core.clickhouse import connect
from core.settings import Settings
from schemas.topics import Topics
from tests.e2e.process_pair import environment_of

# A killed worker is missed after the session timeout (8 s); a busy machine needs as long again.
_SETTLE_SECONDS = 90.0

_FACTS_PROGRESS = """
SELECT topic, partition, max(offset) FROM facts_progress
WHERE epoch = (SELECT max(epoch) FROM _topic_epochs)
GROUP BY topic, partition
"""

EnvironmentOf = Callable[[str], Mapping[str, str]]
"""The name of a worker → the variables it runs with."""

Shares = dict[str, dict[str, set[int]]]
"""Member → topic → its partitions."""


class Fleet:
    """Workers that come, go and are killed; ends all of them at its own end."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        count: int,
        program: Sequence[str] = PYTHON_MODULE,
    ) -> None:
        """`program` is run as `… worker`; a test may put a broken one in its place."""
        self.settings = settings
        self._program = program
        self._environment: EnvironmentOf | None = None
        self._folder = DataDirectory(folder)
        self._manager = ProcessManager()
        self._admin = self._new_admin()
        # Never subscribes. The admin client's question for a group's offsets crashes librdkafka.
        self._consumer = Consumer(
            {**settings.kafka_options(), "group.id": settings.worker.group, "log_level": 2}
        )
        self._started = 0
        # Held where somebody leaves on purpose: nobody may revive who has just ended so.
        self._leaving = threading.Lock()
        self.workers: list[Service] = []
        self.scale(count)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        stop_all(self.workers)
        self._consumer.close()
        self._manager.close()

    def scale(self, count: int) -> None:
        """Start or gracefully stop workers until there are `count`."""
        with self._leaving:
            surplus = self.workers[count:]
            del self.workers[count:]
        stop_all(surplus)
        new = [self._new() for _ in range(count - len(self.workers))]
        for worker in new:
            worker.spawn()
        for worker in new:
            worker.wait()
        self.workers += new

    def replace_all(self, environment: EnvironmentOf | None) -> None:
        """Stop all, and start as many with other variables; None: those of the settings."""
        count = len(self.workers)
        self.scale(0)
        self._environment = environment
        self.scale(count)

    def kill(self, number: int) -> None:
        """As a crash would end it; it stays away."""
        with self._leaving:
            worker = self.workers.pop(number)
        worker.kill()

    def revive(self) -> list[tuple[str, int]]:
        """Start again, without waiting, whoever died and was not sent away; from any thread.
        Names and exit statuses."""
        with self._leaving:
            dead = [(each, each.exit_status()) for each in self.workers]
            for worker, status in dead:
                if status is not None:
                    worker.spawn()
        return [(worker.name, status) for worker, status in dead if status is not None]

    def _new_admin(self) -> AdminClient:
        return AdminClient({**self.settings.kafka_options(), "log_level": 2})

    def shares(self) -> Shares:
        """Who has what, once the group has as many members as there are workers and is stable."""
        partitions = 3 * self.settings.topics.partitions

        def unsettled(shares: Shares) -> bool:
            held = sum(len(part) for share in shares.values() for part in share.values())
            return len(shares) != len(self.workers) or held != partitions

        ask = retry(
            retry=retry_if_result(unsettled), stop=stop_after_delay(_SETTLE_SECONDS),
            wait=wait_fixed(0.25),
        )  # fmt: skip
        return ask(self._shares)()

    def lag(self) -> int:
        """Records that the group has not committed yet, over all three topics."""
        topics = Topics.from_settings(self.settings)
        places = [
            TopicPartition(topic, number)
            for topic in (topics.sessions, topics.events, topics.marks)
            for number in range(self.settings.topics.partitions)
        ]
        ends = {
            (place.topic, place.partition): self._consumer.get_watermark_offsets(place, timeout=10)
            for place in places
        }
        committed = self._consumer.committed(places, timeout=10)
        return sum(ends[p.topic, p.partition][1] - max(0, p.offset) for p in committed)

    def catch_up(self) -> None:
        """Return once everything that is in the log is committed, and in the facts."""
        wait = retry(
            retry=retry_if_result(bool), stop=stop_after_delay(_SETTLE_SECONDS),
            wait=wait_fixed(0.25),
        )  # fmt: skip
        wait(self.lag)()
        with connect(self.settings) as client:
            wait(self._without_facts)(client)

    def _without_facts(self, client: Client) -> list[TopicPartition]:
        """Partitions with committed records that are not in the facts yet."""
        topics = Topics.from_settings(self.settings)
        noted = {
            (topic, partition): offset
            for topic, partition, offset in client.query(_FACTS_PROGRESS).result_rows
        }
        places = [
            TopicPartition(topic, number)
            for topic in (topics.sessions, topics.events)
            for number in range(self.settings.topics.partitions)
        ]
        committed = self._consumer.committed(places, timeout=10)
        return [p for p in committed if p.offset > noted.get((p.topic, p.partition), 0)]

    def _shares(self) -> Shares:
        group = self.settings.worker.group
        try:
            described = self._admin.describe_consumer_groups([group])[group].result(timeout=10)
        except TimeoutError:
            # A client that has lived through the death of its broker may never be answered again.
            self._admin = self._new_admin()
            return {}
        if described.state != ConsumerGroupState.STABLE:
            return {}
        shares: Shares = {}
        for member in described.members:
            share = shares.setdefault(member.member_id, {})
            for place in member.assignment.topic_partitions:
                share.setdefault(place.topic, set()).add(place.partition)
        return shares

    def _new(self) -> Service:
        self._started += 1
        name = f"worker-{self._started}"
        variables = self._environment(name) if self._environment else environment_of(self.settings)
        launch = worker_service(self._folder, variables, name, free_port())
        command = replace(launch.command, argv=(*self._program, "worker"))
        return Service(replace(launch, command=command), self._manager)
