"""`clickstream worker`: one stream processor against the servers named by the settings."""

from __future__ import annotations

import gc


def worker() -> None:
    """Run one stream processor: Kafka → join → ClickHouse.

    On SIGTERM it writes what it has read, commits its offsets and ends.
    """
    from stream_processors.process.malloc import limit_malloc_arenas
    from stream_processors.process.without_pandas import keep_pandas_out

    limit_malloc_arenas()  # before the others bring in Arrow, and threads
    keep_pandas_out()
    gc.disable()  # what is imported is no garbage: looking for it took a fifth of the start

    from clickstream.local.target_settings import process_settings
    from stream_processors.process.worker import run_worker

    gc.freeze()
    gc.enable()
    run_worker(process_settings())
