"""`clickstream judgments`: how relevant each object is for each query, into a file."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.commands.options import check_names_a_file
from clickstream.commands.output_files import check_ending, replaced_when_whole

if TYPE_CHECKING:
    from api.judgments.judge import PositionEffects
    from api.judgments.question import Question
    from core.settings import Settings


class Estimator(StrEnum):
    """Which estimate is graded."""

    CTR = "ctr"
    COEC = "coec"
    PBM = "pbm"


class FileFormat(StrEnum):
    """How it is written."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"
    QRELS = "qrels"
    QUERIES = "queries"
    RATINGS_CSV = "ratings_csv"
    RATINGS_JSON = "ratings_json"


def judgments(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; replaced once it is whole.")
    ],
    format: Annotated[
        FileFormat,
        typer.Option(
            help="parquet, csv and ndjson have all columns; qrels is TREC's, with queries as its "
            "file of texts; ratings_csv and ratings_json are what workbenches import."
        ),
    ] = FileFormat.PARQUET,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="Searches created at this time or later, written as over HTTP."
        ),
    ] = "",
    end: Annotated[str, typer.Option("--to", help="Searches created before this time.")] = "",
    estimator: Annotated[
        Estimator, typer.Option(help="Which estimate is graded.")
    ] = Estimator.COEC,
    min_impressions: Annotated[
        int, typer.Option(min=1, help="Omit pairs that were shown less often.")
    ] = 20,
    cut_points: Annotated[
        str, typer.Option(help="Where the grades 1 to 4 begin, as multiples of the average.")
    ] = "0.25,0.5,1,2",
    weights: Annotated[
        str, typer.Option(help="Types of events and their weights, such as purchase:5,click:1.")
    ] = "click:1",
    depth: Annotated[
        int, typer.Option(min=1, max=500, help="What was shown further down does not count.")
    ] = 50,
    by: Annotated[
        str, typer.Option(help="A path of CLICKSTREAM_DIMENSIONS: each of its values apart.")
    ] = "",
    propensities: Annotated[
        Path | None,
        typer.Option(help="Also write how likely each position is looked at, as CSV."),
    ] = None,
) -> None:
    """Judge how relevant each object is for each query, by what people clicked.

    Sessions that are marked irrelevant are left out. The columns are those of GET /judgments:
    docs/judgments.md.
    """
    from api.judgments import question as asked
    from api.judgments.formats import OF_PAIRS
    from api.judgments.parameters import check_by, parse_cut_points, population_of
    from api.metrics.question import Filters
    from api.selection import Relevance, parse_selection
    from clickstream.local.target_settings import operator_settings

    for path in (output, propensities):
        if path is not None:
            check_names_a_file(path)
    check_ending(output, format.value)
    if by and format.value in OF_PAIRS:
        raise typer.BadParameter(f"{format.value} has one grade for each pair: leave out --by")
    settings = operator_settings()
    selection = parse_selection(start, end, Relevance.EXCLUDE)
    question = asked.Question(
        population_of(selection, Filters(), None, weights, depth),
        asked.Estimator(estimator.value),
        min_impressions,
        parse_cut_points(cut_points),
        check_by(by, settings.dimensions),
    )
    effects = asyncio.run(_write(settings, question, format, output, propensities))
    if effects.refused is not None:
        typer.echo(f"no pbm: {effects.refused}", err=True)
    print(f"{output}: {output.stat().st_size:,} bytes")


async def _write(
    settings: Settings,
    question: Question,
    format: FileFormat,
    output: Path,
    propensities: Path | None,
) -> PositionEffects:
    """Both files, or none."""
    from api.judgments.formats import WRITERS, JudgmentFormat
    from api.judgments.judge import Judge
    from api.queries import FIRST_BYTE_SECONDS
    from api.store import ClickHouseStore

    store = ClickHouseStore(settings, FIRST_BYTE_SECONDS)
    outputs = (output,) if propensities is None else (output, propensities)
    try:
        judge = Judge(store, FIRST_BYTE_SECONDS)
        effects = await judge.effects_for(question)
        write = WRITERS[JudgmentFormat(format.value)]
        with replaced_when_whole(*outputs) as (file, *more):
            async with (
                aclosing(judge.all(question, effects)) as batches,
                aclosing(write(batches)) as parts,
            ):
                async for part in parts:
                    file.write(part)
            for other in more:
                other.write(_propensities(effects))
    finally:
        await store.close()
    return effects


def _propensities(effects: PositionEffects) -> bytes:
    from api.judgments.formats import csv_lines
    from api.judgments.propensities import propensity_rows
    from api.judgments.responses import Propensity

    if effects.examination is None:
        raise typer.BadParameter(f"there are no propensities: {effects.refused}")
    names = Propensity.__struct_fields__
    rows = [[getattr(row, name) for name in names] for row in propensity_rows(effects)]
    return csv_lines([names, *rows])
