"""Program: run local servers until killed, for a test that kills it.

    python -m tests.clickstream.local.engines.holder DATA_DIR

Prints the pids of the three engines once they answer.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from clickstream.local.engines.local_servers import run_local_servers


def main() -> None:
    with run_local_servers(Path(sys.argv[1])) as engines:
        print(json.dumps([engine.pid for engine in engines.all]), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
