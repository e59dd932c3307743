"""What an operator can do about each kind of dead letter: one sentence or two, for `dlq show`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.dead_letters import Reason

_GIVE_A_VALUE: Final = "`dlq replay NAME --value-file FILE` puts a right one in its place"

ADVICE: Final[Mapping[Reason, str]] = {
    Reason.NULL_VALUE: (
        "Stop the producer that writes tombstones: these topics are logs. Nothing is lost: purge"
        " it."
    ),
    Reason.BAD_MAGIC_BYTE: (
        "The producer does not use the Confluent wire format (a plain string, JSON, bare Avro?):"
        f" give it a schema-registry serializer. {_GIVE_A_VALUE}."
    ),
    Reason.UNKNOWN_SCHEMA_ID: (
        "The producer wrote to another registry, or this one lost its schemas: restore it, or"
        " register the schema under this id, then replay."
    ),
    Reason.SCHEMA_CLASH: (
        "The producer's schema cannot be read as ours: `clickstream schemas check` names the field."
        f" Mend the producer; {_GIVE_A_VALUE}."
    ),
    Reason.UNDECODABLE: (
        "The bytes end early or are not what the schema says: look at the producer. If its schema"
        f" id was wrong, {_GIVE_A_VALUE}."
    ),
    Reason.TRAILING_BYTES: (
        "The producer wrote with another schema than it announces, or padded the value: mend it;"
        f" {_GIVE_A_VALUE}."
    ),
    Reason.INVALID_RECORD: (
        "The error names the field: mend the producer, which the HTTP API would have told at once;"
        f" {_GIVE_A_VALUE}."
    ),
    Reason.WRONG_KEY: (
        "The producer must use the session_id as the record's key: mend it, then replay this with"
        " --key SESSION_ID."
    ),
    Reason.WRONG_PARTITION: (
        "The producer must use the murmur2 partitioner (librdkafka: partitioner=murmur2_random):"
        " mend it, then replay, which takes the right partition."
    ),
    Reason.OVERSIZE: (
        "Raise CLICKSTREAM_LIMITS__BODY_BYTES for edge and workers and replay, or mend the"
        " producer."
    ),
}


def advice_on(reason: str) -> str:
    """Also for a word that a newer version wrote."""
    if reason in ADVICE:
        return ADVICE[Reason(reason)]
    return "This version does not know the reason: see docs/dead-letters.md of the newer one."
