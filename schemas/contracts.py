"""The records that travel through Kafka: one `Contract` per record, read from `schemas/avro/`.

A file `<record>.v<n>.avsc` is one version of one record. It is never edited once released: a change
is a new file, which `schemas/compatibility.py` compares with all the others. Code reads and writes
the highest version; the registry is given every one of them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastavro.types import Schema

from core.errors import SchemaIncompatible, SetupError
from schemas.compatibility import parse

AVRO: Final = Path(__file__).parent / "avro"

_FILE_NAME: Final = re.compile(r"(?P<name>[a-z_]+)\.v(?P<version>[1-9]\d*)\.avsc")


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of one record.

    `topic_suffix` follows the settings' prefix in the topic's name. `text` is the JSON that is
    registered; it has no white space, so that formatting a file makes no new schema. `parsed` is
    the same for fastavro.
    """

    name: str
    version: int
    topic_suffix: str
    text: str
    parsed: Schema


_TOPIC_SUFFIXES: Final = {
    "session": "sessions",
    "event": "events",
    "mark": "marks",
    "erasure": "erasures",
}


def load_versions(directory: Path) -> dict[str, tuple[Contract, ...]]:
    """Every version of every record in a folder, oldest first, by the record's name.

    Raises SetupError for an unknown file or record, and for a gap in the versions.
    """
    versions: dict[str, dict[int, Contract]] = {}
    for file in sorted(directory.iterdir()):
        contract = _load(file)
        versions.setdefault(contract.name, {})[contract.version] = contract
    for name, found in versions.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            raise SetupError(f"{directory}: versions of {name} have a gap: {sorted(found)}")
    return {name: tuple(found[n] for n in sorted(found)) for name, found in versions.items()}


def _load(file: Path) -> Contract:
    match = _FILE_NAME.fullmatch(file.name)
    if match is None or match["name"] not in _TOPIC_SUFFIXES:
        raise SetupError(
            f"{file} is not named <record>.v<n>.avsc with one of {', '.join(_TOPIC_SUFFIXES)}"
        )
    text = file.read_text(encoding="utf-8")
    try:
        parsed = parse(text)
    except SchemaIncompatible as error:
        raise SetupError(f"{file} is {error}") from error
    text = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    name = match["name"]
    return Contract(name, int(match["version"]), _TOPIC_SUFFIXES[name], text, parsed)


VERSIONS: Final = load_versions(AVRO)
"""Every version of every record, oldest first, by the record's name."""

SESSION: Final = VERSIONS["session"][-1]
EVENT: Final = VERSIONS["event"][-1]
MARK: Final = VERSIONS["mark"][-1]
ERASURE: Final = VERSIONS["erasure"][-1]

ALL: Final = (SESSION, EVENT, MARK, ERASURE)
"""The contracts that this version of the code reads and writes."""
