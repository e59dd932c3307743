"""With what the Avro of an event begins: its ids, so that it is found without being decoded."""

from __future__ import annotations

from io import BytesIO

from fastavro import schemaless_writer


def avro_beginning(session_id: str, event_id: str) -> bytes:
    """The first bytes of an event behind its wire format's header, in every version of its schema:
    the two ids are its first fields."""
    return avro_text(session_id) + avro_text(event_id)


def avro_text(text: str) -> bytes:
    """A text as Avro writes it: its length, and its bytes."""
    buffer = BytesIO()
    schemaless_writer(buffer, "string", text)
    return buffer.getvalue()
