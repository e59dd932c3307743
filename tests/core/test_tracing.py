"""Traces: off unless asked for, and then from the request to the records and on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from core import tracing
from core.settings import Settings
from core.tracing import (
    configure_tracing,
    publish_span,
    request_span,
    stop_tracing,
    traced_flush,
    traced_step,
)

SETTINGS = Settings(_env_file=None)
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01".encode()


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    memory = InMemorySpanExporter()
    configure_tracing(SETTINGS, "test", memory)
    yield memory
    stop_tracing()


def finished(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    stop_tracing()
    return {span.name: span for span in exporter.get_finished_spans()}


def test_while_it_is_off_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys, clickstream.commands.edge, producers.kafka_publisher, core.http.server,"
        " stream_processors.process.worker\n"
        "from core.settings import Settings\n"
        "from core.tracing import configure_tracing\n"
        "configure_tracing(Settings(_env_file=None), 'test')\n"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_while_it_is_off_every_span_is_one_and_the_same_nothing() -> None:
    headers = {b"traceparent": SAMPLED}
    assert request_span("POST", "/session", headers) is request_span("GET", "/x", {})
    assert publish_span("events") is publish_span("sessions")
    assert traced_step("insert events") is request_span("GET", "/x", {})
    assert traced_flush([SAMPLED], print) is print
    with publish_span("events") as record_headers:
        assert record_headers == ()


def test_records_of_a_traced_request_name_their_trace(exporter: InMemorySpanExporter) -> None:
    with (
        request_span("POST", "/session", {b"traceparent": SAMPLED}),
        publish_span("sessions") as record_headers,
    ):
        ((name, parent),) = record_headers
    spans = finished(exporter)
    request, publish = spans["POST /session"], spans["publish sessions"]
    assert request.context is not None
    assert publish.context is not None
    assert f"{request.context.trace_id:032x}" == TRACE
    assert publish.parent == request.context
    assert name == "traceparent"
    assert parent == f"00-{TRACE}-{publish.context.span_id:016x}-01".encode()


@pytest.mark.parametrize(
    "parent",
    [
        None,
        SAMPLED[:-1] + b"0",
        b"00-" + b"0" * 32 + SAMPLED[35:],
        SAMPLED.upper(),
        b"01" + SAMPLED[2:],
        b"nonsense",
        SAMPLED + b"\xff",
    ],
)
def test_what_nobody_sampled_is_not_traced(
    parent: bytes | None, exporter: InMemorySpanExporter
) -> None:
    headers = {} if parent is None else {b"traceparent": parent}
    with request_span("POST", "/session", headers), publish_span("sessions") as record_headers:
        assert record_headers == ()
    assert finished(exporter) == {}


def test_a_flush_is_in_the_trace_of_each_of_its_records_with_its_steps(
    exporter: InMemorySpanExporter,
) -> None:
    other = SAMPLED.replace(TRACE.encode(), b"1" * 32)

    def work(rows: int) -> int:
        with traced_step("insert events"):
            return rows

    assert traced_flush([SAMPLED, other, b"nonsense"], work)(5) == 5
    stop_tracing()
    spans = exporter.get_finished_spans()
    flushes = [span for span in spans if span.name == "flush"]
    inserts = [span for span in spans if span.name == "insert events"]
    assert {f"{span.context.trace_id:032x}" for span in flushes} == {TRACE, "1" * 32}
    assert [insert.parent for insert in inserts] == [flush.context for flush in flushes]
    for flush, insert in zip(flushes, inserts, strict=True):
        times = (flush.start_time, insert.start_time, insert.end_time, flush.end_time)
        assert None not in times
        assert sorted(times) == list(times)  # type: ignore[type-var]


def test_a_flush_that_fails_is_traced_all_the_same(exporter: InMemorySpanExporter) -> None:
    def work() -> None:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError):
        traced_flush([SAMPLED], work)()
    assert "flush" in finished(exporter)


def test_a_flush_of_very_many_traced_records_makes_a_bounded_number_of_spans(
    exporter: InMemorySpanExporter,
) -> None:
    traced_flush([SAMPLED] * 1_000, lambda: None)()
    stop_tracing()
    assert len(exporter.get_finished_spans()) == tracing._MOST_RECORDS
