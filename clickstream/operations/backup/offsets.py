"""The offsets from which the workers go on after a restore. Pure.

Every row of a record below the saved offsets is in the backup. Later records are read from Kafka.
Rows are right by key and version, so a record that is read twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream.operations.backup.manifest import Manifest, SavedTopic
from core.errors import SetupError
from core.kafka.partitions import Partition


@dataclass(frozen=True, slots=True)
class LiveTopic:
    """A topic as Kafka has it now: its id, and the first and the next offset of each partition."""

    topic_id: str
    low_watermarks: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OffsetPlan:
    """Where the workers go on.

    `offsets` has the offset of each partition, `records_to_reprocess` the number of records from
    there to the end. `lost` counts, by partition, the records that are not in the backup and that
    Kafka has deleted by age. `topics_recreated` says whether a topic was deleted and created again
    since the backup, or has lost its newest records.
    """

    offsets: Mapping[Partition, int]
    records_to_reprocess: int
    lost: Mapping[Partition, int]
    topics_recreated: bool


def plan_offsets(
    manifest: Manifest, live: Mapping[str, LiveTopic], names: tuple[str, ...], epoch: int
) -> OffsetPlan:
    """Plan the offsets of the topics `names`; `live` has the topics that exist.

    Raises SetupError when a topic was created again, or ends before an offset of the backup, and
    the epoch was not raised: the first post of an id would no longer win.
    """
    offsets: dict[Partition, int] = {}
    lost: dict[Partition, int] = {}
    to_reprocess, recreated = 0, []
    for name in names:
        saved, now = manifest.topic(name), live.get(name)
        if (
            saved is None
            or now is None
            or saved.topic_id != now.topic_id
            or _is_shorter(saved, now)
        ):
            recreated.append(name)
            lows = now.low_watermarks if now else (0,) * manifest.partitions
            offsets.update({Partition(name, n): low for n, low in enumerate(lows)})
            to_reprocess += sum(now.ends) - sum(lows) if now else 0
            continue
        for number, committed in enumerate(saved.committed):
            partition, wanted = Partition(name, number), committed or 0
            low = now.low_watermarks[number]
            offsets[partition] = max(wanted, low)
            to_reprocess += max(0, now.ends[number] - offsets[partition])
            if low > wanted:
                lost[partition] = low - wanted
    if recreated and epoch <= manifest.epoch:
        raise SetupError(
            f"{', '.join(recreated)} was deleted and created again since the backup, or ends before"
            " the backup's offsets (after an unclean election, or with an older disk): set"
            f" CLICKSTREAM_TOPICS__EPOCH={manifest.epoch + 1} for every process, so that the rows"
            " of the backup stay the first, and restore again"
        )
    return OffsetPlan(offsets, to_reprocess, lost, bool(recreated))


def erasures_topic_recreated(manifest: Manifest, live: Mapping[str, LiveTopic], name: str) -> bool:
    """Whether the topic of erasures is another one than that of the backup, or has lost its newest
    records. Erasures that came after the backup are then unknown."""
    saved, now = manifest.topic(name), live.get(name)
    return saved is not None and (
        now is None
        or now.topic_id != saved.topic_id
        or any(end < before for end, before in zip(now.ends, saved.ends, strict=False))
    )


def _is_shorter(saved: SavedTopic, now: LiveTopic) -> bool:
    """Whether a partition ends before its committed offset: other records will have the offsets of
    those that are in the backup."""
    return any(
        committed is not None and end < committed
        for committed, end in zip(saved.committed, now.ends, strict=False)
    )
