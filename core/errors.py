"""Every error of the system, in one tree.

ClickstreamError
├── RequestRefused            the caller must change the request (4xx)
│   ├── MalformedBody         400  not JSON
│   ├── InvalidRequest        422  JSON, but a field is wrong; lists every field it found
│   ├── QuestionTooLarge      422  ClickHouse cut it off: it takes too much time or memory
│   ├── Unauthorized          401  no key, or an unknown one
│   ├── Forbidden             403  a known key that may not do this
│   ├── ForeignRequest        403  without keys: from another machine, or another site's page
│   ├── SessionNotFound       404  certain: the sink had caught up when it was looked for
│   ├── ReleaseNotFound       404  no release, or no file of it, has this name
│   ├── ReleaseExists         409  its name is taken: a release is never changed
│   ├── TooManyReleases       409  as many as are allowed are kept
│   ├── ReleaseTooLarge       422  it would have more sessions than a release may have
│   ├── ReleaseRetired        410  its files were deleted because somebody asked for it
│   ├── FileSuperseded        410  an erasure or a mark has touched a session in it
│   ├── BodyTooSlow           408  the body did not arrive in time
│   ├── BodyTooLarge          413
│   ├── RecordTooLarge        413  Kafka takes no record of this size
│   ├── UnsupportedMedia      415
│   ├── MalformedRequest      400  not HTTP
│   ├── UrlTooLong            414
│   ├── TooManyRequests       429 + Retry-After: this caller is over its rate
│   ├── TransferCodingUnknown 501  a Transfer-Encoding other than chunked
│   └── HeadTooLarge          431
├── Unavailable               503 + Retry-After: try again later; a write may have happened
│   ├── BrokerUnavailable     Kafka cannot be reached, or its queue is full
│   │   └── WriteForbidden    Kafka does not let this process write: an operator must change that
│   ├── RegistryUnavailable   the schema registry cannot be reached
│   ├── Overloaded            this process is at one of its limits; nothing was done
│   │   └── TooManyExports    as many exports run as one process serves
│   ├── SinkUnavailable       ClickHouse cannot be reached
│   │   ├── StatementTooLarge  it has not the memory for a statement of this size
│   │   └── StatementRefused  it refuses a row of the statement, or all of them
│   ├── LeaseHeld             another operation works on the same database
│   ├── StorageUnavailable    the folder or object storage of releases does not answer
│   └── SinkBehind            the sink did not reach the requested position in time
├── TablesTooLarge            a check was not made: its query would take too long
├── RecordRejected            one Kafka record that can never be processed: a dead letter
├── Disconnected              the client went away: nobody is left to answer
├── OffsetGap                 records were skipped between two batches: the worker must restart
└── SetupError                an operator must change something: one line, exit status 1
    ├── EngineError           a local server could not be fetched or started
    ├── SchemaIncompatible    a schema change that FULL_TRANSITIVE forbids
    └── MigrationError        the ClickHouse schema cannot be brought up to date

`STATUS` below is the only place that says what an error means over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class ClickstreamError(Exception):
    """Root of the tree. `str(error)` is a sentence that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong place in a request: its JSON path (`$.events[3].event_id`) and what is wrong."""

    path: str
    message: str


class RequestRefused(ClickstreamError):
    """The request will never be accepted as it is."""


class MalformedBody(RequestRefused):
    """The body is not JSON."""


class InvalidRequest(RequestRefused):
    """The body is JSON, but breaks the contract at the places listed in `errors`."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{e.path}: {e.message}" for e in self.errors))


class QuestionTooLarge(RequestRefused):
    """A question of analytics was cut off: it takes more time or memory than there is for one."""


class Unauthorized(RequestRefused):
    """No key was sent, or one that is not known."""


class Forbidden(RequestRefused):
    """The key is known and may not do this."""


class ForeignRequest(RequestRefused):
    """There are no keys, and the request is for another host or from a page of another site."""


class SessionNotFound(RequestRefused):
    """There is no such session: the sink had read the whole log when it was looked up."""


class ReleaseNotFound(RequestRefused):
    """No release, or no file of one, has this name."""


class ReleaseExists(RequestRefused):
    """The name of a new release is taken. A release is never changed."""


class TooManyReleases(RequestRefused):
    """As many releases are kept as are allowed: one must be retired first."""


class ReleaseTooLarge(RequestRefused):
    """The release would have more sessions than one may have."""


class ReleaseRetired(RequestRefused):
    """The files of this release were deleted on request. Its manifest is still there."""


class FileSuperseded(RequestRefused):
    """The file was deleted: an erasure or a mark has touched a session in it. Its release's
    manifest says so."""


class BodyTooSlow(RequestRefused):
    """The announced body did not arrive in time."""


class BodyTooLarge(RequestRefused):
    """The body exceeds the configured number of bytes."""


class RecordTooLarge(RequestRefused):
    """Kafka takes no record of this size. Smaller records of the same request may be stored."""


class UnsupportedMedia(RequestRefused):
    """The body is announced as something other than JSON, or in a coding that is not undone.

    `headers`: those that tell the caller what is taken.
    """

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})


class MalformedRequest(RequestRefused):
    """The bytes are not HTTP."""


class UrlTooLong(RequestRefused):
    """The URL exceeds the configured number of bytes."""


class TransferCodingUnknown(RequestRefused):
    """The body comes in a transfer coding other than chunked."""


class HeadTooLarge(RequestRefused):
    """Request line and headers exceed the configured number of bytes."""


class TooManyRequests(RequestRefused):
    """The caller is over its rate.

    `retry_after`: seconds to wait. `headers`: those that tell the caller its quota.
    """

    def __init__(
        self, message: str, retry_after: int = 1, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.headers = dict(headers or {})


class Unavailable(ClickstreamError):
    """The process cannot answer now.

    `retry_after`: seconds to wait before the next attempt. `public`: what callers over HTTP are
    told, where the message names addresses that are for the log alone; else the message itself.
    """

    def __init__(self, message: str, retry_after: int = 1, *, public: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.public = message if public is None else public


class BrokerUnavailable(Unavailable):
    """Kafka did not acknowledge in time. The record may or may not be stored: retry."""


class WriteForbidden(BrokerUnavailable):
    """Kafka answers, and refuses the write until an operator changes something: an ACL, a topic."""


class RegistryUnavailable(Unavailable):
    """The schema registry did not answer."""


class Overloaded(Unavailable):
    """This process is at one of its limits. Nothing was done."""


class TooManyExports(Overloaded):
    """As many exports run as one process serves at a time."""


class SinkUnavailable(Unavailable):
    """ClickHouse did not answer."""


class StatementTooLarge(SinkUnavailable):
    """ClickHouse has not the memory or the time for a statement of this size now."""


class StatementRefused(SinkUnavailable):
    """ClickHouse refuses a statement of ours: one of its rows, or any, until an operator acts."""


class LeaseHeld(Unavailable):
    """A replay, erasure, backup or restore of the same database is running. Nothing was done."""


class StorageUnavailable(Unavailable):
    """The folder or the object storage of releases does not answer, or refuses."""


class SinkBehind(Unavailable):
    """The sink had not reached the requested position when the wait ended."""


class Disconnected(ClickstreamError):
    """The client went away before its request was whole; there is nobody to answer."""


class TablesTooLarge(ClickstreamError):
    """A query was ended by its time limit: the tables are large, or ClickHouse is busy."""


class RecordRejected(ClickstreamError):
    """A Kafka record that can never be processed. `reason`: a `schemas.dead_letters.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OffsetGap(ClickstreamError):
    """Records were skipped between two batches of a partition.

    Nothing is lost if the process ends without a commit: its successor reads them again.
    """


class SetupError(ClickstreamError):
    """Something that an operator must change before the process can run."""


class EngineError(SetupError):
    """A local server could not be fetched, started or reached."""


class SchemaIncompatible(SetupError):
    """A schema change that would break a reader or a writer in the field."""


class MigrationError(SetupError):
    """The live ClickHouse schema and the declared one cannot be reconciled."""


@dataclass(frozen=True, slots=True)
class HttpMeaning:
    """What an error looks like over HTTP. `title` never changes; `slug` ends the problem's URI."""

    status: int
    slug: str
    title: str


STATUS: dict[type[ClickstreamError], HttpMeaning] = {
    MalformedBody: HttpMeaning(400, "malformed-body", "The body is not valid JSON"),
    InvalidRequest: HttpMeaning(422, "invalid-request", "The request breaks the contract"),
    QuestionTooLarge: HttpMeaning(422, "question-too-large", "The question takes too much"),
    Unauthorized: HttpMeaning(401, "unauthorized", "An API key is needed"),
    Forbidden: HttpMeaning(403, "forbidden", "This key may not do that"),
    ForeignRequest: HttpMeaning(403, "foreign-request", "Only this machine is served without keys"),
    SessionNotFound: HttpMeaning(404, "session-not-found", "No such session"),
    ReleaseNotFound: HttpMeaning(404, "release-not-found", "No such release"),
    ReleaseExists: HttpMeaning(409, "release-exists", "There is a release of this name"),
    TooManyReleases: HttpMeaning(409, "too-many-releases", "As many releases as are allowed"),
    ReleaseTooLarge: HttpMeaning(422, "release-too-large", "The release takes too much"),
    ReleaseRetired: HttpMeaning(410, "release-retired", "The release is retired"),
    FileSuperseded: HttpMeaning(410, "release-file-superseded", "The file is superseded"),
    BodyTooSlow: HttpMeaning(408, "body-too-slow", "The body did not arrive in time"),
    BodyTooLarge: HttpMeaning(413, "body-too-large", "The body is too large"),
    RecordTooLarge: HttpMeaning(413, "record-too-large", "Kafka takes no record of this size"),
    UnsupportedMedia: HttpMeaning(415, "unsupported-media-type", "Send application/json"),
    MalformedRequest: HttpMeaning(400, "malformed-request", "This is not HTTP"),
    UrlTooLong: HttpMeaning(414, "url-too-long", "The URL is too long"),
    TransferCodingUnknown: HttpMeaning(
        501, "transfer-coding-unknown", "Send the body plain or chunked"
    ),
    HeadTooLarge: HttpMeaning(431, "head-too-large", "The headers are too large"),
    TooManyRequests: HttpMeaning(429, "too-many-requests", "Too many requests"),
    Overloaded: HttpMeaning(503, "overloaded", "This process is at its limit"),
    TooManyExports: HttpMeaning(503, "too-many-exports", "As many exports run as are allowed"),
    WriteForbidden: HttpMeaning(503, "write-forbidden", "Kafka refuses the writes of this process"),
    BrokerUnavailable: HttpMeaning(503, "broker-unavailable", "Kafka does not answer"),
    RegistryUnavailable: HttpMeaning(
        503, "registry-unavailable", "The schema registry does not answer"
    ),
    StatementTooLarge: HttpMeaning(503, "sink-unavailable", "ClickHouse does not answer"),
    StatementRefused: HttpMeaning(503, "sink-unavailable", "ClickHouse does not answer"),
    SinkUnavailable: HttpMeaning(503, "sink-unavailable", "ClickHouse does not answer"),
    LeaseHeld: HttpMeaning(503, "operation-running", "Another operation is running"),
    StorageUnavailable: HttpMeaning(503, "storage-unavailable", "The storage does not answer"),
    SinkBehind: HttpMeaning(503, "sink-behind", "The sink has not caught up yet"),
}
