"""Why a record can never be processed: the words in the dead-letter topic and table."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word per kind of poison. Words are stored and counted: add, never rename."""

    NULL_VALUE = "null_value"
    """No value at all (a tombstone): these topics are logs, there is nothing to delete."""

    BAD_MAGIC_BYTE = "bad_magic_byte"
    """Does not begin with the five bytes of the Confluent wire format."""

    UNKNOWN_SCHEMA_ID = "unknown_schema_id"
    """The registry answered, and never gave out this schema id."""

    SCHEMA_CLASH = "schema_clash"
    """The writer's schema is known and cannot be read as ours."""

    UNDECODABLE = "undecodable"
    """The bytes are not what the writer's schema announces."""

    TRAILING_BYTES = "trailing_bytes"
    """Bytes follow the record: it was framed or encoded wrongly, so its fields are in doubt."""

    INVALID_RECORD = "invalid_record"
    """Decodes, but breaks the contract: an empty id, a time that is not in milliseconds."""

    WRONG_KEY = "wrong_key"
    """The key is not the record's session_id, so the join could miss it."""

    WRONG_PARTITION = "wrong_partition"
    """Not on the murmur2 partition of its session_id, so another worker owns its session."""

    OVERSIZE = "oversize"
    """Too large to store whole, even as a dead letter."""
