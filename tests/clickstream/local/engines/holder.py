"""Program: run local servers until killed, for a test that kills it.

    python -m tests.clickstream.local.engines.holder DATA_DIR

Prints the pids of the three engines, and where they are, once they answer.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from clickstream.local.engines.local_servers import run_local_servers
from tests.shared_engines import SharedEngines


def main() -> None:
    with run_local_servers(Path(sys.argv[1])) as engines:
        where = SharedEngines(
            engines.kafka_bootstrap_servers,
            engines.schema_registry_url,
            engines.clickhouse_url,
            engines.passwords,
        )
        pids = [engine.pid for engine in engines.all]
        print(json.dumps({"pids": pids, "engines": asdict(where)}), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
