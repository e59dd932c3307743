"""ClickHouse as every process reaches it: clients, and what a server's errors mean.

`client.py` makes clients, `pool.py` has the connections below them, `admin.py` runs statements
with bound names, `lease.py` keeps operations apart.
"""

from core.clickhouse.client import (
    Address,
    address_of,
    connect,
    connect_async,
    database_of,
    translate,
)

__all__ = ["Address", "address_of", "connect", "connect_async", "database_of", "translate"]
