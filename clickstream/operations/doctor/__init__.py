"""`clickstream doctor`: checks every server and every promise, and says what to do.

`checks` lists the checks; `connectivity_checks`, `schema_checks` and `pipeline_checks` hold them.
`runner` runs them in bounded time, `report` prints the results. The `*_client` modules query the
servers: each has a Protocol, which tests implement in memory, and the real client.
"""
