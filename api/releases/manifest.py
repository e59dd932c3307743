"""What a release says of itself: the request, the watermark, what is in it, and each file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from api.training.question import SplitBy
from core.errors import FieldError, InvalidRequest

FORMAT: Final = 1
"""Of the manifest. A later one adds fields, and never changes the meaning of these."""

LONGEST_NAME: Final = 64
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")


class Kind(StrEnum):
    """What a file holds."""

    SESSIONS = "sessions"
    TRAINING = "training"
    JUDGMENTS = "judgments"
    PROPENSITIES = "propensities"


class Reason(StrEnum):
    """Why a file is gone."""

    ERASURE = "erasure"
    MARK = "mark"


class Watermark(msgspec.Struct, frozen=True):
    """Records below these offsets are in the release; element n of a list is partition n.

    `epoch`: that of the topics. All records of older epochs are below.
    """

    epoch: int
    sessions: tuple[int, ...]
    events: tuple[int, ...]
    marks: tuple[int, ...]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be in a release. Times in milliseconds; None is open. The filters are those of
    /analytics/query; sessions that are marked irrelevant are in no release."""

    from_ms: int | None = None
    to_ms: int | None = None
    query: str | None = None
    query_prefix: str | None = None
    query_regex: str | None = None
    sort_field: str | None = None
    dimensions: dict[str, str] = {}
    with_training: bool = False
    with_judgments: bool = False
    event_type: str = "click"
    features: tuple[str, ...] = ()
    split_by: SplitBy = SplitBy.TIME

    @property
    def has_filters(self) -> bool:
        texts = (self.query, self.query_prefix, self.query_regex, self.sort_field)
        return bool(self.dimensions) or any(text is not None for text in texts)


class ReleaseFile(msgspec.Struct, frozen=True):
    """One file. `first_number`: the number of its first session, from 1 on; 0 where none is named.
    Times are those of its first and last session."""

    name: str
    kind: Kind
    rows: int
    bytes: int
    sha256: str
    first_number: int = 0
    sessions: int = 0
    from_ms: int = 0
    to_ms: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Written once, last, and never changed. docs/releases.md says what each field is."""

    format: int = FORMAT
    name: str
    made_at_ms: int
    made_by: str | None
    code_version: str
    writer: str
    order: Order
    watermark: Watermark
    position_base: int = 1
    sorted_by: tuple[str, ...] = ("created_at", "session_id")
    rows_per_group: int
    sessions_per_file: int
    counts: dict[str, int]
    left_out: dict[str, int]
    estimators: dict[str, Any] = {}
    schemas: dict[str, list[dict[str, str]]]
    files: tuple[ReleaseFile, ...]
    sha256: str = ""
    """Of this manifest without it."""

    def file(self, name: str) -> ReleaseFile | None:
        return next((file for file in self.files if file.name == name), None)


def sealed(manifest: Manifest) -> Manifest:
    """With the digest of its own content."""
    text = encode(msgspec.structs.replace(manifest, sha256=""))
    return msgspec.structs.replace(manifest, sha256=hashlib.sha256(text).hexdigest())


def is_sealed(text: bytes) -> bool:
    """Whether a manifest is as it was written. Its text decides: fields that a later version adds
    change nothing. Raises msgspec.DecodeError."""
    sha256 = decode(text).sha256
    before, _, after = text.rpartition(f'"{sha256}"'.encode())
    return hashlib.sha256(before + b'""' + after).hexdigest() == sha256


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2)


def decode(text: bytes) -> Manifest:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Manifest)


def check_name(path: str, name: str) -> None:
    """Names stand in URLs and in names of folders. Raises InvalidRequest."""
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or ".." in name:
        raise InvalidRequest(
            [
                FieldError(
                    path,
                    f"must be 1 to {LONGEST_NAME} lower-case letters, digits, '.', '_' and '-', "
                    "begin with a letter or digit, and have no '..'",
                )
            ]
        )


def number_ranges(files: Sequence[ReleaseFile]) -> Mapping[str, range]:
    """The numbers of the sessions that each file of sessions holds."""
    return {
        file.name: range(file.first_number, file.first_number + file.sessions)
        for file in files
        if file.kind is Kind.SESSIONS
    }
