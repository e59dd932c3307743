"""A setting that nobody reads is refused, with the name that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SetupError
from core.kafka.check_options import check_kafka_options
from core.settings import Settings
from core.unknown_settings import refuse_unknown_settings

NOWHERE = Path("/nonexistent/.env")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("CLICKSTREAM_WRITE_KEY", "CLICKSTREAM_WRITE_KEYS"),
        ("CLICKSTREAM_KAFKA_BOOTSTRAP_SERVER", "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS"),
        ("CLICKSTREAM_HTTP__PROT", "CLICKSTREAM_HTTP__PORT"),
        ("CLICKSTREAM_HTTP_PORT", "CLICKSTREAM_HTTP__PORT"),
        (
            "CLICKSTREAM_LIMITS__REQUEST_PER_SECOND",
            "CLICKSTREAM_LIMITS__REQUESTS_PER_SECOND",
        ),
        ("clickstream_loglevel", "CLICKSTREAM_LOG_LEVEL"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_one(given: str, meant: str) -> None:
    with pytest.raises(SetupError, match=f"no setting {given}: did you mean {meant}\\?"):
        refuse_unknown_settings({given: "secret"}, NOWHERE)


def test_so_it_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("CLICKSTREAM_WRITE_KEY=secret\nOTHER=1\n")
    with pytest.raises(SetupError, match="CLICKSTREAM_WRITE_KEYS") as caught:
        refuse_unknown_settings({}, file)
    assert "secret" not in str(caught.value)


def test_known_names_pass_in_any_case() -> None:
    known = {
        "CLICKSTREAM_WRITE_KEYS",
        "clickstream_http__port",
        "CLICKSTREAM_HTTP",
        "CLICKSTREAM_KAFKA__security_protocol",
        "CLICKSTREAM_TEST_EXAMPLES",
        "CLICKSTREAM_CACHE_DIR",
        "PATH",
    }
    refuse_unknown_settings(dict.fromkeys(known, ""), NOWHERE)


def test_an_option_that_kafka_does_not_know_is_named() -> None:
    settings = Settings(_env_file=None, kafka={"sasl_usrname": "secret"})
    with pytest.raises(SetupError) as caught:
        check_kafka_options(settings)
    said = str(caught.value)
    assert "CLICKSTREAM_KAFKA__sasl_usrname: Kafka has no such option" in said
    assert "did you mean CLICKSTREAM_KAFKA__sasl_username?" in said
    assert "secret" not in said


def test_options_that_kafka_knows_pass() -> None:
    check_kafka_options(Settings(_env_file=None, kafka={"client_id": "x"}))
    check_kafka_options(Settings(_env_file=None))
