"""Run the cells of a notebook in their order, and keep what they print and plot in it.

    python examples/run_notebook.py examples/from_clicks_to_ranker.ipynb

With `--check`, the file stays as it is. A cell that raises ends the run. Jupyter does the same and
more; this needs nothing but matplotlib.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot


def run(notebook: dict[str, Any]) -> None:
    """Puts the outputs of each cell into it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        number += 1
        text = io.StringIO()
        with redirect_stdout(text):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)  # noqa: S102 - that is what it is for
        cell["execution_count"] = number
        cell["outputs"] = [*_printed(text.getvalue()), *_plotted()]
        sys.stdout.write(text.getvalue())


def _printed(text: str) -> list[dict[str, Any]]:
    if not text:
        return []
    return [{"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}]


def _plotted() -> list[dict[str, Any]]:
    outputs = []
    for figure in map(pyplot.figure, pyplot.get_fignums()):
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=80, bbox_inches="tight")
        data = {"image/png": base64.b64encode(picture.getvalue()).decode()}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    pyplot.close("all")
    return outputs


def main(path: Path, *, keep: bool) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    run(notebook)
    if keep:
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), keep="--check" not in sys.argv)
