"""The whole way of a click when every server wants TLS, and Kafka a password."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest

from clickstream.operations.provision import prepare
from core.clickhouse.client import connect
from core.errors import SetupError, SinkUnavailable
from core.settings import Settings
from core.tls_check import refuse_tls_mistakes
from tests.e2e.process_pair import ProcessPair, environment_of
from tests.e2e.secure import PASSWORD, USER, Authority, TlsDoor, secure_kafka
from tests.shared_engines import SharedEngines

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


def _over_tls(plain: SplitResult, port: int) -> str:
    user = plain.netloc.rpartition("@")[0]
    netloc = f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"
    return f"https://{netloc}/behind_tls"


@pytest.fixture(scope="module")
def settings(engines: SharedEngines, folder: Path) -> Iterator[Settings]:
    authority = Authority(folder)
    clickhouse, registry = urlsplit(engines.clickhouse_url), urlsplit(engines.schema_registry_url)
    assert clickhouse.port
    assert registry.port
    with (
        secure_kafka(authority, folder / "kafka") as kafka,
        TlsDoor(authority.server_context(), clickhouse.port) as clickhouse_door,
        TlsDoor(authority.server_context(), registry.port) as registry_door,
    ):
        yield Settings(
            _env_file=None,
            kafka_bootstrap_servers=kafka,
            schema_registry_url=f"https://127.0.0.1:{registry_door.port}{registry.path}",
            clickhouse_url=_over_tls(clickhouse, clickhouse_door.port),  # type: ignore[arg-type]
            https_ca_file=str(authority.ca_file),
            topics={"prefix": "tls."},  # type: ignore[arg-type]
            kafka={
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "PLAIN",
                "sasl_username": USER,
                "sasl_password": PASSWORD,
                "ssl_ca_location": str(authority.ca_file),
            },
        )


def test_a_click_finds_its_session_over_tls(settings: Settings, folder: Path) -> None:
    prepare(settings)
    session = {"session_id": "s", "search_query": "q", "search_results": [{"object_id": "o"}]}
    event = {"event_id": "e", "object_id": "o", "created_at": 1701012350000}
    with ProcessPair(settings, folder / "pair") as pair:
        assert pair.post("/session", session).status_code == 200
        assert pair.post("/session/events", {"session_id": "s", "events": [event]}).is_success
        assert [each["event_id"] for each in pair.get_session("s")["events"]] == ["e"]
        assert pair.post("/session/irrelevant", {"session_id": "s"}).is_success
        assert pair.get_session("s")["is_irrelevant"] is True
    logs = "".join(log.read_text() for log in (folder / "pair").rglob("*.log"))
    assert logs
    assert PASSWORD not in logs


def test_an_authority_that_is_not_trusted_is_refused_with_a_remedy(settings: Settings) -> None:
    trusting_nobody_else = settings.model_copy(update={"https_ca_file": None})
    with pytest.raises(SinkUnavailable, match="CLICKSTREAM_HTTPS_CA_FILE"):
        connect(trusting_nobody_else)


@pytest.mark.parametrize(
    ("option", "value"),
    [("sasl_password", "wrong"), ("ssl_ca_location", "")],
    ids=["wrong-password", "unknown-authority"],
)
def test_kafka_lets_nobody_in_without_the_password_and_the_authority(
    settings: Settings, option: str, value: str
) -> None:
    kafka = {name: text for name, text in settings.kafka.items() if name != option}
    wrong = settings.model_copy(update={"kafka": {**kafka, **({option: value} if value else {})}})
    done = subprocess.run(
        [sys.executable, "-m", "clickstream", "topics", "list"],
        check=False,
        env={**os.environ, **environment_of(wrong)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_asking_these_servers_in_plain_text_is_said(settings: Settings) -> None:
    plain = Settings(
        _env_file=None,
        kafka_bootstrap_servers=settings.kafka_bootstrap_servers,
        schema_registry_url=settings.schema_registry_url.replace("https", "http"),
        kafka={**settings.kafka, "security_protocol": "SASL_PLAINTEXT"},
    )
    with pytest.raises(SetupError) as refused:
        refuse_tls_mistakes(plain)
    assert str(refused.value).count("expects TLS") == 2
    refuse_tls_mistakes(settings)


def test_asking_plain_servers_for_tls_is_said(engines: SharedEngines) -> None:
    asked = Settings(
        _env_file=None,
        kafka_bootstrap_servers=engines.kafka_bootstrap_servers,
        schema_registry_url=engines.schema_registry_url.replace("http", "https"),
        clickhouse_url=engines.clickhouse_url.replace("http", "https"),  # type: ignore[arg-type]
        kafka={"security_protocol": "SSL"},
    )
    with pytest.raises(SetupError) as refused:
        refuse_tls_mistakes(asked)
    assert str(refused.value).count("speaks plain text") == 3
