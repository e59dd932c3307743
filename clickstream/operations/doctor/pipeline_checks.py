"""Does the data flow, and do the tables hold what is promised?"""

from __future__ import annotations

from clickstream.operations.doctor.clickhouse_client import ClickHouseClient, SplitSessions
from clickstream.operations.doctor.kafka_client import KafkaClient
from clickstream.operations.doctor.result import CheckResult, fail, ok, warn

# Records. Half a minute of 5,000 events a second; a healthy worker never lags so far behind.
LAG_TO_WARN = 150_000
# Seconds. The session of an event that waits longer than a day was most likely never posted; the
# event is deleted after 30 days.
UNJOINED_SECONDS_TO_WARN = 24 * 60 * 60


def check_worker(kafka: KafkaClient) -> CheckResult:
    """The workers' consumer group has members."""
    group = kafka.group()
    if group.members == 0:
        return fail(
            f"consumer group {group.name} has no members ({group.state})",
            "start `clickstream worker`; until then posts are kept in Kafka and not readable",
        )
    return ok(f"{group.members} worker(s) in {group.name} ({group.state})")


def check_lag(kafka: KafkaClient) -> CheckResult:
    """The workers are not far behind the end of the log, and no open transaction holds them."""
    lag = kafka.lag()
    detail = "behind by " + ", ".join(f"{each.records} in {topic}" for topic, each in lag.items())
    if held := {topic: each.held for topic, each in lag.items() if each.held}:
        counts = ", ".join(f"{count} in {topic}" for topic, count in held.items())
        return warn(
            f"{detail}; held by an open transaction: {counts}",
            "a producer began a transaction and has not ended it: Kafka aborts it after its"
            " transaction.timeout.ms; `kafka-transactions.sh find-hanging` names it if it stays",
        )
    if sum(each.records for each in lag.values()) > LAG_TO_WARN:
        return warn(detail, "if it does not fall, add workers or look at ClickHouse's load")
    return ok(detail)


def check_duplicates(clickhouse: ClickHouseClient) -> CheckResult:
    """Readers see each key once: no session has rows in two days."""
    tables = clickhouse.split_sessions()
    split = {table: found.split for table, found in tables.items() if found.split}
    if split:
        return fail(
            ", ".join(f"{table}: {count} session(s) in two days" for table, count in split.items()),
            "stop the workers and report it with the rows that docs/sql.md shows how to find",
        )
    return ok(", ".join(_looked_at(table, found) for table, found in tables.items()))


def _looked_at(table: str, found: SplitSessions) -> str:
    sample = "" if found.sample == 1 else f" (looked at one session in {found.sample})"
    return f"{found.rows} rows of {table}, each session in one day{sample}"


def check_hash_collisions(clickhouse: ClickHouseClient) -> CheckResult:
    """No session has the hash of a marked one: `relevant_events` compares hashes of session ids."""
    if count := clickhouse.hash_collisions():
        return fail(
            f"{count} session(s) have the hash of another one that was marked irrelevant",
            "relevant_events leaves their events out: read `events FINAL` and compare session_id",
        )
    return ok("no session has the hash of a marked one")


def check_dead_letters(clickhouse: ClickHouseClient) -> CheckResult:
    """No dead letter is pending."""
    counts = clickhouse.dead_letters()
    if not counts:
        return ok("none")
    most_frequent = max(counts, key=lambda reason: counts[reason])
    return warn(
        ", ".join(f"{count} {reason}" for reason, count in counts.items()),
        f"run `clickstream dlq list --reason {most_frequent}`, then `clickstream dlq show NAME`,"
        " which says what to do",
    )


def check_unjoined(clickhouse: ClickHouseClient) -> CheckResult:
    """No event waits for its session for more than a day."""
    count, oldest_seconds = clickhouse.unjoined()
    if count == 0:
        return ok("none")
    detail = f"{count} wait for their session, the oldest for {_readable(oldest_seconds)}"
    if oldest_seconds > UNJOINED_SECONDS_TO_WARN:
        return warn(detail, "their sessions were never posted: see that the callers post them")
    return ok(detail)


def check_instrumentation(clickhouse: ClickHouseClient, finding: str) -> CheckResult:
    """One of the checks of the view `_instrumentation_health` has found nothing."""
    check = clickhouse.instrumentation()[finding]
    if not check.total:
        return ok("nothing to look at")
    detail = f"{check.cases} of {check.total} ({check.cases / check.total:.2%})"
    if check.one_of > 1:
        detail += f" in one of {check.one_of} searches"
    if not check.is_found:
        return ok(detail)
    examples = f", such as {'; '.join(check.examples)}" if check.examples else ""
    return warn(
        f"{detail}, more than {check.threshold:.0%}{examples}. {check.meaning}", check.what_to_do
    )


def _readable(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
