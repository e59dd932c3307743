"""What `clickstream release` tells of a release, as lines of text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.releases.manifest import Order
    from api.releases.service import Release


def summary(release: Release) -> str:
    """One line."""
    manifest = release.manifest
    size = sum(file.bytes for file in manifest.files)
    counts = ", ".join(f"{count:,} {what}" for what, count in manifest.counts.items())
    files = f"{len(manifest.files)} files, {size:,} bytes"
    return f"{manifest.name}: {release.state.value}; {counts}; {files}"


def description(release: Release) -> list[str]:
    """What it was made of, and each file."""
    manifest = release.manifest
    files = release.as_dict()["files"]
    return [
        f"  made {_moment(manifest.made_at_ms)}, by {manifest.made_by or 'a caller without a key'}",
        f"  {_range(manifest.order)}",
        *(f"  only {filter}" for filter in _filters(manifest.order)),
        *_split(manifest.estimators),
        *map(_file, files),
    ]


def remarks(release: Release) -> list[str]:
    """What is not in it. An empty release says so."""
    manifest = release.manifest
    found = [
        f"left out: {count:,} {name.replace('_', ' ')}"
        for name, count in manifest.left_out.items()
        if count
    ]
    if not manifest.counts["sessions"]:
        found.append("the release is empty: no session of this range and these filters is stored")
    return found


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def _range(order: Order) -> str:
    begin = "" if order.from_ms is None else f" from {_moment(order.from_ms)}"
    end = "" if order.to_ms is None else f" before {_moment(order.to_ms)}"
    return f"sessions created{begin}{end}" if begin or end else "sessions of any time"


def _filters(order: Order) -> list[str]:
    named = {
        "query": order.query,
        "query_prefix": order.query_prefix,
        "query_regex": order.query_regex,
        "sort_field": order.sort_field,
        **order.dimensions,
    }
    return [f"{name} = {value!r}" for name, value in named.items() if value is not None]


def _split(estimators: dict[str, Any]) -> list[str]:
    splits = estimators.get("splits")
    if splits is None:
        return []
    lists = ", ".join(f"{count:,} {name}" for name, count in splits["lists"].items())
    several = splits["in_several_splits"]
    both = ", ".join(f"{count:,} {name}" for name, count in several.items())
    return [f"  lists split by {splits['by']}: {lists}; in several splits: {both}"]


def _file(file: dict[str, Any]) -> str:
    why = file["superseded"]
    end = f"superseded ({why['reason']})" if why else file["sha256"]
    return f"  {file['name']}: {file['rows']:,} rows, {file['bytes']:,} bytes, {end}"
