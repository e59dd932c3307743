"""Draw what `clickstream demo` printed as docs/pictures/demo.svg, for the README.

    clickstream demo --once | python docs/draw_demo.py

The text is shown as it came, from the table of freshness on. The picture names no font that a
browser would have to fetch.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

PICTURE: Final = Path(__file__).with_name("pictures") / "demo.svg"
COLUMNS: Final = 68

# Rich's own form of the picture loads a font by URL.
FORM: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="Output of clickstream demo">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main() -> None:
    """Reads standard input, writes the picture."""
    said = sys.stdin.read()
    shown = said[said.index("Freshness") :].rstrip()
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("$ make demo\n…"))
    console.print(Text(shown))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(
        console.export_svg(title="make demo", code_format=FORM, theme=DIMMED_MONOKAI), "utf-8"
    )


if __name__ == "__main__":
    main()
