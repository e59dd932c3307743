"""examples/finetune_embedder.py learns from triples as they are exported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from api.training.formats import TrainingFormat
from tests.api.training.test_formats import file, row

PROGRAM = Path(__file__).parents[3] / "examples" / "finetune_embedder.py"
COLOURS = ("red", "green", "blue", "black", "white", "brown", "grey", "pink", "gold", "beige")
THINGS = ("boots", "shoes", "tent", "lamp", "chair")


def test_queries_that_were_not_trained_on_are_nearer_to_what_was_clicked(tmp_path: Path) -> None:
    """People want the colour; the texts tell more of the thing."""
    chance = np.random.default_rng(5)
    rows = []
    for number in range(300):
        colour, other = chance.choice(COLOURS, 2, replace=False)
        thing = chance.choice(THINGS)
        query = f"{colour} {thing}"
        titles = [f"{thing} {thing} {other} on sale", f"something in {colour}"]
        rows.append(row(number, "ab", [2], search_query=query, titles=titles))
    path = tmp_path / "triples.ndjson"
    path.write_text(file(TrainingFormat.TRIPLES, rows))
    told = subprocess.run(
        [sys.executable, str(PROGRAM), str(path)], capture_output=True, text=True, check=True
    ).stdout
    before, after = map(float, re.findall(r"(\d\.\d\d) (?:before|after)", told))
    assert after > before + 0.1
