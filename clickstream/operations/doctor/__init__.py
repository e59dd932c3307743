"""`clickstream doctor`: looks at every server and every promise, and says what to do.

`finding` is what a check says, `view` is what checks may ask, `servers`, `contracts`, `pipeline`
hold the checks, `examine` runs them in bounded time, `report` prints. `live_*` ask real servers.
"""
