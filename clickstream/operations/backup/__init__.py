"""Backup and restore of the ClickHouse tables, the schemas with their ids, and the offsets of the
workers.

`create` and `restore` hold the order of the steps, which is what makes a backup consistent.
docs/backup.md is the page for operators.
"""
