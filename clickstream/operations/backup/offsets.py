"""From where the workers go on after a restore. Pure.

Below the saved offsets every row is in the backup. What came later is in Kafka, if anywhere, and
is read again: rows are right by key, so reading a record twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream.operations.backup.manifest import Manifest
from core.errors import SetupError
from core.kafka.partitions import Partition


@dataclass(frozen=True, slots=True)
class LiveTopic:
    """A topic as Kafka has it now: its id, and per partition the first and the next offset."""

    topic_id: str
    lows: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Resume:
    """`offsets`: where each partition goes on. `replayed`: how many records lie from there to the
    end. `lost`: records that retention has deleted and no backup holds, by partition. `is_new`:
    at least one topic was made anew since the backup."""

    offsets: Mapping[Partition, int]
    replayed: int
    lost: Mapping[Partition, int]
    is_new: bool


def resume(
    manifest: Manifest, live: Mapping[str, LiveTopic], names: tuple[str, ...], epoch: int
) -> Resume:
    """`live` has the topics that exist, `names` are those that workers read. Raises SetupError when
    the topics were made anew and the epoch was not raised: first would no longer win."""
    offsets: dict[Partition, int] = {}
    lost: dict[Partition, int] = {}
    replayed, made_anew = 0, []
    for name in names:
        saved, now = manifest.topic(name), live.get(name)
        if saved is None or now is None or saved.topic_id != now.topic_id:
            made_anew.append(name)
            lows = now.lows if now else (0,) * manifest.partitions
            offsets.update({Partition(name, n): low for n, low in enumerate(lows)})
            replayed += sum(now.ends) - sum(now.lows) if now else 0
            continue
        for number, committed in enumerate(saved.committed):
            place, wanted = Partition(name, number), committed or 0
            offsets[place] = max(wanted, now.lows[number])
            replayed += max(0, now.ends[number] - offsets[place])
            if now.lows[number] > wanted:
                lost[place] = now.lows[number] - wanted
    if made_anew and epoch <= manifest.epoch:
        raise SetupError(
            f"{', '.join(made_anew)} was made anew since the backup: set"
            f" CLICKSTREAM_TOPICS__EPOCH={manifest.epoch + 1} for every process, so that the rows"
            " of the backup stay the first, and restore again"
        )
    return Resume(offsets, replayed, lost, bool(made_anew))


def forgotten_erasures(manifest: Manifest, live: Mapping[str, LiveTopic], name: str) -> bool:
    """Whether the topic of erasures is not the one of the backup: erasures that were asked for
    after it are then known to nobody."""
    saved, now = manifest.topic(name), live.get(name)
    return saved is not None and (now is None or now.topic_id != saved.topic_id)
