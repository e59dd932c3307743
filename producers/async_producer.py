"""`AsyncProducer`: one librdkafka producer on the event loop.

`send` calls `produce()` for each record; librdkafka gathers the records of a partition for
`linger.ms`. While sends are pending, the loop calls `poll(0)` every millisecond, which calls the
delivery reports, which wake the senders. There is no thread of our own. A polling thread cost twice
the CPU per record, and gathering records here cost more than librdkafka's own gathering:
docs/decisions/0016-produce-record-by-record.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import takewhile
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from core.errors import (
    BrokerUnavailable,
    RecordTooLarge,
    RequestRefused,
    Unavailable,
    WriteForbidden,
)
from core.log_throttle import Throttle

# Between two ticks while sends are pending. A delivery report waits for the next one.
_TICK_SECONDS: Final = 0.001
# While none are: errors and log lines still have to be fetched.
_IDLE_SECONDS: Final = 0.5
# For the reports of purged records, which librdkafka makes up itself.
_PURGE_SECONDS: Final = 1.0

# librdkafka gives a record up after `message.timeout.ms`, and looks for such records once a second.
# A send is given up this much after the former, seconds, whatever has become of its report.
_REPORT_SECONDS: Final = 2.0
_LIBRARY_TIMEOUT_MS: Final = 300_000
# Before an operator has changed something, trying again is of no use.
_OPERATOR_SECONDS: Final = 60

_QUEUE_FULL: Final = KafkaError(KafkaError._QUEUE_FULL)
_NO_REPORT: Final = KafkaError(KafkaError._TIMED_OUT, "no delivery report came")
_FAULT: Final = KafkaError(KafkaError._FAIL, "the client failed: the log says more")
_TOO_LARGE: Final = KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE
_FORBIDDEN: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError.INVALID_REQUIRED_ACKS,
    KafkaError._AUTHENTICATION,
)
_UNKNOWN_OUTCOME: Final = "it may be stored or not; send it again"

Options = dict[str, Any]
MakeProducer = Callable[[Options], Producer]
Headers = Sequence[tuple[str, bytes]]

_log = logging.getLogger(__name__)
_KAFKA_LOG = logging.getLogger("clickstream.kafka")  # librdkafka's own lines


class PendingSend:
    """The records of one `send`: the last one's position, once all are acknowledged.

    `offset` is None when the broker did not say where it had put each of them.
    """

    __slots__ = ("_on_settled", "_unreported", "begun", "error", "future", "offset", "partition")

    def __init__(
        self,
        records: int,
        begun: float,
        future: asyncio.Future[None],
        on_settled: Callable[[PendingSend], None],
    ) -> None:
        self.begun = begun
        self._unreported = records
        self._on_settled = on_settled
        self.partition = -1
        self.offset: int | None = -1
        self.error: KafkaError | None = None
        self.future = future

    def on_report(self, error: KafkaError | None, message: Message | None) -> None:
        """librdkafka's delivery report of one record; without a message when it was refused."""
        if error is not None:
            self.error = error
            self._resolve()  # the others cannot change the outcome
        elif message is not None:
            self.partition = message.partition() or 0
            # Unknown when the broker had the record already, from an attempt whose answer was lost.
            offset = message.offset()
            if self.offset is None or offset is None or offset < 0:
                self.offset = None
            elif offset > self.offset:
                self.offset = offset
        self._unreported -= 1
        if self._unreported == 0:
            self._resolve()
            self._on_settled(self)

    def give_up(self) -> None:
        """No report came in time. What still comes is of no interest."""
        self.error = _NO_REPORT
        self._resolve()
        self._on_settled(self)

    def _resolve(self) -> None:
        """Let the sender go on, unless it has gone away."""
        if not self.future.done():
            self.future.set_result(None)


class AsyncProducer:
    """One producer. Used on one event loop; `on_fatal` is called there, once, when the producer
    has met an error after which it will never deliver again."""

    def __init__(
        self, options: Options, on_fatal: Callable[[], None], make: MakeProducer = Producer
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_fatal = on_fatal
        self._is_broken = False
        # Oldest first.
        self._pending: dict[PendingSend, None] = {}
        given_up_ms = int(options.get("message.timeout.ms", _LIBRARY_TIMEOUT_MS))
        self._give_up_seconds = given_up_ms / 1000 + _REPORT_SECONDS
        self._poll_error: Exception | None = None
        self._throttle = Throttle()
        # Of its own: questions for readiness must not keep others from the default pool.
        self._questions = ThreadPoolExecutor(1, thread_name_prefix="kafka-ready")
        self._is_settled = asyncio.Event()  # for whoever waits until there are none
        self._producer = make({**options, "error_cb": self._note, "logger": _KAFKA_LOG})
        self._is_idle = True
        self._timer = self._loop.call_later(_IDLE_SECONDS, self._tick)
        self._retiring: asyncio.Task[None] | None = None

    async def send(
        self, topic: str, key: bytes, values: Sequence[bytes], headers: Headers = ()
    ) -> PendingSend:
        """Produce the values in order, and wait until every one is acknowledged or given up.

        Each record has these headers.

        Ends within `message.timeout.ms` and two seconds: librdkafka reports on each a second
        earlier, and a send without a report is given up. Raises BrokerUnavailable or
        RecordTooLarge; some of the values may have been stored then.
        """
        loop = self._loop
        pending = PendingSend(len(values), loop.time(), loop.create_future(), self._settle)
        self._pending[pending] = None
        # Without any, librdkafka is not even asked to look.
        more: dict[str, Any] = {"headers": list(headers)} if headers else {}
        for value in values:
            try:
                self._producer.produce(topic, value, key, on_delivery=pending.on_report, **more)
            except BufferError:
                pending.on_report(_QUEUE_FULL, None)
            except KafkaException as error:
                pending.on_report(error.args[0], None)
            except Exception as error:
                self._log_fault("produce", error)
                pending.on_report(_FAULT, None)
        if self._is_idle:
            self._timer.cancel()
            self._tick()
        await pending.future
        if pending.error is not None:
            raise _error_of(pending.error)
        return pending

    async def missing(self, topics: Sequence[str], seconds: float) -> list[str]:
        """Those of `topics` that have no partition to write to. Raises BrokerUnavailable."""
        return await self._loop.run_in_executor(self._questions, self._missing, topics, seconds)

    def queue_length(self) -> int:
        """Records, and reports on them, that wait in librdkafka."""
        return len(self._producer)

    def reasons(self) -> list[str]:
        """What is wrong with the producer itself, one sentence each. Asks nobody."""
        found = []
        if self._poll_error is not None:
            found.append(f"polling Kafka fails ({type(self._poll_error).__name__}): see the log")
        oldest = next(iter(self._pending), None)
        age = 0.0 if oldest is None else self._loop.time() - oldest.begun
        # A healthy acknowledgement takes milliseconds, a leader election a second.
        if age > self._give_up_seconds / 2:
            found.append(f"the oldest write has waited {age:.1f} s for Kafka's acknowledgement")
        return found

    async def close(self, grace_seconds: float) -> None:
        """Deliver what was sent; after the grace give up, and report, what is left."""
        try:
            await self._settled(grace_seconds)
            self._producer.purge()
            await self._settled(_PURGE_SECONDS)
        finally:
            for pending in list(self._pending):
                pending.give_up()
            self._timer.cancel()
            self._questions.shutdown(wait=False)

    def retire(self) -> None:
        """Give everything up, in the background; nothing may be sent afterwards."""
        self._retiring = self._loop.create_task(self.close(0))

    async def _settled(self, seconds: float) -> None:
        if self._pending:
            self._is_settled.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._is_settled.wait()

    def _tick(self) -> None:
        """Take the delivery reports that have come, and log lines and errors with them."""
        try:
            self._producer.poll(0)
            self._poll_error = None
        except Exception as error:  # of a callback: the next tick calls those that are left
            self._poll_error = error
            self._log_fault("poll", error)
        finally:
            self._give_up_overdue()
            self._is_idle = not self._pending
            pause = _IDLE_SECONDS if self._is_idle else _TICK_SECONDS
            self._timer = self._loop.call_later(pause, self._tick)

    def _give_up_overdue(self) -> None:
        """Here and not by a timeout of each send, which would cost more than the rest of it."""
        if self._pending:
            overdue = self._loop.time() - self._give_up_seconds
            for pending in list(takewhile(lambda one: one.begun < overdue, self._pending)):
                pending.give_up()

    def _settle(self, pending: PendingSend) -> None:
        self._pending.pop(pending, None)
        if pending.error is not None:
            self._note(pending.error)
        if not self._pending:
            self._is_settled.set()

    def _log_fault(self, what: str, error: Exception) -> None:
        if self._throttle.allows(what):
            _log.error("%s of the Kafka producer failed, and goes on", what, exc_info=error)

    def _note(self, error: KafkaError) -> None:
        if error.fatal() and not self._is_broken:
            self._is_broken = True
            _log.error("the Kafka producer met a fatal error and is replaced: %s", error.str())
            self._loop.call_soon(self._on_fatal)

    def _missing(self, topics: Sequence[str], seconds: float) -> list[str]:
        try:
            known = self._producer.list_topics(timeout=seconds).topics
        except KafkaException as error:
            why = error.args[0].str()
            raise BrokerUnavailable(
                f"Kafka does not answer ({why})", public="Kafka does not answer"
            ) from error
        return [topic for topic in topics if topic not in known or not known[topic].partitions]


def _error_of(error: KafkaError) -> Unavailable | RequestRefused:
    code, why = error.code(), error.str()
    if code == KafkaError._QUEUE_FULL:
        return BrokerUnavailable("too many records wait for Kafka already: try again in a moment")
    if code in _TOO_LARGE:
        return RecordTooLarge(
            f"Kafka refuses a record of this request ({why}): send less in it, or have"
            " max.message.bytes of the topic and message.max.bytes of the broker raised"
        )
    if code in _FORBIDDEN:
        return WriteForbidden(
            f"Kafka refuses the write ({why}): an operator must allow it", _OPERATOR_SECONDS
        )
    return BrokerUnavailable(f"Kafka did not acknowledge ({why}): {_UNKNOWN_OUTCOME}")
