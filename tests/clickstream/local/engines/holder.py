"""Program: hold embedded engines until killed, for a test that kills it.

    python -m tests.clickstream.local.engines.holder DATA_DIR

Prints the pids of the three engines once they answer.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from clickstream.local.engines.local_servers import embedded_engines


def main() -> None:
    with embedded_engines(Path(sys.argv[1])) as engines:
        print(json.dumps([engine.pid for engine in engines.all]), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
