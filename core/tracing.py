"""Traces by OpenTelemetry: from a request through Kafka to the insert. Off unless there is a URL.

A request is traced when its caller's `traceparent` says that it is sampled
(https://www.w3.org/TR/trace-context/). Its records carry a `traceparent` header in Kafka, by which
a worker adds its flush to the same trace. While it is off nothing of OpenTelemetry is imported, and
every function here returns at its first line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from core.errors import SetupError
from core.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanKind, Tracer

T = TypeVar("T")

HEADER: Final = "traceparent"
_SAMPLED: Final = re.compile(
    rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf]"
).fullmatch
_NOTHING: Final = nullcontext()
_NO_HEADERS: Final[AbstractContextManager[Sequence[tuple[str, bytes]]]] = nullcontext(())

# Traced records of one flush, at most: each becomes a span and one for each of its inserts.
_MOST_RECORDS: Final = 100

_tracer: Tracer | None = None
_shut_down: Callable[[], None] | None = None
_steps: ContextVar[list[_Step] | None] = ContextVar("steps", default=None)


class _Step(NamedTuple):
    """A part of a flush. Times in nanoseconds since the epoch."""

    name: str
    begun: int
    ended: int


def configure_tracing(
    settings: Settings, process: str, exporter: SpanExporter | None = None
) -> None:
    """Begin to trace, if there is a URL; `process` names this one in traces. Once per process.

    Raises SetupError where OpenTelemetry is not installed. `exporter` is for tests.
    """
    global _tracer, _shut_down
    if not settings.traces_url and exporter is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SetupError(
            "CLICKSTREAM_TRACES_URL is set, and OpenTelemetry is not installed:"
            " `pip install clickstream[traces]`"
        ) from error
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"clickstream-{process}"}),
        shutdown_on_exit=False,
    )
    to_url = exporter or OTLPSpanExporter(endpoint=settings.traces_url)
    provider.add_span_processor(BatchSpanProcessor(to_url, schedule_delay_millis=1_000))
    _tracer, _shut_down = provider.get_tracer("clickstream"), provider.shutdown


def stop_tracing() -> None:
    """Send what is left. Blocks for seconds when the collector is away."""
    global _tracer  # noqa: PLW0603
    _tracer = None
    if _shut_down is not None:
        _shut_down()


def request_span(
    method: str, path: str, headers: Mapping[bytes, bytes]
) -> AbstractContextManager[None]:
    """Around the work for a request; nothing when it is not traced."""
    if _tracer is None:
        return _NOTHING
    parent = headers.get(HEADER.encode())
    if parent is None or not _SAMPLED(parent):
        return _NOTHING
    return _server_span(f"{method} {path}", parent)


def publish_span(topic: str) -> AbstractContextManager[Sequence[tuple[str, bytes]]]:
    """Around the publishing for a request. Gives the headers that its records must have."""
    if _tracer is None:
        return _NO_HEADERS
    return _publish_span(topic)


def traced_step(name: str) -> AbstractContextManager[None]:
    """Around a part of a flush, such as an insert; nothing when no record of it is traced."""
    steps = None if _tracer is None else _steps.get()
    return _NOTHING if steps is None else _step(name, steps)


def is_on() -> bool:
    """Whether anything is traced at all."""
    return _tracer is not None


def traced_flush(parents: Sequence[bytes], work: Callable[..., T]) -> Callable[..., T]:
    """`work`, which then adds a span to each of the traces of these records, with its steps.

    The same `work` when there are none.
    """
    if _tracer is None or not parents:
        return work

    def traced(*args: object) -> T:
        steps: list[_Step] = []
        token, begun = _steps.set(steps), time_ns()
        try:
            return work(*args)
        finally:
            _steps.reset(token)
            for parent in parents[:_MOST_RECORDS]:
                _add_flush(parent, _Step("flush", begun, time_ns()), steps, len(parents))

    return traced


@contextmanager
def _server_span(name: str, parent: bytes) -> Iterator[None]:
    from opentelemetry.trace import SpanKind

    with _start(name, SpanKind.SERVER, _context_of(parent)):
        yield


@contextmanager
def _publish_span(topic: str) -> Iterator[Sequence[tuple[str, bytes]]]:
    from opentelemetry.trace import SpanKind, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if not get_current_span().is_recording():
        yield ()
        return
    with _start(f"publish {topic}", SpanKind.PRODUCER):
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        yield [(HEADER, carrier[HEADER].encode())]


@contextmanager
def _step(name: str, steps: list[_Step]) -> Iterator[None]:
    begun = time_ns()
    try:
        yield
    finally:
        steps.append(_Step(name, begun, time_ns()))


def _start(name: str, kind: SpanKind, context: Any = None) -> AbstractContextManager[Any]:
    assert _tracer is not None  # noqa: S101 - the callers have looked
    return _tracer.start_as_current_span(name, context, kind=kind)


def _add_flush(parent: bytes, flush: _Step, steps: Sequence[_Step], records: int) -> None:
    from opentelemetry.trace import SpanKind, set_span_in_context

    tracer = _tracer
    if tracer is None or not _SAMPLED(parent):
        return
    span = tracer.start_span(
        flush.name,
        _context_of(parent),
        SpanKind.CONSUMER,
        {"clickstream.traced_records": records},
        start_time=flush.begun,
    )
    inside = set_span_in_context(span)
    for step in steps:
        tracer.start_span(step.name, inside, start_time=step.begun).end(step.ended)
    span.end(flush.ended)


def _context_of(parent: bytes) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({HEADER: parent.decode("ascii")})
