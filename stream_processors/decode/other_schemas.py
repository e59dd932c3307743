"""Kafka values → Avro bodies in our own schema, one by one: what the quick way does not take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from core.errors import RecordRejected
from schemas.codec import Decoder, Encoder, header
from schemas.contracts import Contract
from schemas.dead_letters import Reason
from schemas.registry import SchemaRegistry

# What precedes the body in the wire format, bytes.
SKIP = len(header(0))


@dataclass(slots=True)
class AvroBodies:
    """By row: its Avro body in our own schema, or why it has none."""

    bodies: dict[int, bytes] = field(default_factory=dict)
    rejected: dict[int, RecordRejected] = field(default_factory=dict)


class OtherSchemaReader:
    """For the records of one contract. Not for several threads at once."""

    def __init__(
        self,
        contract: Contract,
        schema_id: int,
        registry: SchemaRegistry,
        pause: Callable[[], None],
    ) -> None:
        """`pause` blocks between the two looks at an id that the registry does not know."""
        self._text = contract.text
        self._schema_id = schema_id
        self._registry = registry
        self._pause = pause
        self._header = header(schema_id)
        self._resolve = Decoder(contract, registry)
        self._encode = Encoder(contract, schema_id)

    def read(self, values: Sequence[bytes | None]) -> AvroBodies:
        """Of each row. Records of another registered schema are read by fastavro and written anew.

        An unknown schema id is asked for twice: a node of a registry may hear of a schema a moment
        after another one has given out its id. Raises RegistryUnavailable.
        """
        result = AvroBodies()
        self._read(enumerate(values), result)
        doubtful = [
            row
            for row, error in result.rejected.items()
            if error.reason == Reason.UNKNOWN_SCHEMA_ID
        ]
        if doubtful:
            self._pause()
            for row in doubtful:
                del result.rejected[row]
            self._read(((row, values[row]) for row in doubtful), result)
            if any(e.reason == Reason.UNKNOWN_SCHEMA_ID for e in result.rejected.values()):
                self._registry.confirm(self._schema_id, self._text)
        return result

    def check(self, body: bytes) -> None:
        """Raises RecordRejected when fastavro, the codec of record, cannot read just this body."""
        self._resolve.decode_body(body)

    def _read(self, rows: Iterable[tuple[int, bytes | None]], result: AvroBodies) -> None:
        unknown: dict[bytes, RecordRejected] = {}  # one question for each id, not for each record
        for row, value in rows:
            try:
                if value is not None and value[:SKIP] in unknown:
                    raise unknown[value[:SKIP]]
                result.bodies[row] = self._body(value)
            except RecordRejected as error:
                result.rejected[row] = error
                if value is not None and error.reason == Reason.UNKNOWN_SCHEMA_ID:
                    unknown[value[:SKIP]] = error

    def _body(self, value: bytes | None) -> bytes:
        if value is None:
            raise RecordRejected(Reason.NULL_VALUE, "the record has no value")
        if value[:SKIP] == self._header:
            return value[SKIP:]
        return self._encode.encode(self._resolve.decode(value))[SKIP:]
