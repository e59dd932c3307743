"""`clickstream export training`: training files of rankers."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from clickstream.commands.output_files import check_ending, replaced_when_whole

if TYPE_CHECKING:
    from api.metrics.question import Filters
    from api.selection import Selection
    from api.training.export import Account, TrainingExport
    from api.training.formats import TrainingFormat
    from api.training.question import Lists
    from core.settings import Settings

FORMATS = (
    "parquet",
    "csv",
    "libsvm",
    "lightgbm",
    "qrels",
    "run",
    "triples",
    "conversations",
    "clax",
)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """As they were typed."""

    format: str
    event_type: str
    features: str
    title: str
    split: str
    split_by: str
    shares: str


def export_training(
    settings: Settings,
    selection: Selection,
    filters: Filters,
    options: TrainingOptions,
    output: Path,
) -> list[Path]:
    """The files that were written; says on standard error what is in them and what is not.

    LightGBM's file of lists and of positions stand beside its own, clax's pairs beside its
    sessions. Raises InvalidRequest for an
    option that the route refuses.
    """
    from api.training.formats import TrainingFormat

    check_ending(output, options.format)
    lists = _lists(settings, selection, filters, options)
    files = {output: TrainingFormat(options.format)}
    if options.format == "lightgbm":
        files[output.with_name(f"{output.name}.query")] = TrainingFormat.LIGHTGBM_QUERY
        files[output.with_name(f"{output.name}.position")] = TrainingFormat.LIGHTGBM_POSITION
    if options.format == "clax":
        pairs = output.with_name(f"{output.stem}.pairs{output.suffix}")
        files[pairs] = TrainingFormat.CLAX_PAIRS
    account = asyncio.run(_write(settings, lists, files))
    _tell(account)
    return list(files)


def _lists(
    settings: Settings, selection: Selection, filters: Filters, options: TrainingOptions
) -> Lists:
    from api.training.formats import TrainingFormat
    from api.training.parameters import parse_features, parse_path, parse_shares
    from api.training.question import Lists, Split, SplitBy

    times = selection.times()
    return Lists(
        times=(int(times["from_ms"]), int(times["to_ms"])),
        relevance=selection.relevance.value,
        event_type=options.event_type,
        filters=filters,
        features=parse_features(options.features, TrainingFormat(options.format)),
        title=parse_path("title", options.title),
        variant_field=next(iter(settings.variant_fields), ""),
        split_by=SplitBy(options.split_by),
        split=Split(options.split),
        shares=parse_shares(options.shares),
    )


async def _write(settings: Settings, lists: Lists, files: dict[Path, TrainingFormat]) -> Account:
    """All files, or none."""
    from api.queries import FIRST_BYTE_SECONDS
    from api.store import ClickHouseStore
    from api.training.export import TrainingExport

    store = ClickHouseStore(settings, FIRST_BYTE_SECONDS)
    try:
        training = TrainingExport(store, FIRST_BYTE_SECONDS)
        account = await training.account(lists)
        with replaced_when_whole(*files) as opened:
            for file, format in zip(opened, files.values(), strict=True):
                await _write_file(training, lists, format, file)
    finally:
        await store.close()
    return account


async def _write_file(
    training: TrainingExport, lists: Lists, format: TrainingFormat, file: BinaryIO
) -> None:
    async with aclosing(training.file(lists, format)) as parts:
        async for part in parts:
            file.write(part)


def _tell(account: Account) -> None:
    splits = ", ".join(f"{count:,} {name}" for name, count in account.splits.items())
    what = f"{account.lists:,} lists with {account.rows:,} results, {account.clicks:,} clicked"
    print(f"{what}; {splits}", file=sys.stderr)
    for name, count in account.left_out.items():
        if count:
            print(f"left out: {count:,} {name.replace('_', ' ')}", file=sys.stderr)
    for name, count in account.in_several_splits.items():
        if count:
            print(f"in several splits: {count:,} {name}", file=sys.stderr)
    if account.propensities_refused is not None:
        print(f"no propensities: {account.propensities_refused}", file=sys.stderr)
    for warning in account.warnings:
        print(f"warning: {warning}", file=sys.stderr)
