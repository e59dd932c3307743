"""Erasing all data of a user. docs/decisions/0010-erasure.md has the argument."""
