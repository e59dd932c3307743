"""What a replay reads of each partition, and whether the log still holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream.operations.log_offsets import LogOffsets
from clickstream.operations.replay.start_point import (
    Earliest,
    FromOffset,
    FromTime,
    Origin,
    rfc3339,
)
from core.errors import SetupError
from core.kafka.partitions import Partition


@dataclass(frozen=True, slots=True)
class Extent:
    """One partition, as the broker has it.

    `low` is the first offset that is left, `end` the one that the next record will get, `committed`
    how far the workers have written it (None: they never said). `since` is the first offset not
    older than the moment that was asked for (None: there is no such record), and `low_time_ms` when
    the record at `low` came (None: there is none).
    """

    low: int
    end: int
    committed: int | None
    since: int | None = None
    low_time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Read each partition from `starts` to `ends`; the stored rows from before `starts` stay."""

    starts: Mapping[Partition, int]
    ends: Mapping[Partition, int]
    keeps_older: bool

    @property
    def records(self) -> int:
        """How many offsets lie in between."""
        return sum(self.ends[place] - start for place, start in self.starts.items())


def extents_of(log: LogOffsets, origin: Origin) -> Mapping[Partition, Extent]:
    """Ask for all that a plan depends on: the ends last, so that nothing else lies beyond them.

    Raises BrokerUnavailable.
    """
    lows = log.lows()
    # The first record that is left is the first one not older than 1970.
    firsts = log.since(0)
    since = log.since(origin.ms) if isinstance(origin, FromTime) else firsts
    committed = log.committed()
    ends = log.ends()
    return {
        place: Extent(
            low=lows[place],
            end=max(lows[place], ends[place]),
            committed=committed.get(place),
            since=_or_none(since[place][0]),
            low_time_ms=_or_none(firsts[place][1]),
        )
        for place in log.partitions
    }


def plan(origin: Origin, extents: Mapping[Partition, Extent]) -> Plan:
    """Pure. Raises SetupError, with what is possible instead, when the range is not covered."""
    gone = {place: extent for place, extent in extents.items() if _is_gone(origin, extent)}
    if gone:
        raise SetupError(_refusal(origin, gone, extents))
    starts = {place: _start(origin, extent) for place, extent in extents.items()}
    for place, extent in extents.items():
        if starts[place] < extent.low:
            raise SetupError(
                f"the workers have written {_name(place)} up to offset {extent.committed or 0}, and"
                f" the log begins at {extent.low}: what lies between is in neither, so no replay"
                " can bring it back. Start the workers and let them catch up first; if they have,"
                " look at CLICKSTREAM_WORKER__GROUP"
            )
    ends = {place: extent.end for place, extent in extents.items()}
    return Plan(starts, ends, keeps_older=not isinstance(origin, Earliest))


def _is_gone(origin: Origin, extent: Extent) -> bool:
    """Whether records that were asked for have been deleted."""
    match origin:
        case Earliest():
            return extent.low > 0
        case FromOffset(offset):
            return offset < extent.low
        case FromTime():
            # The record before `low` is gone, and nothing says that it was older than asked for.
            # An empty log is not held against anyone: nothing of it is left to be rebuilt.
            return 0 < extent.low == extent.since


def _start(origin: Origin, extent: Extent) -> int:
    """Never behind what the workers have committed: only rows from before that are surely stored,
    and so can be kept."""
    match origin:
        case Earliest():
            return 0
        case FromOffset(offset):
            asked = min(offset, extent.end)
        case FromTime():
            asked = extent.end if extent.since is None else extent.since
    return min(asked, extent.committed or 0)


def _refusal(
    origin: Origin, gone: Mapping[Partition, Extent], extents: Mapping[Partition, Extent]
) -> str:
    place, extent = max(gone.items(), key=lambda item: item[1].low)
    offset = max(extent.low for extent in extents.values())
    times = [extent.low_time_ms for extent in extents.values() if extent.low > 0]
    known = [time for time in times if time is not None]
    # One more: the record before may have come in the same millisecond.
    by_time = f" or timestamp:{rfc3339(max(known) + 1)}" if known else ""
    taken = "" if extent.low_time_ms is None else f" ({rfc3339(extent.low_time_ms)})"
    return (
        f"the log no longer covers --from {origin}: {_name(place)} begins at offset"
        f" {extent.low}{taken}. Possible is --from offset:{offset}{by_time}: rows from before that"
        " are kept as they are"
    )


def _name(place: Partition) -> str:
    return f"{place.topic}/{place.partition}"


def _or_none(number: int) -> int | None:
    return None if number < 0 else number
