"""Apache Kafka as one process: broker and controller in one (KRaft), on loopback."""

from __future__ import annotations

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from clickstream.local.engines.java import java
from clickstream.local.processes.environment import child_environment
from clickstream.local.processes.ports import LOOPBACK
from clickstream.local.processes.process_manager import Command
from clickstream.local.processes.service import ServiceSpec
from core.errors import EngineError
from core.health_probe import listens

_HEAP_MB = 512
_FORMAT_SECONDS = 60.0
_PROBE_SECONDS = 1.0
_STOP_SECONDS = 20.0  # cut short, it checks its logs at the next start; nothing is lost

# Fit for one broker and for tests. Internal topics are small: each partition costs files and start
# time; a group's first member does not wait for others; a mistyped topic is an error.
SINGLE_NODE_DEFAULTS = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
}

_LOG4J = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %c{1} - %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


def prepare(folder: Path, log: Path, jars: Path, port: int, controller_port: int) -> ServiceSpec:
    """Write the configuration and, in a new data directory, format the storage (a few seconds).

    The cluster id is made once and kept in the folder. Raises EngineError.
    """
    data, temporary = folder / "data", folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    properties, log4j = folder / "server.properties", folder / "log4j2.properties"
    properties.write_text(_properties(data, port, controller_port))
    log4j.write_text(_LOG4J)
    options = [f"-Dlog4j2.configurationFile={log4j.as_uri()}", "-cp", f"{jars}{os.sep}*"]
    if not (data / "meta.properties").exists():
        tool = [*java(128, temporary), "-XX:TieredStopAtLevel=1", *options]
        _format(tool, properties, _cluster_id(folder))
    address = f"{LOOPBACK}:{port}"
    program = [*java(_HEAP_MB, temporary), *options, "kafka.Kafka", str(properties)]
    return ServiceSpec(
        Command("kafka", program, log), address, lambda: is_healthy(address), _STOP_SECONDS
    )


def _properties(data: Path, port: int, controller_port: int) -> str:
    """`server.properties`, written anew at every start."""
    here, controller = f"{LOOPBACK}:{port}", f"{LOOPBACK}:{controller_port}"
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{here},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{here}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data,
        # After a kill the controller, in the same process, has to see the old broker's session
        # expire before the new one may register: 9 s by default, added to every such start.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        **SINGLE_NODE_DEFAULTS,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def _cluster_id(folder: Path) -> str:
    """16 random bytes in URL-safe base64; a leading dash would look like an option."""
    file = folder / "cluster-id"
    if not file.exists():
        made = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        draft = file.with_suffix(".new")
        draft.write_text(made.replace("-", "_"))
        draft.replace(file)
    return file.read_text()


def _format(tool: list[str], properties: Path, cluster_id: str) -> None:
    arguments = ["format", "--cluster-id", cluster_id, "--config", str(properties)]
    try:
        done = subprocess.run(  # noqa: S603  (our own command; no shell)
            [*tool, "kafka.tools.StorageTool", *arguments],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=_FORMAT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"Kafka's storage tool did not run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[:500]
        raise EngineError(f"Kafka could not format the storage of {properties}: {said}")


def is_healthy(address: str) -> bool:
    """Does the broker answer a metadata request?"""
    if not listens(address, _PROBE_SECONDS):
        return False
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {
            "bootstrap.servers": address,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 100,
            "log_level": 0,  # refused connections are what we expect while it starts
        }
    )
    try:
        return bool(client.list_topics(timeout=_PROBE_SECONDS).brokers)
    except KafkaException:
        return False
