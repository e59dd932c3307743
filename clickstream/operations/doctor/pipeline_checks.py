"""Does the data flow, and is what is stored what was promised?"""

from __future__ import annotations

from clickstream.operations.doctor.clients import ClickHouseView, KafkaView
from clickstream.operations.doctor.result import Verdict, fail, ok, warn

# Half a minute of 5,000 events a second: more than a healthy worker ever has before it.
LAG_TO_WARN = 150_000
# An event that waits longer for its session than a day is one whose session was most likely lost
# upstream; it is dropped after 30 days.
UNJOINED_SECONDS_TO_WARN = 24 * 60 * 60


def check_worker(kafka: KafkaView) -> Verdict:
    """Somebody is a member of the sink's group."""
    group = kafka.group()
    if group.members == 0:
        return fail(
            f"nobody consumes as {group.name} ({group.state})",
            "start `clickstream worker`; until then posts are kept in Kafka and not readable",
        )
    return ok(f"{group.members} worker(s) in {group.name} ({group.state})")


def check_lag(kafka: KafkaView) -> Verdict:
    """The sink is not far behind the end of the log."""
    lag = kafka.lag()
    seen = "behind by " + ", ".join(f"{count} in {topic}" for topic, count in lag.items())
    if sum(lag.values()) > LAG_TO_WARN:
        return warn(seen, "if it does not fall, add workers or look at ClickHouse's load")
    return ok(seen)


def check_duplicates(clickhouse: ClickHouseView) -> Verdict:
    """What readers see holds each key once: `count() FINAL` equals `uniqExact` of the key."""
    counts = clickhouse.counts()
    seen = ", ".join(f"{count.rows} {table}" for table, count in counts.items())
    twice = {table: c for table, c in counts.items() if c.rows != c.keys}
    if twice:
        differences = ", ".join(
            f"{table}: {c.rows} rows for {c.keys} keys" for table, c in twice.items()
        )
        return fail(
            differences,
            "one session has rows in two days: stop the workers and report it with the rows "
            "that docs/sql.md shows how to find",
        )
    return ok(f"{seen}, each key once")


def check_hashes(clickhouse: ClickHouseView) -> Verdict:
    """`relevant_events` compares hashes of session ids: it hides no session that counts."""
    if count := clickhouse.namesakes():
        return fail(
            f"{count} session(s) that count have the hash of one that was marked irrelevant",
            "relevant_events leaves their events out: read `events FINAL` and compare session_id",
        )
    return ok("no session that counts has the hash of a marked one")


def check_unjoined(clickhouse: ClickHouseView) -> Verdict:
    """Events do not wait for their session for ever."""
    count, oldest_seconds = clickhouse.unjoined()
    if count == 0:
        return ok("none")
    seen = f"{count} wait for their session, the oldest for {_for_people(oldest_seconds)}"
    if oldest_seconds > UNJOINED_SECONDS_TO_WARN:
        return warn(seen, "their sessions were never posted: see that the callers post them")
    return ok(seen)


def _for_people(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
