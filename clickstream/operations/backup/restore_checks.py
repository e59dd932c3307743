"""What a restore cannot bring back, and whether it may go on without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream.operations.backup.kafka_state import consumed_topics
from clickstream.operations.backup.manifest import Manifest
from clickstream.operations.backup.offsets import (
    LiveTopic,
    OffsetPlan,
    erasures_topic_recreated,
    plan_offsets,
)
from clickstream.operations.log_offsets import LogOffsets
from core.errors import SetupError
from core.settings import Settings
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class Losses:
    """Sentences about records and about erasures that came after the backup and are gone.

    `without_kafka`: the topic of erasures is not to be read at all.
    """

    records: tuple[str, ...] = ()
    erasures: tuple[str, ...] = ()
    without_kafka: bool = False

    @classmethod
    def unknown_erasures(cls, manifest: Manifest) -> Losses:
        """Those of a restore that does not ask Kafka."""
        return cls(
            erasures=(
                f"Kafka was not asked: users who were erased after {manifest.taken_at} are in the"
                " restored tables",
            ),
            without_kafka=True,
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them."""
        return self.records + self.erasures

    def check_accepted(self, *, erasures: bool, records: bool) -> None:
        """Raises SetupError for a loss that the operator has not accepted."""
        for found, accepted, flag in (
            (self.erasures, erasures, "--accept-missing-erasures"),
            (self.records, records, "--accept-data-loss"),
        ):
            if found and not accepted:
                raise SetupError(f"{'; '.join(found)}. Nothing is restored without {flag}")


def check_no_workers(settings: Settings) -> None:
    """Raises SetupError while workers run."""
    if workers := LogOffsets(settings).workers():
        raise SetupError(
            f"{workers} workers of group {settings.worker.group} are running, and go on from their"
            " own offsets: stop them first. The edge may go on"
        )


def planned(settings: Settings, manifest: Manifest, live: Mapping[str, LiveTopic]) -> OffsetPlan:
    """Where the workers go on. Raises SetupError while they run, and as `plan_offsets`."""
    names = consumed_topics(settings)
    if all(name in live for name in names):
        check_no_workers(settings)
    return plan_offsets(manifest, live, names, settings.topics.epoch)


def find_losses(
    settings: Settings,
    manifest: Manifest,
    live: Mapping[str, LiveTopic],
    plan: OffsetPlan | None,
) -> Losses:
    """What came after the backup and is gone. Without a plan, records are not looked at."""
    records, erasures = [], []
    if plan is not None:
        records += [
            f"{partition.topic}/{partition.partition}: {count:,} records after the backup are lost:"
            " Kafka has deleted them by age"
            for partition, count in plan.lost.items()
        ]
        if plan.topics_recreated:
            records.append(
                "the topics were deleted and created again: what came after"
                f" {manifest.taken_at} is lost; keep"
                f" CLICKSTREAM_TOPICS__EPOCH={settings.topics.epoch} for every process"
            )
    if erasures_topic_recreated(manifest, live, Topics.from_settings(settings).erasures):
        erasures.append(
            f"the topic of erasures is not the one of the backup: users who were erased after"
            f" {manifest.taken_at} will be in the restored tables; run `clickstream erase` for each"
            " of them again"
        )
    return Losses(tuple(records), tuple(erasures))
