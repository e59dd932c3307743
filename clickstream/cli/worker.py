"""`clickstream worker`: one stream processor against the servers named by the settings."""

from __future__ import annotations

import os


def command() -> None:
    """Run one stream processor: Kafka → join → ClickHouse. Ends on SIGTERM, losing nothing."""
    # Arrow's own allocator keeps what a peak needed, thread by thread: a hundred megabytes of a
    # worker that catches up. Arrow looks once, when it is first imported; its functions take no
    # notice of `pyarrow.set_memory_pool`.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

    from clickstream.settings import Settings
    from stream_processors.worker import run_worker

    run_worker(Settings())
