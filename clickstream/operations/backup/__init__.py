"""Backup and restore: the tables, the schemas with their ids, and where the workers were.

docs/backup.md says for operators what is in a backup; `save` and `bring_back` have the order of
steps that makes it right.
"""
