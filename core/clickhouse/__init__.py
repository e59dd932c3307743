"""Access to ClickHouse for every process: clients, and the meaning of a server's errors.

`client.py` makes clients, `pool.py` has the connections below them, `admin.py` runs statements
with bound names, `lease.py` keeps operations apart.
"""

from core.clickhouse.client import (
    address_of,
    connect,
    connect_async,
    database_of,
    on_database,
    translate,
)
from core.server_urls import Address

__all__ = [
    "Address",
    "address_of",
    "connect",
    "connect_async",
    "database_of",
    "on_database",
    "translate",
]
