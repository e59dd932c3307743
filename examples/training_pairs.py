"""From the export to training pairs, in the standard library and constant memory.

    python examples/training_pairs.py http://127.0.0.1:8000 > pairs.ndjson

For each click: the query, the object that was clicked, and each object that was shown above it and
not clicked. Sessions marked irrelevant are not in the export.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen


def sessions(base: str) -> Iterator[dict[str, Any]]:
    """Every session that counts, with its events, as the server streams them."""
    with urlopen(f"{base}/export/sessions", timeout=60) as lines:  # noqa: S310 - our own http URL
        for line in lines:
            yield json.loads(line)


def pairs(session: dict[str, Any]) -> Iterator[dict[str, str]]:
    """`preferred` was clicked below `passed_over`, which was not."""
    shown = [result["object_id"] for result in session["search_results"]]
    clicked = {e["object_id"] for e in session["events"] if e["event_type"] == "click"}
    for place, object_id in enumerate(shown):
        if object_id in clicked:
            for passed_over in shown[:place]:
                if passed_over not in clicked:
                    yield {
                        "query": session["search_query"],
                        "preferred": object_id,
                        "passed_over": passed_over,
                    }


def main(base: str) -> None:
    for session in sessions(base):
        for pair in pairs(session):
            print(json.dumps(pair, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
