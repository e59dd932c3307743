"""Check the options that are passed through to Kafka's clients, before any process uses them."""

from __future__ import annotations

import re
from typing import Final

from core.errors import SetupError
from core.nearest_name import nearest_name
from core.settings import Settings

_UNKNOWN: Final = re.compile(r'No such configuration property: "([^"]*)"')
# librdkafka tells no list of its options; these are what one usually sets.
_USUAL: Final = (
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "client.id",
    "client.rack",
    "metadata.max.age.ms",
    "socket.timeout.ms",
)


def check_kafka_options(settings: Settings) -> None:
    """Raises SetupError for an option that Kafka's client does not know or cannot use.

    The message names the variable, and never its value. Asks no broker.
    """
    if not settings.kafka:
        return
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        AdminClient({**settings.kafka_options(), "log_level": 0})
    except KafkaException as error:
        said = error.args[0].str()
        if (unknown := _UNKNOWN.search(said)) is None:
            raise SetupError(f"CLICKSTREAM_KAFKA__…: {said}") from None
        name = unknown[1]
        near = nearest_name(name, _USUAL)
        meant = f": did you mean {_variable(near)}?" if near else ""
        raise SetupError(f"{_variable(name)}: Kafka has no such option{meant}") from None


def _variable(option: str) -> str:
    return f"CLICKSTREAM_KAFKA__{option.replace('.', '_')}"
