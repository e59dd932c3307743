"""The system under test as real processes: `edge --with-api` and `worker`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from clickstream.local.data_directory import DataDirectory
from clickstream.local.processes.ports import LOOPBACK, free_port
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, stop_all
from clickstream.local.up.app_services import http_service, worker_service
from core.consistency.position import POSITION_HEADER
from core.http.keys import plain_text
from core.settings import Settings

# A read that waits for the sink answers within the server's own limit; this is beyond it.
_REQUEST_SECONDS = 30.0


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables with which any `clickstream` command works on these settings."""
    return {
        "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "CLICKSTREAM_SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        "CLICKSTREAM_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
        "CLICKSTREAM_CLICKHOUSE_CLUSTER": settings.clickhouse_cluster,
        "CLICKSTREAM_TOPICS__PREFIX": settings.topics.prefix,
        "CLICKSTREAM_WORKER__GROUP": settings.worker.group,
        # A busy machine is no reason for a test to see a 503.
        "CLICKSTREAM_READS__WAIT_SECONDS": "20",
        **_keys(settings),
        **_analytics(settings),
        **{
            f"CLICKSTREAM_{group.upper()}__{name.upper()}": str(value)
            for group in ("http", "limits", "topics", "worker", "releases")
            for name, value in getattr(settings, group).model_dump(exclude_unset=True).items()
        },
        **({"CLICKSTREAM_HTTPS_CA_FILE": settings.https_ca_file} if settings.https_ca_file else {}),
        **({"CLICKSTREAM_TRACES_URL": settings.traces_url} if settings.traces_url else {}),
        **{f"CLICKSTREAM_KAFKA__{name}": value for name, value in settings.kafka.items()},
    }


def _keys(settings: Settings) -> dict[str, str]:
    lists = {
        "WRITE": settings.write_keys,
        "READ": settings.read_keys,
        "ADMIN": settings.admin_keys,
    }
    return {
        f"CLICKSTREAM_{right}_KEYS": ",".join(key.get_secret_value() for key in keys)
        for right, keys in lists.items()
        if keys
    }


def _analytics(settings: Settings) -> dict[str, str]:
    named = {
        "CLICKSTREAM_DIMENSIONS": ",".join(settings.dimensions),
        "CLICKSTREAM_EVENT_VALUE": settings.event_value,
    }
    return {name: value for name, value in named.items() if value}


class ProcessPair:
    """Both processes, and a client that reads its own writes."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.environment = environment_of(settings)
        self._manager = ProcessManager()
        port, metrics_port = free_port(), free_port()
        data = DataDirectory(folder)
        self.edge = Service(http_service(data, self.environment, LOOPBACK, port), self._manager)
        self.worker = Service(
            worker_service(data, self.environment, "worker-1", metrics_port), self._manager
        )
        self.url = self.edge.url
        admin = settings.admin_keys
        headers = {"X-API-Key": plain_text(admin[0])} if admin else {}
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=_REQUEST_SECONDS)
        self._positions: list[str] = []

    def __enter__(self) -> ProcessPair:
        try:
            self.edge.spawn()
            self.worker.spawn()
            self.edge.wait()
            self.worker.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End both; nothing stays behind."""
        self._client.close()
        stop_all([self.edge, self.worker])
        self._manager.close()

    def post(self, path: str, body: Any) -> httpx.Response:
        """Send JSON; where it was written is remembered for the next read."""
        answer = self._client.post(path, json=body)
        if answer.is_success:
            self._positions.append(answer.headers[POSITION_HEADER])
        return answer

    def post_raw(self, path: str, body: bytes, content_type: str) -> httpx.Response:
        """Send any bytes."""
        return self._client.post(path, content=body, headers={"Content-Type": content_type})

    def get(self, path: str, **params: str | int) -> httpx.Response:
        """Read, once everything that was posted here can be read."""
        self.catch_up()
        return self.get_at_once(path, **params)

    def get_at_once(self, path: str, **params: str | int) -> httpx.Response:
        """Read without a token; what the server itself promises must do."""
        return self._client.get(path, params=params)

    def get_session(self, session_id: str) -> Any:
        """The JSON of one session that must be there."""
        answer = self.get("/session", session_id=session_id)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def catch_up(self) -> None:
        """Return once the sink has everything that was posted here."""
        furthest: dict[str, int] = {}
        for token in self._positions:
            place, _, offset = token.partition("@")
            furthest[place] = max(int(offset), furthest.get(place, 0))
        self._positions.clear()
        if furthest:
            header = ", ".join(f"{place}@{offset}" for place, offset in furthest.items())
            answer = self._client.get("/analytics/overview", headers={POSITION_HEADER: header})
            assert answer.status_code == httpx.codes.OK, answer.text
