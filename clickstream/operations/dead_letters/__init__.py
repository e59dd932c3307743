"""`clickstream dlq`: list, show, republish and purge dead letters.

`dead_letter` has the types, the selection and the advice; `store` reads and deletes them in
ClickHouse; `republish` puts records back into their topic; `report` prints. docs/dead-letters.md is
the page for operators.
"""
