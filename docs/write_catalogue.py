"""Write the catalogue into docs/metrics.md, from `api.metrics.catalogue`; `--check` only compares.

What stands between the two marks of the page is written; all else is by hand. `make docs` runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from api.metrics.catalogue import METRICS, PARTS, Metric, Source, dimensions_of

PAGE = Path(__file__).with_name("metrics.md")
BEGIN = "<!-- The catalogue: written by docs/write_catalogue.py -->\n"
END = "<!-- The end of the catalogue -->\n"


def page(text: str) -> str:
    """The text of the page with the catalogue as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} lacks its marks: {BEGIN.strip()} and {END.strip()}")
    return before + BEGIN + "\n" + catalogue() + "\n" + END + after


def catalogue() -> str:
    """Two tables: what each metric is, and where it comes from."""
    what = (
        (f"`{each.name}`", each.kind.value, each.formula, each.unit, each.null) for each in METRICS
    )
    where = (
        (f"`{each.name}`", _quotient(each), _names(each.sources), _by(each)) for each in METRICS
    )
    return (
        _table(("Metric", "Kind", "What it is", "Unit", "null"), what)
        + "\n"
        + _table(("Metric", "Sums", "Views", "Grouped by"), where)
    )


def _quotient(metric: Metric) -> str:
    columns = (metric.numerator, metric.denominator)
    return " / ".join(_sum(column) for column in columns if column is not None)


def _sum(column: str) -> str:
    return f"`{column}`" + (f" in parts of 1/{PARTS[column]}" if column in PARTS else "")


def _names(sources: Iterable[Source]) -> str:
    return ", ".join(f"`{source.value}`" for source in sources)


def _by(metric: Metric) -> str:
    return ", ".join(f"`{name}`" for name in dimensions_of(metric))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> int:
    """1 when `--check` finds another catalogue than the code has."""
    text = PAGE.read_text("utf-8")
    wanted = page(text)
    if "--check" in sys.argv[1:]:
        if text != wanted:
            print(f"{PAGE} is not what the code says: run `make docs`", file=sys.stderr)
        return 0 if text == wanted else 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
